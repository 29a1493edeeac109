#!/bin/sh
# SPDX-License-Identifier: MIT
# python.sh - the Python package against clipc-embed and its peers: python.py in
# the environment of peers.sh. The wheel has an environment of its own,
# build/bench-wheel, torchvision and the peers have folders; what cannot be
# installed is said, and left out. Run `make all wheel` first.
# Environment: BUILD, PYTHON, VENV as for peers.sh; CLIPC_PYTHON and PEER_PYTHON
# name interpreters that have the wheel and the peers.
set -eu
cd "$(dirname "$0")/.."
. bench/environment.sh

if [ -z "${CLIPC_PYTHON:-}" ]; then
    CLIPC_PYTHON=build/bench-wheel/bin/python
    wheel=$(ls -t build/wheel/clipc-*.whl 2>/dev/null | head -n 1)
    [ -n "$wheel" ] || { echo "python: make wheel first" >&2; exit 1; }
    [ -x "$CLIPC_PYTHON" ] || "$PYTHON" -m venv build/bench-wheel
    "$CLIPC_PYTHON" -m pip install -qq --disable-pip-version-check numpy
    "$CLIPC_PYTHON" -m pip install -qq --disable-pip-version-check \
        --no-deps --force-reinstall "$wheel"
fi
if [ -z "${PEER_PYTHON:-}" ]; then
    PEER_PYTHON=$VENV/bin/python
    BENCH_PEERS=$PWD/build/bench-python
    : "${TORCHVISION:=$PWD/build/bench-torchvision}"
    export BENCH_PEERS TORCHVISION
    # torch, transformers and Pillow are those of the environment.
    [ -d "$BENCH_PEERS" ] || "$PEER_PYTHON" -m pip install -qq --no-deps \
        --disable-pip-version-check --target "$BENCH_PEERS" --retries 1 \
        sentence-transformers==6.2.0 open_clip_torch==3.3.0 timm ftfy wcwidth \
        tqdm scikit-learn scipy joblib threadpoolctl narwhals ||
        echo "python: SKIPPED peers: cannot be installed"
    [ -d "$TORCHVISION" ] || "$PEER_PYTHON" -m pip install -qq --no-deps \
        --disable-pip-version-check --target "$TORCHVISION" --retries 1 \
        torchvision==0.28.0 ||
        echo "python: SKIPPED torchvision: cannot be installed"
fi
exec "$VENV/bin/python" bench/python.py --build "$BUILD" \
    --clipc "$CLIPC_PYTHON" --peers "$PEER_PYTHON" "$@"
