#!/bin/sh
# SPDX-License-Identifier: MIT
# many.sh - whether clipc-classify leaves a core idle over many pictures:
#
#     sh bench/many.sh MODEL N PICTURE...      N pictures, the named ones in turn
#
# First on one CPU, whose time is then all that the work needs; then on all
# CPUs this process may use. The rate is set against CPUs / (CPU seconds of one
# picture on one CPU). Three rounds; needs taskset and GNU time, and a machine
# with nothing else to do.
set -eu
: "${BUILD:=build/release}"
model=$1 n=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
i=0
while [ $i -lt "$n" ]; do
    for picture; do
        [ $i -lt "$n" ] && echo "$picture"
        i=$((i + 1))
    done
done >"$tmp/list"
cpus=$(nproc)
first=$(taskset -cp $$ | sed 's/.*: *//; s/[-,].*//')
run() {
    /usr/bin/time -o "$tmp/time" -f '%e %U %S' "$@" "$BUILD/clipc-classify" \
        --model "$model" --quiet --format jsonl --files-from "$tmp/list" >"$tmp/out"
    [ "$(wc -l <"$tmp/out")" -eq "$n" ]
}
run env
for round in 1 2 3; do
    run taskset -c "$first"
    one=$(cat "$tmp/time")
    run env
    echo "$round $n $cpus $one $(cat "$tmp/time")" | awk '{
        need = ($5 + $6) / $2; used = ($8 + $9) / $2
        printf "round %d: 1 CPU %.1f ms CPU a picture; %d CPUs %.1f ms CPU, " \
            "%.1f pictures/s, %.2f cores used, %.0f %% of what %d CPUs allow\n", \
            $1, 1000 * need, $3, 1000 * used, $2 / $7, ($8 + $9) / $7, \
            100 * ($2 / $7) / ($3 / need), $3 }'
done
