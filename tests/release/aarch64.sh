#!/bin/sh
# SPDX-License-Identifier: MIT
#
# aarch64.sh [--short] - `make check-aarch64`: the tests on 64-bit Arm, compiled
# here and run by qemu as several processors. An instruction that a processor
# lacks is SIGILL there, so a kernel that is chosen wrongly ends its test.
# --short: all unit tests, or those of the folder CLIPC_UNITS, on the processor that
# has everything but SME; beside them, on the others, the tests of the kernels. Then
# same_bits.sh, on an x86-64 machine.
#
# -L /: the loader of libc6:arm64, of the same build as the libraries that it
# finds; with the cross compiler's, threads and fork() hang.
# SME: vectors of 64 bytes, which qemu does not give by itself, and no other
# instruction in SME's mode than what every processor has there. It takes qemu
# 10: the SMOPA of qemu 7.2 puts half of the sums in wrong places.
# Environment: MAKE, QEMU_AARCH64, NATIVE (the build folder of this machine's
# programs).
set -u
# Emulated processors are slow.
export SUITE_SECONDS=1500
: "${MAKE:=make}" "${QEMU_AARCH64:=qemu-aarch64-static}"
: "${NATIVE:=build/release}"
short=${1:-}
build=build/aarch64
sme=max,sme-default-vector-length=64,sme_fa64=off
version=$("$QEMU_AARCH64" --version | sed -n '1s/.* version \([0-9]*\).*/\1/p')
[ "${version:-0}" -ge 10 ] || {
    sme=
    echo "skip - SME: qemu $version multiplies bytes wrongly, 10 does not"
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
: >"$tmp/failed"
cross() { # MAKE-ARGUMENTS...
    PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig \
        "$MAKE" --no-print-directory CC=aarch64-linux-gnu-gcc \
        AR=aarch64-linux-gnu-ar OPENBLAS=0 CURL=0 SERVE=0 \
        BUILD="$build" CLIPC_SKIP_SCRIPTS=1 "$@"
}
runner() { # CPU
    echo "$QEMU_AARCH64 -cpu $1 -L /"
}
tests() { # CPU UNITS
    printf '\n64-bit Arm, %s:\n' "$1"
    cross RUNNER="$(runner "$1")" CLIPC_UNITS="$2" check || echo "$1" >>"$tmp/failed"
}
# NEON against AVX2: programs of both machines.
bits() {
    [ "$(uname -m)" = x86_64 ] || return
    printf '\nNEON and AVX2:\n'
    NATIVE=$NATIVE BUILD=$build RUNNER=$(runner "${sme:-max}") \
        sh tests/release/same_bits.sh >"$tmp/bits" 2>&1 ||
        echo "the bits of AVX2" >>"$tmp/failed"
    grep -v '^ok - ' "$tmp/bits"
    echo "$(grep -c '^ok - ' "$tmp/bits") passed," \
        "$(grep -c '^not ok - ' "$tmp/bits") failed," \
        "$(grep -c '^skip - ' "$tmp/bits") skipped"
}

cross RUNNER="$(runner max)" tests || exit 1
[ "$(uname -m)" != x86_64 ] ||
    "$MAKE" --no-print-directory BUILD="$NATIVE" all || exit 1
# $sme: all there is; max: SME with vectors of 32 bytes, for which there are no
# kernels; max,sve=off: no SVE and no SME; neoverse-n1: dot products alone;
# cortex-a72: NEON alone.
if [ -n "$short" ]; then
    {
        tests neoverse-n1 kernels
        tests cortex-a72 kernels
        [ -z "$sme" ] || tests $sme kernels
        bits
    } >"$tmp/beside" 2>&1 &
    tests max "${CLIPC_UNITS:-*}"
    wait
    cat "$tmp/beside"
else
    for cpu in $sme max max,sve=off neoverse-n1 cortex-a72; do
        tests $cpu '*'
    done
    bits
fi

[ ! -s "$tmp/failed" ] || {
    echo "check-aarch64: failed on $(paste -sd , "$tmp/failed")" >&2
    exit 1
}
