#!/bin/sh
# SPDX-License-Identifier: MIT
# cpus.sh - `make check-cpus`: the unit tests on other processors, under qemu:
# x86-64 with only SSE2, x86-64 up to AVX2, and the short form of
# `make check-aarch64`. The x86-64 programs are the programs of `make check`.
#
# OPENBLAS_CORETYPE is unset: OpenBLAS chooses by the CPU that qemu shows. On
# the CPU without SSE3 clipc does not use OpenBLAS.
# Environment: MAKE, QEMU_X86_64, QEMU_AARCH64; CLIPC_UNITS, one folder of the unit
# tests in place of all.
set -u
: "${MAKE:=make}" "${QEMU_X86_64:=qemu-x86_64-static}"
: "${QEMU_AARCH64:=qemu-aarch64-static}"
unset OPENBLAS_CORETYPE
export QEMU_AARCH64

[ "$(uname -m)" = x86_64 ] || {
    echo "check-cpus: needs an x86-64 machine; this is $(uname -m)" >&2
    exit 1
}
missing=
for program in "$QEMU_X86_64" "$QEMU_AARCH64" aarch64-linux-gnu-gcc; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] || {
    echo "check-cpus: not installed:$missing; run: make deps-cpus" >&2
    exit 1
}

# The first x86-64 processors had no SSE3; qemu's model has.
sse2=Opteron_G1,-sse3
# Features that qemu lacks, and would warn about, are off; no test needs them.
avx2=Haswell,-pcid,-x2apic,-tsc-deadline,-invpcid,-hle,-rtm

failed=
run() { # NAME MAKE-ARGUMENTS...
    name=$1
    shift
    printf '\n%s:\n' "$name"
    "$MAKE" --no-print-directory "$@" || failed="$failed, $name"
}
export CLIPC_SKIP_SCRIPTS=1
run "x86-64 with SSE2" RUNNER="$QEMU_X86_64 -cpu $sse2" check
run "x86-64 with AVX2" RUNNER="$QEMU_X86_64 -cpu $avx2" check
run "64-bit Arm" check-aarch64 SHORT=1

[ -z "$failed" ] || {
    echo "check-cpus: failed on ${failed#, }" >&2
    exit 1
}
