#!/bin/sh
# SPDX-License-Identifier: MIT
#
# disassembly.sh OBJECT... - fails when a kernel's accumulators spill: when an
# innermost loop that multiplies vectors also moves a vector to or from the
# stack. Such a kernel gives the right numbers at two thirds of its speed, so
# no other test sees it. x86-64, GNU objdump.
set -u
status=0
for object in "$@"; do
    ${OBJDUMP:-objdump} -d --no-show-raw-insn "$object" | awk -v object="$object" '
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
                if (text[j] ~ /^(vfmadd|vpdpb|vpmadd|vdpbf16|tdp|mulps|pmullw)/)
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
                printf "%s: %s: %d stack accesses in a loop of %d products\n%s",
                       object, name, spills, multiplies, lines
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
            printf "%s: no loop of products found\n", object
            bad = 1
        }
        printf "%s: %d loops\n", object, loops
        exit bad
    }' || status=1
done
exit $status
