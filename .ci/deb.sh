#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# deb.sh SUITE - builds the Debian packages for SUITE (bookworm, trixie), for
# bookworm twice with the same bytes, without a tag of lintian; installs, tries
# and removes them in a fresh root. As root, on Debian.
set -euo pipefail
cd "$(dirname "$0")/.."

# autopkgtest, and what makes the roots.
packages='autopkgtest debootstrap'
# shellcheck disable=SC2086 # several packages
if ! dpkg -s $packages >/dev/null 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends $packages >/dev/null
fi

twice=
[ "$1" != bookworm ] || twice=--twice
sh tools/packaging/deb.sh --suite "$1" --lint $twice
sh tools/packaging/check-deb.sh --suite "$1"
