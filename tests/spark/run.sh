#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh [WORD] - the body of `make check-spark`: installs the packages of
# requirements.txt in build/spark-venv (again when the file has changed), writes
# the inputs of make_data.py once, and runs check_spark.py. What cannot be had is
# said, and the check counts as skipped.
# Environment: BUILD, PYTHON; VENV names an environment to use as it is.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=build/release}" "${PYTHON:=python3}" "${VENV:=}"
list=tests/spark/requirements.txt
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
export BUILD

command -v java >/dev/null || {
    echo 'skip - spark: no java (on Debian: apt-get install openjdk-17-jre-headless)'
    exit 0
}
if [ -z "$VENV" ]; then
    VENV=build/spark-venv
    if ! cmp -s "$list" "$VENV/requirements.txt"; then
        echo "spark: making $VENV"
        rm -rf "$VENV"
        "$PYTHON" -m venv "$VENV" || {
            echo 'skip - spark: no virtual environment (on Debian:' \
                'apt-get install python3-venv)'
            exit 0
        }
        missing=
        # shellcheck disable=SC2013 # a line is a word
        for package in $(sed '/^#/d' "$list"); do
            "$VENV/bin/python" -m pip install -qq \
                --disable-pip-version-check "$package" 2>"$VENV/pip.log" || {
                missing=yes
                echo "skip - spark: pip cannot install $package"
            }
        done
        # What was missing is asked for again the next time.
        [ -n "$missing" ] || cp "$list" "$VENV/requirements.txt"
    fi
fi
# The package as it lies here, with the library of the build.
PYTHONPATH=$PWD/tools/python/src
CLIPC_LIBRARY=$BUILD/libclipc.so.0
CLIPC_DATA_DIR=$PWD/weights
# The engine: one machine, whose name may not resolve.
SPARK_LOCAL_IP=127.0.0.1
PYSPARK_PYTHON=$PWD/$VENV/bin/python
case $VENV in /*) PYSPARK_PYTHON=$VENV/bin/python ;; esac
PYSPARK_DRIVER_PYTHON=$PYSPARK_PYTHON
export PYTHONPATH CLIPC_LIBRARY CLIPC_DATA_DIR SPARK_LOCAL_IP PYSPARK_PYTHON \
    PYSPARK_DRIVER_PYTHON
"$PYSPARK_PYTHON" -c 'import PIL, pyarrow, pyspark' 2>/dev/null || {
    echo 'skip - spark: no pillow, pyarrow or pyspark'
    exit 0
}
data=build/spark-data
if [ ! -f $data/whole ]; then
    rm -rf $data
    "$PYSPARK_PYTHON" tests/spark/make_data.py $data || exit 1
    : >$data/whole
fi
exec "$PYSPARK_PYTHON" tests/spark/check_spark.py $data "$@"
