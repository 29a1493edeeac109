#!/bin/sh
# SPDX-License-Identifier: MIT
# coverage.sh BUILD - line coverage of lib/ after `make VARIANT=cov check`.
set -eu
build=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for source in lib/*/*.c lib/kernels/*/*.c; do
    gcov -n -o "$build/$(dirname "$source")" "$source" 2>/dev/null |
        awk -v file="$source" '
            $0 ~ "^File .*" file { found = 1; next }
            /^File/ { found = 0 }
            found && /^Lines executed/ {
                split($0, part, /[:% ]+/)
                printf "%s %s %s\n", file, part[3], part[5]
                found = 0
            }'
done >"$tmp/lines"
awk '{
        printf "  %-28s %6.2f %% of %5d lines\n", $1, $2, $3
        total += $3; hit += $2 * $3 / 100
    }
    END { printf "lib/: %.2f %% of %d lines\n", 100 * hit / total, total }' "$tmp/lines"
