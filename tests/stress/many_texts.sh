#!/bin/sh
# SPDX-License-Identifier: MIT
# many_texts.sh - N labels in one run of clipc-embed --texts: the memory is that
# of N / 10. Run by hand from the repository root: sh tests/stress/many_texts.sh
# [N]; N is 1000000 by default. Environment: BUILD; MODEL, default demo; DTYPE.
set -eu
: "${BUILD:=build/release}" "${MODEL:=demo}" "${DTYPE:=f32}"
n=${1:-1000000}
. tests/stress/idle.sh
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

# Sets peak, in kB. The list stays open until the program has computed nothing
# for a second and its memory has been read.
measured() { # N
    rm -f "$tmp"/*
    mkfifo "$tmp/fifo"
    "$BUILD/clipc-embed" --quiet --model "$MODEL" --dtype "$DTYPE" --texts "$tmp/fifo" \
        -o "$tmp/rows" >"$tmp/names" &
    pid=$!
    exec 3>"$tmp/fifo"
    awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) print "label " i }' >&3
    wait_idle $pid
    peak=$(peak_of $pid)
    exec 3>&-
    wait $pid
    rows=$(cat "$tmp"/rows-*.jsonl | wc -l)
    echo "$1 labels: $rows rows, peak $peak kB"
    [ "$rows" -eq "$1" ]
}
measured $((n / 10))
less=$peak
measured "$n"
if [ $((peak - less)) -gt 2048 ]; then
    echo "not flat: $((peak - less)) kB more"
    exit 1
fi
