#!/bin/sh
# SPDX-License-Identifier: MIT
#
# aarch64.sh [--short] - `make check-aarch64`: the tests on 64-bit Arm, compiled
# here and run by qemu as several processors. An instruction that a processor
# lacks is SIGILL there, so a kernel that is chosen wrongly ends its test.
# --short: all unit tests on the processor that has everything, and the tests of
# the kernels on two others. Then same_bits.sh, on an x86-64 machine.
#
# -L /: the loader of libc6:arm64, of the same build as the libraries that it
# finds; with the cross compiler's, threads and fork() hang.
# Environment: MAKE, QEMU_AARCH64, NATIVE (the build folder of this machine's
# programs).
set -u
: "${MAKE:=make}" "${QEMU_AARCH64:=qemu-aarch64-static}"
: "${NATIVE:=build/release}"
short=${1:-}

failed=
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
cross() { # MAKE-ARGUMENTS...
    PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig \
        "$MAKE" --no-print-directory CC=aarch64-linux-gnu-gcc \
        AR=aarch64-linux-gnu-ar OPENBLAS=0 CURL=0 SERVE=0 \
        BUILD="$build" CLIPC_SKIP_SCRIPTS=1 "$@"
}
build=build/aarch64
runner() { # CPU
    echo "$QEMU_AARCH64 -cpu $1 -L /"
}

# max: dot products, I8MM, BF16, SVE2 and SME; neoverse-n1: dot products alone;
# cortex-a72: NEON alone.
for cpu in max max,sve=off neoverse-n1 cortex-a72; do
    units='*'
    [ -z "$short" ] || [ $cpu = max ] || units=kernels
    [ -z "$short" ] || [ $cpu != max,sve=off ] || continue
    printf '\n64-bit Arm, %s:\n' "$cpu"
    cross RUNNER="$(runner $cpu)" UNITS="$units" check ||
        failed="$failed, $cpu"
done

if [ "$(uname -m)" = x86_64 ]; then
    printf '\nNEON and AVX2:\n'
    "$MAKE" --no-print-directory BUILD="$NATIVE" all &&
        cross RUNNER="$(runner max)" all || failed="$failed, the programs"
    NATIVE=$NATIVE BUILD=$build RUNNER=$(runner max) \
        sh tests/release/same_bits.sh >"$log" 2>&1 ||
        failed="$failed, the bits of AVX2"
    grep -v '^ok - ' "$log"
    echo "$(grep -c '^ok - ' "$log") passed," \
        "$(grep -c '^not ok - ' "$log") failed," \
        "$(grep -c '^skip - ' "$log") skipped"
fi

[ -z "$failed" ] || {
    echo "check-aarch64: failed on ${failed#, }" >&2
    exit 1
}
