#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh - the body of `make check-wasm`: the module of `make wasm` in node, then
# its page in browsers. What is missing is said, and counts as skipped.
# Environment: BUILD, this machine's programs; BUILDS, the folder of all builds;
# CHROMIUM, FIREFOX and SHOTS as for tests/browser/run.sh.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=build/release}" "${BUILDS:=build}"
export BUILD WASM="$BUILDS/wasm"

failed=0
if command -v node >/dev/null; then
    node tests/wasm/check.mjs || failed=1
else
    echo 'skip - wasm: no node (on Debian: apt-get install nodejs)'
fi
sh tests/browser/run.sh wasm.js || failed=1
exit $failed
