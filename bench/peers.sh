#!/bin/sh
# SPDX-License-Identifier: MIT
# peers.sh - the body of `make bench-peers`: makes the virtual environment of
# requirements.txt (environment.sh), then runs peers.py in it with the arguments
# given. Environment: BUILD, PYTHON; VENV names an environment to use as it is.
set -eu
cd "$(dirname "$0")/.."
. bench/environment.sh
exec "$VENV/bin/python" bench/peers.py --build "$BUILD" "$@"
