#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh - `make bench`: the stages on this machine, with the demo model and,
# when CLIPC_BENCH_MODEL names a folder, with that checkpoint. About a minute;
# no Python, no network.
set -eu
: "${BUILD:=build/release}"
bench=$BUILD/clipc-bench

"$BUILD/clipc-inspect" model --model demo | sed -n '/^[Cc]omput/,$p'
for model in demo ${CLIPC_BENCH_MODEL:+"$CLIPC_BENCH_MODEL"}; do
    for threads in 1 2; do
        for dtype in f32 bf16 int8; do
            for batch in 1 8; do
                printf '%st b%s %-5s' $threads $batch $dtype
                "$bench" image --model "$model" --dtype $dtype \
                    --threads $threads --batch $batch
            done
        done
        printf '%st    f32  ' $threads
        "$bench" text --model "$model" --threads $threads --reps 5
    done
    "$bench" cold --model "$model"
done
"$bench" preprocess
"$bench" decode
"$bench" resize
"$bench" labels
for threads in 1 2; do
    "$bench" peak --threads $threads
done
"$bench" kernels
