#!/bin/sh
# SPDX-License-Identifier: MIT
# static.sh - the programs of `make static`, each in a root that has nothing but
# the program's folder and a picture: small, without a dependency, with the same
# answers as this machine's program. The one for aarch64 runs under qemu.
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
    if readelf -d "$folder/clipc-classify" | grep -q NEEDED; then
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
    runner=
    if [ "$machine" != "$(uname -m)" ]; then
        command -v "$QEMU_AARCH64" >/dev/null || {
            echo "skip - static $machine: no $QEMU_AARCH64; run: make deps-cpus"
            continue
        }
        cp "$(command -v "$QEMU_AARCH64")" "$root/qemu"
        runner=/qemu
    fi
    for picture in weights/demo/examples/*; do
        name=${picture##*/}
        # shellcheck disable=SC2086 # no word, or one
        if ! chroot "$root" $runner /clipc-classify --model demo --cpu c \
            --threads 1 "/weights/demo/examples/$name" >"$root/out" 2>"$root/err"; then
            not_ok "$name: $(cat "$root/err")"
        elif "$BUILD/clipc-classify" --model demo --cpu c --gemm native \
            --threads 1 "$picture" | cmp -s - "$root/out"; then
            ok "$name"
        else
            not_ok "$name has other answers"
        fi
    done
done
exit $failed
