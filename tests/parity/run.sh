#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh - the body of `make parity`: makes the reference's virtual environment
# in build/venv (again when requirements.txt has changed), then runs hub.py and
# parity.py in it; with arguments parity.py alone.
# Environment: BUILD, PYTHON, VENV; PARTS, what runs in place of all: hub, and what
# parity.py takes behind --only; CLIPC_ALLOW_SKIP, CLIPC_TEST_MODEL,
# CLIPC_PHOTOS and CLIPC_CORPUS are parity.py's (README.md).
set -eu
cd "$(dirname "$0")/../.."
: "${BUILD:=build/release}" "${PYTHON:=python3}" "${VENV:=build/venv}" "${PARTS:=}"

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
    $pip --no-deps "$(sed -n 's/^#no-deps //p' "$wanted")"
    cp "$wanted" "$VENV/requirements.txt"
fi

# The cache that clipc and Python share; its own program, because
# huggingface_hub reads its variables once.
status=0
[ $# -gt 0 ] || case " ${PARTS:-hub} " in
*" hub "*) "$VENV/bin/python" tests/parity/hub.py --build "$BUILD" || status=1 ;;
esac
[ "$PARTS" != hub ] || exit $status
for part in $PARTS; do
    [ "$part" = hub ] || set -- "$@" --only "$part"
done

# torch sums in another order with more threads.
OMP_NUM_THREADS=2 "$VENV/bin/python" tests/parity/parity.py \
    --build "$BUILD" "$@" || status=$?
exit $status
