# SPDX-License-Identifier: MIT
# environment.sh - sourced by peers.sh and photos.sh from the repository's root:
# sets BUILD and VENV, and makes the virtual environment of requirements.txt in
# build/bench-venv (again when the list has changed) unless VENV names one.
# shellcheck shell=sh
: "${BUILD:=build/release}" "${PYTHON:=python3}"

if [ -z "${VENV:-}" ]; then
    VENV=build/bench-venv
    if ! cmp -s bench/requirements.txt "$VENV/requirements.txt"; then
        echo "bench: making $VENV (about 2 GB)"
        rm -rf "$VENV"
        "$PYTHON" -m venv "$VENV" || {
            echo "bench: cannot make $VENV; on Debian: apt-get install" \
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
