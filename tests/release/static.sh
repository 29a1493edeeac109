#!/bin/sh
# SPDX-License-Identifier: MIT
# static.sh - the programs of `make static`, each in a root that has nothing but
# the program's folder and a picture: small, without a dependency, with the same
# answers as this machine's program, in f32 and with a packed file of int8: with the
# kernels in C, and with those that the program chooses. The one for aarch64 runs
# under qemu; what it chooses has the bits of AVX2.
# Needs root. Environment: BUILD, BUILDS, QEMU_AARCH64.
set -u
: "${BUILD:=build/release}" "${BUILDS:=build}" "${QEMU_AARCH64:=qemu-aarch64-static}"

[ "$(id -u)" = 0 ] || {
    echo "skip - static: needs root for chroot"
    exit 0
}
root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
failed=0
ok() { echo "ok - static $machine: $*"; }
not_ok() {
    echo "not ok - static $machine: $*"
    failed=1
}

# Both say the same of every picture, with these options.
# shellcheck disable=SC2086 # words of $runner and of options
same() { # OPTIONS-IN-THE-ROOT OPTIONS-HERE
    for picture in weights/demo/examples/*; do
        for model in demo int8.clipc; do
            case $model in
            demo) there='demo' here='demo' ;;
            *) there="/$model --labels demo" here="$root/$model --labels demo" ;;
            esac
            name="$model, ${1:-as it chooses}, ${picture##*/}"
            if ! chroot "$root" $runner /clipc-classify --model $there $1 \
                --threads 1 "/$picture" >"$root/out" 2>"$root/err"; then
                not_ok "$name: $(cat "$root/err")"
            elif "$BUILD/clipc-classify" --model $here $2 --gemm native \
                --threads 1 "$picture" | cmp -s - "$root/out"; then
                ok "$name"
            else
                not_ok "$name has other answers"
            fi
        done
    done
}

for machine in x86_64 aarch64; do
    folder=$BUILDS/static/clipc-classify-$machine-linux
    bytes=$(wc -c <"$folder/clipc-classify") || {
        not_ok "no program"
        continue
    }
    if [ "$bytes" -lt 3000000 ]; then
        ok "$bytes bytes"
    else
        not_ok "$bytes bytes are 3 MB or more"
    fi
    if ! command -v readelf >/dev/null; then
        echo "skip - static $machine: whether it needs a library: no readelf"
    elif readelf -d "$folder/clipc-classify" | grep -q NEEDED; then
        not_ok "needs a shared library"
    else
        ok "needs no library"
    fi
    rm -rf "${root:?}"/*
    tar -C "$root" --strip-components=1 -xzf "$folder.tar.gz"
    missing=
    for notice in musl/COPYRIGHT zig/LICENSE nettle/COPYING.LESSERv3 nettle/COPYINGv3 \
        libjpeg-turbo/README.ijg zlib/LICENSE zlib/version libpng1.6/copyright \
        libwebp/COPYING jansson/LICENSE; do
        [ -s "$root/licenses/$notice" ] || missing="$missing $notice"
    done
    grep -q 'licenses/' "$root/THIRD_PARTY" || missing="$missing THIRD_PARTY"
    if [ -z "$missing" ] && [ ! -e "$root/licenses/libmicrohttpd" ]; then
        ok "has the notices of what is linked in"
    else
        not_ok "notices:$missing missing, or one of what is not linked in"
    fi
    runner='' chosen=''
    case $(uname -m)/$machine in
    "$machine/$machine") ;;
    x86_64/aarch64)
        command -v "$QEMU_AARCH64" >/dev/null || {
            echo "skip - static $machine: no $QEMU_AARCH64; run: make deps-cpus"
            continue
        }
        cp "$(command -v "$QEMU_AARCH64")" "$root/qemu"
        runner='/qemu -cpu max' chosen='--cpu avx2'
        ;;
    *)
        echo "skip - static $machine: nothing here runs it"
        continue
        ;;
    esac
    "$BUILD/clipc-pack" --quiet demo --dtype int8 -o "$root/int8.clipc" \
        >/dev/null || not_ok "no packed file"
    same '--cpu c' '--cpu c'
    if [ -n "$runner" ] && ! grep -qw avx2 /proc/cpuinfo; then
        echo "skip - static $machine: the kernels that it chooses: no AVX2 here"
    else
        same '' "$chosen"
    fi
done
exit $failed
