#!/bin/sh
# SPDX-License-Identifier: MIT
# version.sh - prints clipc's version, which include/clipc.h has and nothing
# else decides. With a Debian changelog as argument, its first entry must be
# of the same version.
#
# Usage: version.sh [CHANGELOG]
set -eu
header=$(dirname "$0")/../../include/clipc.h

part() { sed -n "s/^#define CLIPC_VERSION_$1 \([0-9][0-9]*\)$/\1/p" "$header"; }
version=$(part MAJOR).$(part MINOR).$(part PATCH)
case $version in
.* | *..* | *.)
    echo "version.sh: include/clipc.h: no CLIPC_VERSION_MAJOR, MINOR and PATCH" >&2
    exit 1
    ;;
esac

if [ $# -gt 0 ]; then
    # "clipc (1:0.2.0-1) unstable; ..."
    entry=$(sed -n '1s/^[^ ]* (\(.*\)).*/\1/p' "$1")
    upstream=${entry#*:}
    upstream=${upstream%-*}
    if [ "$upstream" != "$version" ]; then
        {
            echo "version.sh: include/clipc.h is version $version, $1 begins with ${entry:-no version}"
            echo "version.sh: a release sets both: the three numbers in the header, and a new entry (dch -v VERSION-1)"
        } >&2
        exit 1
    fi
fi
printf '%s\n' "$version"
