#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh - `make bench`: the stages on this machine, with the demo model and,
# when CLIPC_BENCH_MODEL names a folder, with that checkpoint.
set -eu
: "${BUILD:=build/release}"
bench=$BUILD/clipc-bench

"$BUILD/clipc-inspect" model --model demo | sed -n '/^[Cc]omput/,$p'
for model in demo ${CLIPC_BENCH_MODEL:+"$CLIPC_BENCH_MODEL"}; do
    for threads in 1 2; do
        for batch in 1 8; do
            printf 'threads %s batch %s  ' "$threads" "$batch"
            "$bench" image --model "$model" --threads $threads --batch $batch
        done
        printf 'threads %s          ' "$threads"
        "$bench" text --model "$model" --threads $threads --reps 5
    done
done
"$bench" preprocess
"$bench" labels
