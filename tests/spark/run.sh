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
. tests/support/environment.sh
environment spark $list || exit 0
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
