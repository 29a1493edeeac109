#!/bin/sh
# SPDX-License-Identifier: MIT
# python.sh - the Python package against clipc-embed and its peers: python.py in
# the environment of peers.sh, with the wheel in an environment of its own,
# build/bench-wheel. Peers lie in build/bench-python; what cannot be installed is
# said, and left out. Run `make all wheel` first.
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
    folder=build/bench-python
    # torch, transformers and Pillow are those of the environment.
    if [ ! -d "$folder" ]; then
        "$PEER_PYTHON" -m pip install -qq --disable-pip-version-check \
            --no-deps --target "$folder" --retries 1 \
            sentence-transformers==5.1.2 open_clip_torch==3.3.0 ftfy wcwidth \
            timm tqdm scikit-learn scipy joblib threadpoolctl torchvision ||
            echo "python: SKIPPED peers: cannot be installed"
    fi
    export BENCH_PEERS="$PWD/$folder"
fi
exec "$VENV/bin/python" bench/python.py --build "$BUILD" \
    --clipc "$CLIPC_PYTHON" --peers "$PEER_PYTHON" "$@"
