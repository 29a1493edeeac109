#!/bin/sh
# SPDX-License-Identifier: MIT
# photos.sh - the body of `make bench-photos`: the environment of peers.sh, then
# photos.py in it with the arguments given. torchvision lies in a folder of its
# own, build/bench-torchvision: where transformers finds one it resizes
# otherwise. What cannot be installed is said, and left out.
# Environment: BUILD, PYTHON, VENV as for peers.sh; TORCHVISION names a folder
# that has one.
set -eu
cd "$(dirname "$0")/.."
: "${TORCHVISION:=build/bench-torchvision}"
export TORCHVISION

. bench/environment.sh
if [ ! -d "$TORCHVISION" ]; then
    # The wheel for CPUs; the package index has one that wants CUDA.
    "$VENV/bin/python" -m pip install -qq --disable-pip-version-check \
        --no-deps --target "$TORCHVISION" --retries 1 \
        --index-url https://download.pytorch.org/whl/cpu \
        torchvision==0.28.0 ||
        echo "photos: SKIPPED torchvision: cannot be installed"
fi
exec "$VENV/bin/python" bench/photos.py --build "$BUILD" "$@"
