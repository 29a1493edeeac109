#!/bin/sh
# SPDX-License-Identifier: MIT
# peers.sh - the body of `make bench-peers`: makes the virtual environment of
# requirements.txt in build/bench-venv (again when the list has changed), then
# runs peers.py in it with the arguments given.
# Environment: BUILD, PYTHON; VENV names an environment to use as it is.
set -eu
cd "$(dirname "$0")/.."
: "${BUILD:=build/release}" "${PYTHON:=python3}"

if [ -z "${VENV:-}" ]; then
    VENV=build/bench-venv
    if ! cmp -s bench/requirements.txt "$VENV/requirements.txt"; then
        echo "peers: making $VENV (about 2 GB)"
        rm -rf "$VENV"
        "$PYTHON" -m venv "$VENV" || {
            echo "peers: cannot make $VENV; on Debian: apt-get install" \
                 "python3-venv" >&2
            exit 1
        }
        pip="$VENV/bin/python -m pip install -qq --disable-pip-version-check"
        # torch alone first, so that nothing else chooses its version.
        $pip "$(grep '^torch==' bench/requirements.txt)"
        $pip -r bench/requirements.txt
        cp bench/requirements.txt "$VENV/requirements.txt"
    fi
fi
exec "$VENV/bin/python" bench/peers.py --build "$BUILD" "$@"
