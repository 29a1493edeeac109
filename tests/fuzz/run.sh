#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh [TARGET...] - builds the libFuzzer targets of this folder with clang,
# AddressSanitizer and UBSan and runs each for FUZZ_SECONDS (60). The corpus
# grows in build/fuzz/corpus/TARGET; seeds/TARGET beside this file is added
# if present, and TARGET.dict. A crash ends the run; the crashing input is in
# build/fuzz/. The last line is the number of executions of all targets.
set -eu
: "${FUZZ_SECONDS:=60}" "${CLANG:=clang}"
here=tests/fuzz
out=${BUILDS:-build}/fuzz
command -v "$CLANG" >/dev/null || {
    echo "fuzz: needs clang and its runtime (Debian: clang libclang-rt-14-dev)" >&2
    exit 1
}
targets=$(CC=$CLANG sh "$here/build.sh" "$out" "$@")
total=0
for target in $targets; do
    mkdir -p "$out/corpus/$target"
    seeds=
    [ ! -d "$here/seeds/$target" ] || seeds=$here/seeds/$target
    dict=
    [ ! -f "$here/$target.dict" ] || dict=-dict=$here/$target.dict
    "$out/$target" -max_total_time="$FUZZ_SECONDS" -timeout=25 \
        -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$out/$target-" $dict "$out/corpus/$target" $seeds \
        >"$out/$target.log" 2>&1 || {
        tail -60 "$out/$target.log" >&2
        echo "fuzz: $target failed; $out/$target.log" >&2
        exit 1
    }
    n=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log")
    echo "fuzz: $target $n executions in $FUZZ_SECONDS s"
    total=$((total + n))
done
echo "fuzz: $total executions, no finding"
