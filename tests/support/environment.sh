# SPDX-License-Identifier: MIT
# environment.sh - sourced from the repository's root: `environment NAME LIST`
# sets VENV to build/NAME-venv, a virtual environment with the packages of the
# file LIST, made again when the file has changed. A VENV that is set is used as it
# is. A package that cannot be had is said. Returns 1 where no environment can be
# made. Environment: PYTHON.
# shellcheck shell=sh
environment() {
    [ -z "$VENV" ] || return 0
    VENV=build/$1-venv
    ! cmp -s "$2" "$VENV/requirements.txt" || return 0
    echo "$1: making $VENV"
    rm -rf "$VENV"
    "$PYTHON" -m venv "$VENV" || {
        echo "skip - $1: no virtual environment (on Debian:" \
            'apt-get install python3-venv)'
        return 1
    }
    missing=
    # shellcheck disable=SC2013 # a line is a word
    for package in $(sed '/^#/d' "$2"); do
        "$VENV/bin/python" -m pip install -qq --disable-pip-version-check \
            "$package" 2>"$VENV/pip.log" || {
            missing=yes
            echo "skip - $1: pip cannot install $package"
        }
    done
    # What was missing is asked for again the next time.
    [ -n "$missing" ] || cp "$2" "$VENV/requirements.txt"
}
