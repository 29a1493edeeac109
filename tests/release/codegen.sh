#!/bin/sh
# SPDX-License-Identifier: MIT
#
# codegen.sh - `make check-codegen`: compiles the matrix kernels as the
# Makefile does and looks for accumulators that spill: an innermost loop that
# multiplies vectors must not move a vector to or from the stack. A kernel that
# spills gives the right numbers at two thirds of the speed, so no other test
# sees the spill. (AMX and SME kernels name their registers themselves.) Then
# model.sh asks models of Arm's processors how fast the loops are: llvm-mca's, and
# OSACA's of Apple's M1, a Python package that is installed in build/osaca-venv at
# its first use.
#
# The kernels do not spill with the compilers in VERSIONS. Another compiler may
# spill; a spill costs only speed, so this test is no part of `make check`.
# Environment: CC, one compiler instead of gcc and clang for this machine and
# for 64-bit Arm; MAKE, OBJDUMP, LLVM_MCA; OSACA, one that is there already.
set -u
: "${MAKE:=make}" "${OBJDUMP:=}" "${CC:=}" "${OSACA:=}"
OSACA_VERSION=0.7.1
VERSIONS='gcc 12 and 14, clang 14 and 19'
arm=aarch64-linux-gnu

die() {
    echo "check-codegen: $*" >&2
    exit 1
}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# Compilers, and what they make code for, a line each.
if [ -n "$CC" ]; then
    echo "$CC"
else
    case $(uname -m) in
    x86_64) printf '%s\n' gcc clang $arm-gcc "clang --target=$arm" ;;
    *) printf '%s\n' gcc clang ;;
    esac
fi >"$tmp/compilers"

if [ -z "$OSACA" ]; then
    venv=build/osaca-venv
    [ -x $venv/bin/osaca ] || {
        python3 -m venv $venv &&
            $venv/bin/python -m pip install -qq --disable-pip-version-check \
                osaca==$OSACA_VERSION
    } >"$tmp/log" 2>&1
    [ ! -x $venv/bin/osaca ] || OSACA=$venv/bin/osaca
fi
export OSACA

failed=0 found=
echo "# written for $VERSIONS"
while read -r cc; do
    if ! command -v "${cc%% *}" >/dev/null; then
        echo "skip - codegen $cc: not installed"
        continue
    fi
    case $cc in
    *--target=$arm)
        [ -e /usr/$arm/include/stdio.h ] || {
            echo "skip - codegen $cc: libc6-dev-arm64-cross is not installed"
            continue
        }
        ;;
    esac
    case $($cc -dumpmachine) in
    x86_64-*) family=x86 objdump=objdump headers= ;;
    aarch64-* | arm64-*)
        family=arm objdump=objdump headers=
        [ "$(uname -m)" != x86_64 ] || {
            objdump=$arm-objdump
            headers=/usr/lib/$arm/pkgconfig:/usr/share/pkgconfig
        }
        ;;
    *) die "$cc: kernels are here for x86-64 and 64-bit Arm" ;;
    esac
    objdump=${OBJDUMP:-$objdump}
    command -v "$objdump" >/dev/null || die "$objdump is not installed"
    # shellcheck disable=SC2086 # may be "ccache gcc"
    version=$($cc --version 2>&1) || die "$cc: $version"
    echo "# $cc: $(printf '%s\n' "$version" | head -n 1)"
    found=1
    build=build/codegen-$(basename "$cc" | tr -c "[:alnum:].\n-" _)
    # On Arm the kernels in C are not for speed: some spill.
    for source in lib/kernels/tiles.c lib/kernels/$family/tiles_*.c; do
        [ $family != arm ] || [ $source != lib/kernels/tiles.c ] || continue
        case $source in *_amx.c | *_sme.c) continue ;; esac
        object=$build/${source%.c}.o
        if ! env ${headers:+"PKG_CONFIG_LIBDIR=$headers"} "$MAKE" -s CC="$cc" \
            ${headers:+OPENBLAS=0 CURL=0 SERVE=0} VARIANT=release BUILD="$build" \
            "$object" >"$tmp/log" 2>&1; then
            echo "not ok - codegen $cc $source: it does not compile"
        elif "$objdump" -d --no-show-raw-insn "$object" |
            awk -v family=$family -v largest="$tmp/loop" \
                -f tests/release/loops.awk >"$tmp/log"; then
            echo "ok - codegen $cc $source"
            [ $family != arm ] ||
                sh tests/release/model.sh "$cc" "$source" "$tmp/loop" ||
                failed=1
            continue
        else
            echo "not ok - codegen $cc $source: a loop of products spills"
        fi
        cat "$tmp/log"
        failed=1
    done
done <"$tmp/compilers"
[ -n "$found" ] || die "neither gcc nor clang is installed"
[ $failed -eq 0 ] || die "the kernels keep their registers with $VERSIONS"
