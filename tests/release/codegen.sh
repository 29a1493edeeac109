#!/bin/sh
# SPDX-License-Identifier: MIT
#
# codegen.sh - `make check-codegen`: compiles the matrix kernels as the
# Makefile does and looks for accumulators that spill: an innermost loop that
# multiplies vectors must not move a vector to or from the stack. A kernel that
# spills gives the right numbers at two thirds of the speed, so no other test
# sees the spill. (AMX kernels name their tile registers themselves.)
#
# The kernels do not spill with the compilers in VERSIONS. Another compiler may
# spill; a spill costs only speed, so this test is no part of `make check`.
# Environment: CC, one compiler instead of gcc and clang; MAKE, OBJDUMP.
set -u
: "${MAKE:=make}" "${OBJDUMP:=objdump}" "${CC:=}"
VERSIONS='gcc 12 and 14, clang 14 and 19'

die() {
    echo "check-codegen: $*" >&2
    exit 1
}
[ "$(uname -m)" = x86_64 ] || die "needs an x86-64 machine; this is $(uname -m)"
command -v "$OBJDUMP" >/dev/null || die "objdump is not installed"

check() { # OBJECT
    "$OBJDUMP" -d --no-show-raw-insn "$1" | awk '
    function number(hex,   i, n) {
        n = 0
        for (i = 1; i <= length(hex); i++)
            n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
        return n
    }
    # The loops of the function: a jump back to `from` closes a loop. Only
    # innermost loops count.
    function finish_function(   i, j, inner, multiplies, spills, lines) {
        for (i = 1; i <= n; i++) {
            if (target[i] == "" || target[i] > address[i] || target[i] < address[1])
                continue
            inner = 1; multiplies = 0; spills = 0; lines = ""
            for (j = i; j >= 1 && address[j] >= target[i]; j--) {
                if (j < i && target[j] != "" && target[j] <= address[j] &&
                    target[j] >= target[i])
                    inner = 0
                if (text[j] ~ /^({vex} )?(vfmadd|vpdpb|vpmadd|vdpbf16|tdp|mulps|pmullw)/)
                    multiplies++
                if (text[j] ~ /\(%rsp/ && text[j] ~ /%[xyz]mm/) {
                    spills++
                    lines = lines "    " text[j] "\n"
                }
            }
            if (!inner || !multiplies)
                continue
            loops++
            if (spills) {
                printf "%s: %d stack accesses in a loop of %d products\n%s",
                       name, spills, multiplies, lines
                bad = 1
            }
        }
        n = 0
    }
    /^[0-9a-f]+ <.*>:$/ {
        finish_function()
        name = $2
        sub(/:$/, "", name)
        next
    }
    /^ *[0-9a-f]+:\t/ {
        split($0, field, "\t")
        n++
        address[n] = field[1]
        gsub(/[ :]/, "", address[n])
        address[n] = number(address[n])
        text[n] = field[2]
        target[n] = ""
        if (field[2] ~ /^j[a-z]+ +[0-9a-f]+ /) {
            split(field[2], word, " ")
            target[n] = number(word[2])
        }
    }
    END {
        finish_function()
        if (loops == 0) {
            print "no loop of products found"
            bad = 1
        }
        exit bad
    }'
}

set -- # the compilers
if [ -n "$CC" ]; then
    set -- "$CC"
else
    for cc in gcc clang; do
        if command -v "$cc" >/dev/null; then
            set -- "$@" "$cc"
        else
            echo "skip - codegen $cc: not installed"
        fi
    done
fi
[ $# -gt 0 ] || die "neither gcc nor clang is installed"

failed=0
echo "# written for $VERSIONS"
for cc; do
    # shellcheck disable=SC2086 # may be "ccache gcc"
    version=$($cc --version 2>&1) || die "$cc: $version"
    echo "# $cc: $(printf '%s\n' "$version" | head -n 1)"
    for source in lib/kernels/tiles.c lib/kernels/x86/tiles_*.c; do
        case $source in *_amx.c) continue ;; esac
        build=build/codegen-$(basename "$cc" | tr -c "[:alnum:].\n-" _)
        object=$build/${source%.c}.o
        if ! message=$("$MAKE" -s CC="$cc" VARIANT=release BUILD="$build" \
            "$object" 2>&1); then
            echo "not ok - codegen $cc $source: it does not compile"
        elif message=$(check "$object"); then
            echo "ok - codegen $cc $source"
            continue
        else
            echo "not ok - codegen $cc $source"
        fi
        echo "$message"
        failed=1
    done
done
[ $failed -eq 0 ] || die "the kernels keep their registers with $VERSIONS"
