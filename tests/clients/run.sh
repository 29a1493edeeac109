#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh [NAME...] - the body of `make check-clients`: installs the packages of
# requirements.txt in build/clients-venv (again when the file has changed), then
# runs each check: check_NAME.py and check_NAME.js, of clients that talk to
# clipc-serve and of databases, all of them or the named ones. A package that
# cannot be had is said, and its script counts as skipped.
# Environment: BUILD, PYTHON; VENV names an environment to use as it is.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=build/release}" "${PYTHON:=python3}" "${VENV:=}"
list=tests/clients/requirements.txt
export BUILD

if [ ! -x "$BUILD/clipc-serve" ]; then
    echo 'skip - clients: clipc-serve was not built (SERVE=0)'
    exit 0
fi
. tests/support/environment.sh
environment clients $list || true

failed=0
run() { # NAME
    found=
    if [ -f "tests/clients/check_$1.js" ]; then
        found=yes
        if command -v node >/dev/null; then
            node "tests/clients/check_$1.js" || failed=1
        else
            echo "skip - clients: no node for $1 (on Debian: apt-get install nodejs)"
        fi
    fi
    if [ -f "tests/clients/check_$1.py" ]; then
        found=yes
        if [ -x "$VENV/bin/python" ]; then
            "$VENV/bin/python" "tests/clients/check_$1.py" || failed=1
        else
            echo "skip - clients: no Python for $1"
        fi
    fi
    if [ -z "$found" ]; then
        echo "clients: no script for $1" >&2
        failed=1
    fi
}
if [ $# -eq 0 ]; then
    for script in tests/clients/check_*; do
        name=${script##*/check_}
        set -- "$@" "${name%.*}"
    done
fi
for name; do
    run "$name"
done
exit $failed
