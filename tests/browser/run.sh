#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh [SCRIPT] - the body of `make check-browser`: installs package.json's two
# packages in build/browser (again when the file has changed), then drives a page
# in Chromium and in Firefox: that of clipc-serve (check.js), or of `make wasm`
# (wasm.js). Neither package brings a browser. What is missing is said, and counts
# as skipped.
# Environment: BUILD; CHROMIUM, FIREFOX name other programs than Debian's;
# SHOTS names a folder for pictures of the page.
set -eu
cd "$(dirname "$0")/../.."
: "${BUILD:=build/release}" "${SHOTS:=}"
script=${1:-check.js}
modules=build/browser/node_modules

skip() {
    echo "skip - browser: $1"
    exit 0
}
find_program() { # NAMES...
    for name in "$@"; do
        command -v "$name" && return
    done
    echo
}
[ "$script" != check.js ] || [ -x "$BUILD/clipc-serve" ] ||
    skip 'clipc-serve was not built (SERVE=0)'
for program in node npm curl; do
    command -v $program >/dev/null ||
        skip "no $program (on Debian: apt-get install nodejs npm curl)"
done
: "${CHROMIUM=$(find_program chromium chromium-browser google-chrome)}"
: "${FIREFOX=$(find_program firefox-esr firefox)}"
[ -n "$CHROMIUM$FIREFOX" ] ||
    skip 'no browser (on Debian: apt-get install chromium firefox-esr)'
[ -n "$CHROMIUM" ] || echo 'skip - browser: no chromium'
[ -n "$FIREFOX" ] || echo 'skip - browser: no firefox-esr'

if ! cmp -s tests/browser/package.json build/browser/package.json; then
    echo 'browser: installing puppeteer-core and axe-core in build/browser'
    rm -rf build/browser
    mkdir -p build/browser.new
    cp tests/browser/package.json build/browser.new
    (cd build/browser.new && npm install --silent --no-audit --no-fund \
        --ignore-scripts) || skip 'npm could not install the packages'
    mv build/browser.new build/browser
fi
[ -z "$SHOTS" ] || mkdir -p "$SHOTS"
export BUILD CHROMIUM FIREFOX SHOTS MODULES="$modules"
exec node "tests/browser/$script"
