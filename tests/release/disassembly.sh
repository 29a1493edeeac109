#!/bin/sh
# SPDX-License-Identifier: MIT
#
# disassembly.sh - compiles the matrix kernels with gcc and with clang, as the
# Makefile does, and looks for accumulators that spill: an innermost loop that
# multiplies vectors must not move a vector to or from the stack. Such a kernel
# gives the right numbers at two thirds of its speed, so no other test sees it.
# (AMX kernels name their tile registers themselves.)
set -u
: "${MAKE:=make}" "${OBJDUMP:=objdump}"

if [ "$(uname -m)" != x86_64 ]; then
    echo "skip - disassembly: not x86-64"
    exit 0
fi
command -v "$OBJDUMP" >/dev/null || {
    echo "skip - disassembly: no objdump"
    exit 0
}

check() { # OBJECT
    "$OBJDUMP" -d --no-show-raw-insn "$1" | awk '
    function number(hex,   i, n) {
        n = 0
        for (i = 1; i <= length(hex); i++)
            n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
        return n
    }
    # The loops of the function read: a jump back to `from` closes one. Of
    # nested ones only the innermost count.
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

for cc in gcc clang; do
    command -v "$cc" >/dev/null || {
        echo "skip - disassembly $cc: not installed"
        continue
    }
    for source in lib/kernels/tiles.c lib/kernels/x86/tiles_*.c; do
        case $source in *_amx.c) continue ;; esac
        build=build/disassembly-$cc
        object=$build/${source%.c}.o
        if ! message=$("$MAKE" -s CC="$cc" VARIANT=release BUILD="$build" \
            "$object" 2>&1); then
            echo "not ok - disassembly $cc $source: it does not compile"
            echo "$message"
        elif message=$(check "$object"); then
            echo "ok - disassembly $cc $source"
        else
            echo "not ok - disassembly $cc $source"
            echo "$message"
        fi
    done
done
