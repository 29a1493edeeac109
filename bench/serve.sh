#!/bin/sh
# SPDX-License-Identifier: MIT
# serve.sh - clipc-serve under load, on loopback:
#
#     sh bench/serve.sh [OPTIONS]           speed, in turns with clipc-embed and
#                                           with infinity (serve.py --help)
#     sh bench/serve.sh --mixed [SECONDS]   600 s of good, bad and hostile
#                                           requests; fails when memory grows
#                                           (serve_mixed.py --help)
#
# The first makes the virtual environment of serve-requirements.txt in
# build/serve-venv (again when the list has changed; some GB) and a model of
# full size in build/bench-cache/serve. The second needs Python alone, and takes
# that model when it is there, else the demo model. Both want `make bench` or
# `make tests` first.
# Environment: BUILD, PYTHON; VENV names an environment to use as it is.
set -eu
cd "$(dirname "$0")/.."
: "${BUILD:=build/release}" "${PYTHON:=python3}" "${VENV:=}"
for program in clipc-serve serve-load; do
    [ -x "$BUILD/$program" ] || {
        echo "serve: no $BUILD/$program (make tests builds it; SERVE=0 does" \
            "not)" >&2
        exit 1
    }
done
if [ "${1:-}" = --mixed ]; then
    shift
    exec "$PYTHON" bench/serve_mixed.py --build "$BUILD" "$@"
fi
if [ -z "$VENV" ]; then
    VENV=build/serve-venv
    list=bench/serve-requirements.txt
    if ! cmp -s "$list" "$VENV/requirements.txt"; then
        echo "serve: making $VENV"
        rm -rf "$VENV"
        "$PYTHON" -m venv "$VENV" || {
            echo "serve: cannot make $VENV; on Debian: apt-get install" \
                "python3-venv" >&2
            exit 1
        }
        "$VENV/bin/python" -m pip install -qq --disable-pip-version-check \
            -r "$list"
        cp "$list" "$VENV/requirements.txt"
    fi
fi
exec "$VENV/bin/python" bench/serve.py --build "$BUILD" "$@"
