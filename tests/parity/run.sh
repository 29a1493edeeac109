#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh - the body of `make parity`: makes the reference's virtual environment
# in build/venv (again when requirements.txt has changed), then runs parity.py
# in it with the arguments given.
# Environment: BUILD, PYTHON, VENV; CLIPC_ALLOW_SKIP, CLIPC_TEST_MODEL are
# parity.py's.
set -eu
cd "$(dirname "$0")/../.."
: "${BUILD:=build/release}" "${PYTHON:=python3}" "${VENV:=build/venv}"

wanted=tests/parity/requirements.txt
if ! cmp -s "$wanted" "$VENV/requirements.txt"; then
    echo "parity: making $VENV (torch is 200 MB)"
    rm -rf "$VENV"
    "$PYTHON" -m venv "$VENV" || {
        echo "parity: cannot make $VENV; on Debian: apt-get install" \
             "python3-venv" >&2
        exit 1
    }
    pip="$VENV/bin/python -m pip install -qq --disable-pip-version-check"
    # torch alone first, so that nothing else chooses its version.
    $pip "$(grep '^torch==' "$wanted")"
    $pip -r "$wanted"
    cp "$wanted" "$VENV/requirements.txt"
fi

# As many as DESIGN.md measures with; torch sums in another order with more.
OMP_NUM_THREADS=2 exec "$VENV/bin/python" tests/parity/parity.py \
    --build "$BUILD" "$@"
