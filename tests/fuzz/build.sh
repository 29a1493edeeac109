#!/bin/sh
# SPDX-License-Identifier: MIT
# build.sh FOLDER [TARGET...] - builds the fuzz targets, all or those named, in
# FOLDER, and prints their names. From the environment, as OSS-Fuzz has them:
#   CC                   clang
#   CFLAGS               sanitizers; default AddressSanitizer and UBSan
#   LIB_FUZZING_ENGINE   what is linked for main(); default libFuzzer
#   CXX, CXXFLAGS        what links, for engines in C++; default CC and CFLAGS
# and CURL=0 (no fuzz_url), AVIF=0 (no fuzz_avif), LINK_STATIC=1 (archives of the
# libraries).
set -eu
: "${CC:=clang}" "${CURL:=1}" "${AVIF:=1}" "${LINK_STATIC:=0}"
: "${CFLAGS:=-O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined}"
: "${LIB_FUZZING_ENGINE:=-fsanitize=fuzzer}"
: "${CXX:=$CC}" "${CXXFLAGS:=$CFLAGS}"
out=$1
shift
here=tests/fuzz
mkdir -p "$out"
packages='libjpeg libpng zlib libwebp libwebpdemux jansson nettle'
[ "$CURL" = 0 ] || packages="$packages libcurl"
[ "$AVIF" = 0 ] || packages="$packages libavif"
# The quotes in flags are for the compiler.
# shellcheck disable=SC2089,SC2090
flags="-std=c11 -D_POSIX_C_SOURCE=200809L -ffp-contract=off -pthread $CFLAGS
 -Iinclude -Ilib -Itools -Itests -I$here -DCLIPC_OPENBLAS=0 -DCLIPC_BLAS=0
 -DCLIPC_CURL=$CURL -DCLIPC_WEBP=1 -DCLIPC_AVIF=$AVIF -DCLIPC_GIF=1
 -DCLIPC_DATA_DIR=\"/nowhere\"
 $(pkg-config --cflags $packages)"
if [ "$LINK_STATIC" = 1 ]; then
    libs="-Wl,-Bstatic $(pkg-config --static --libs-only-l $packages |
        sed 's/-lm\b//g; s/-lpthread//g') -Wl,-Bdynamic"
else
    libs=$(pkg-config --libs $packages)
fi
# The library is built once for all targets. Files of an instruction set have
# special flags and no sanitizer: tests check their bounds against guard pages,
# and an instrumented file takes minutes to compile.
objects=
compile() { # FLAGS FILE...
    isa=$1
    shift
    for source; do
        object=$out/$(echo "$source" | tr / _).o
        # shellcheck disable=SC2090
        $CC $flags $isa -c "$source" -o "$object"
        objects="$objects $object"
    done
}
compile '' lib/*/*.c tests/support/tiny_model.c tests/support/containers.c
compile '' tools/pictures/answered.c tools/pictures/tar.c \
    tools/pictures/tar_header.c
for part in text tool progress lines json; do
    compile '' tools/common/$part.c
done
for part in base64 buffer field guard json_in multipart raw_head refuse request \
    response target; do
    compile '' tools/serve/$part.c
done
case $("$CC" -dumpmachine) in
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
aarch64-*)
    compile '' lib/kernels/arm/arm.c
    compile '-fno-sanitize=all' lib/kernels/arm/*_neon.c lib/kernels/arm/*_sme.c
    for set in dotprod i8mm bf16; do
        compile "-fno-sanitize=all -march=armv8.2-a+$set" lib/kernels/arm/*_$set.c
    done
    ;;
esac
rm -f "$out/libtargets.a"
ar rc "$out/libtargets.a" $objects
rm -f $objects
[ $# -gt 0 ] || set -- $(basename -s .c "$here"/fuzz_*.c)
for target; do
    [ "$target" != fuzz_url ] || [ "$CURL" = 1 ] || continue
    [ "$target" != fuzz_avif ] || [ "$AVIF" = 1 ] || continue
    own=
    # It has a usage error of its own, so the reader of numbers is not shared.
    [ "$target" != fuzz_numbers ] || own=tools/common/numbers.c
    objects=
    compile '' "$here/$target.c" $own
    $CXX $CXXFLAGS -pthread $objects $LIB_FUZZING_ENGINE "$out/libtargets.a" \
        $libs -lm -ldl -o "$out/$target"
    rm -f $objects
    echo "$target"
done
rm -f "$out/libtargets.a"
