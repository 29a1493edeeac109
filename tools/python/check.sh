#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh [PYTEST ARGUMENT...] - the body of `make check-python`: installs the
# package in build/python-venv, with the library that `make` has built, and runs
# ruff, mypy --strict and the tests. With WHEEL=1 the package is the wheel of
# `make wheel`. The environment is made again when requirements-test.txt has
# changed; packages that cannot be had are said, and what needs them is skipped.
#
# Environment: BUILD; PYTHON; VENV names an environment to use as it is.
set -eu
cd "$(dirname "$0")/../.."
: "${BUILD:=build/release}" "${PYTHON:=python3}" "${VENV:=}" "${WHEEL:=}"
export BUILD
list=tools/python/requirements-test.txt

if [ -z "$VENV" ]; then
    VENV=$PWD/build/python-venv
    if ! cmp -s "$list" "$VENV/requirements.txt"; then
        echo "python: making build/python-venv"
        rm -rf "$VENV"
        "$PYTHON" -m venv "$VENV" || {
            echo 'skip - python: no virtual environment (on Debian:' \
                'apt-get install python3-venv)'
            exit 0
        }
        "$VENV/bin/python" -m pip install -qq --disable-pip-version-check \
            -r "$list" 2>"$VENV/pip.log" &&
            cp "$list" "$VENV/requirements.txt" || {
            tail -n 1 "$VENV/pip.log" >&2
            echo 'skip - python: pip cannot install requirements-test.txt'
            exit 0
        }
    fi
fi
python=$VENV/bin/python

if [ -n "$WHEEL" ]; then
    "$python" -m pip install -qq --disable-pip-version-check --no-deps \
        --force-reinstall build/wheel/clipc-*.whl
    unset CLIPC_LIBRARY CLIPC_DATA_DIR PYTHONPATH
else
    "$python" -m pip uninstall -qqy clipc 2>/dev/null || true
    CLIPC_LIBRARY=$PWD/$BUILD/libclipc.so.0
    CLIPC_DATA_DIR=$PWD/weights
    PYTHONPATH=$PWD/tools/python/src
    export CLIPC_LIBRARY CLIPC_DATA_DIR PYTHONPATH
fi
export PYTHONDONTWRITEBYTECODE=1

cd tools/python
failed=0
if [ $# -eq 0 ]; then
    "$python" -m ruff check --no-cache . || failed=1
    "$python" -m ruff format --no-cache --check . || failed=1
    "$python" -m mypy --cache-dir "../../build/mypy-cache" || failed=1
fi
"$python" -m pytest -p no:cacheprovider "$@" || failed=1
exit $failed
