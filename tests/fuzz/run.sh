#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh [TARGET...] - builds the libFuzzer targets of this folder with clang,
# AddressSanitizer and UBSan and runs each for FUZZ_SECONDS (60). The corpus
# grows in build/fuzz/corpus/TARGET; seeds/TARGET beside this file is added
# if present, and TARGET.dict. A crash ends the run; the crashing input is in
# build/fuzz/.
set -eu
: "${FUZZ_SECONDS:=60}" "${CLANG:=clang}"
here=tests/fuzz
out=${BUILDS:-build}/fuzz
mkdir -p "$out"
command -v "$CLANG" >/dev/null || {
    echo "fuzz: needs clang and its runtime (Debian: clang libclang-rt-14-dev)" >&2
    exit 1
}
packages='libjpeg libpng zlib libwebp libwebpdemux libavif jansson nettle'
flags="-std=c11 -D_POSIX_C_SOURCE=200809L -O1 -g -ffp-contract=off -pthread
 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
 -Iinclude -Ilib -Itools -Itests -DCLIPC_OPENBLAS=0 -DCLIPC_CURL=0 -DCLIPC_WEBP=1
 -DCLIPC_AVIF=1 -DCLIPC_GIF=1
 $(pkg-config --cflags $packages)"
# Builds the library once for all targets. Files of an instruction set have
# special flags and no sanitizer: tests check their bounds against guard pages,
# and an instrumented file takes minutes to compile.
objects=
compile() { # FLAGS FILE...
    isa=$1
    shift
    for source; do
        object=$out/$(basename "$source" .c).o
        $CLANG $flags $isa -c "$source" -o "$object"
        objects="$objects $object"
    done
}
compile '' lib/*/*.c tests/support/tiny_model.c tests/support/containers.c
compile '' tools/common/text.c
for part in base64 buffer field guard json_in multipart raw_head refuse request \
    response target; do
    compile '' tools/serve/$part.c
done
case $("$CLANG" -dumpmachine) in
x86_64-*)
    compile '' lib/kernels/x86/x86.c
    avx2='-fno-sanitize=all -mavx2 -mfma -mf16c'
    avx512='-fno-sanitize=all -mavx512f -mavx512bw -mavx512dq -mavx512vl'
    compile "$avx2" lib/kernels/x86/*_avx2.c
    compile "$avx512" lib/kernels/x86/*_avx512.c
    compile "$avx2 -mavxvnni" lib/kernels/x86/*_avxvnni.c
    compile "$avx512 -mavx512vnni" lib/kernels/x86/*_vnni.c
    compile "$avx512 -mavx512bf16" lib/kernels/x86/*_avx512bf16.c
    compile "$avx512 -mamx-tile -mamx-int8 -mamx-bf16" lib/kernels/x86/*_amx.c
    ;;
esac
[ $# -gt 0 ] || set -- $(basename -s .c "$here"/fuzz_*.c)
for target; do
    $CLANG $flags "$here/$target.c" $objects $(pkg-config --libs $packages) \
        -lm -o "$out/$target"
    mkdir -p "$out/corpus/$target"
    seeds=
    [ ! -d "$here/seeds/$target" ] || seeds=$here/seeds/$target
    dict=
    [ ! -f "$here/$target.dict" ] || dict=-dict=$here/$target.dict
    echo "fuzz: $target for $FUZZ_SECONDS s"
    "$out/$target" -max_total_time="$FUZZ_SECONDS" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$out/$target-" $dict "$out/corpus/$target" $seeds
done
