# SPDX-License-Identifier: MIT
#
# loops.awk - the innermost loops of products in a disassembly (`objdump -d
# --no-show-raw-insn`): a line for each,
#
#     FUNCTION PRODUCTS INSTRUCTIONS SPILLS
#
# where a spill moves a vector to or from the stack; the spills follow, indented.
# Exit status 1: a loop spills, or there is no loop of products.
#
# Variables: family, x86 or arm; largest, a file for the instructions of the
# loop with the most products.
BEGIN {
    if (family == "arm") {
        jump = "^(b|b\\.[a-z]+|cbn?z|tbn?z)[ \t]"
        product = "^(fmla|fmul|mul|mla|smull2?|smlal2?|sdot|smmla|bfmmla)[ \t]+v"
    } else {
        jump = "^j[a-z]+[ \t]"
        product = "^({vex} )?(vfmadd|vpdpb|vpmadd|vdpbf16|tdp|mulps|pmullw)"
    }
}
function number(hex,   i, n) {
    n = 0
    for (i = 1; i <= length(hex); i++)
        n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
    return n
}
function spills_vector(text) {
    if (family == "arm")
        return text ~ /\[sp/ && text ~ /^[a-z0-9]+[ \t]+[qvdsb][0-9]/
    return text ~ /\(%rsp/ && text ~ /%[xyz]mm/
}
# The loops of the function: a jump back closes a loop. Only innermost loops
# count.
function finish_function(   i, j, inner, multiplies, spills, lines, all) {
    for (i = 1; i <= n; i++) {
        if (target[i] == "" || target[i] > address[i] || target[i] < address[1])
            continue
        inner = 1; multiplies = 0; spills = 0; lines = ""; all = ""
        for (j = i; j >= 1 && address[j] >= target[i]; j--) {
            if (j < i && target[j] != "" && target[j] <= address[j] &&
                target[j] >= target[i])
                inner = 0
            if (text[j] ~ product)
                multiplies++
            if (text[j] ~ /^ret/)
                inner = 0 # a jump back into the function, no loop
            if (spills_vector(text[j])) {
                spills++
                lines = "    " text[j] "\n" lines
            }
            if (target[j] == "") # what a jump takes, the model need not know
                all = text[j] "\n" all
        }
        if (!inner || !multiplies)
            continue
        loops++
        printf "%s %d %d %d\n%s", name, multiplies, i - j, spills, lines
        if (spills)
            bad = 1
        if (multiplies > most) {
            most = multiplies
            biggest = all
        }
    }
    n = 0
}
/^[0-9a-f]+ <.*>:$/ {
    finish_function()
    name = $2
    gsub(/[<>:]/, "", name)
    next
}
/^ *[0-9a-f]+:\t/ {
    split($0, field, "\t")
    n++
    address[n] = field[1]
    gsub(/[ :]/, "", address[n])
    address[n] = number(address[n])
    text[n] = field[2] (field[3] == "" ? "" : "\t" field[3])
    sub(/[ \t]*\/\/.*/, "", text[n])
    target[n] = ""
    if (text[n] ~ jump) {
        k = split(text[n], word, /[ \t,]+/)
        # The last operand is the address; "<function+0x10>" may follow.
        while (k > 1 && word[k] ~ /^</)
            k--
        if (word[k] ~ /^[0-9a-f]+$/)
            target[n] = number(word[k])
    }
}
END {
    finish_function()
    if (largest != "")
        printf "%s", biggest > largest
    if (loops == 0) {
        print "no loop of products found"
        bad = 1
    }
    exit bad
}
