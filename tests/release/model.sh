#!/bin/sh
# SPDX-License-Identifier: MIT
#
# model.sh COMPILER SOURCE LOOP - how many cycles llvm-mca's models of Arm's
# processors, and for f32 OSACA's model of Apple's M1, give LOOP, the instructions of
# the largest loop of products of SOURCE, and what share of the peak of the
# multiply-add instruction that is. Called by codegen.sh. The models know ports and dependences, no caches and no
# fetching: a share of 100 % is reached by no real processor (docs/SPEED.md),
# but a loop below its floor here is wrong.
#
# Environment: LLVM_MCA, OSACA. llvm-mca before LLVM 17 has no models of these
# processors, and no llvm-mca has one of Apple's. OSACA takes the products of
# bytes and of bf16 for nothing.
set -u
compiler=$1 source=$2 loop=$3
FLOOR=97 # percent of the peak

[ -n "${LLVM_MCA:=}" ] || for version in 22 21 20 19 18 17; do
    command -v llvm-mca-$version >/dev/null || continue
    LLVM_MCA=llvm-mca-$version
    break
done

# The processors with their pipes for the instruction, which are its peak a
# cycle; multiply-adds of an instruction; most instructions for 100 of them.
case $source in
*/tiles_neon.c) cpus='neoverse-n1:2 neoverse-v1:4 neoverse-v2:4' macs=4 most=135 ;;
*/tiles_dotprod.c) cpus='neoverse-n1:2 neoverse-v1:4 neoverse-v2:4' macs=16 most=135 ;;
*/tiles_i8mm.c) cpus='neoverse-n2:2 neoverse-v1:4 neoverse-v2:4' macs=32 most=165 ;;
*/tiles_bf16.c) cpus='neoverse-n2:2 neoverse-v1:4 neoverse-v2:4' macs=16 most=165 ;;
*) exit 0 ;;
esac
name=$(basename "$source" .c)
products=$(grep -Ec '^(fmla|sdot|smmla|bfmmla)' "$loop")
instructions=$(grep -c . "$loop")
instructions=$((instructions + 1)) # the jump
# The loads of the weights and of the rows, and their addresses: no more.
if [ $((instructions * 100)) -gt $((products * most)) ]; then
    echo "not ok - model $compiler $name: $instructions instructions for" \
        "$products products"
    exit 1
fi
status=0
# More than the peak: the model does not know the instruction.
verdict() { # CPU PIPES CYCLES
    awk -v cycles="$3" -v products="$products" -v pipes="$2" \
        -v macs="$macs" -v instructions="$instructions" -v floor="$FLOOR" \
        -v name="$compiler $name $1" 'BEGIN {
        share = cycles > 0 ? 100 * products / (cycles * pipes) : 0
        good = share >= floor && share < 100.5
        printf "%s - model %s: %d products, %d instructions, %.1f cycles, " \
               "%.1f MAC a cycle, %.0f %% of the peak\n",
               (good ? "ok" : "not ok"), name, products, instructions, cycles,
               (cycles > 0 ? products * macs / cycles : 0), share
        exit !good }' || status=1
}
if [ -n "$LLVM_MCA" ]; then
    for cpu in $cpus; do
        cycles=$("$LLVM_MCA" -mtriple=aarch64 -mcpu="${cpu%:*}" \
            -iterations=1000 "$loop" 2>/dev/null |
            awk '/^Total Cycles:/ { print $3 / 1000 }')
        verdict "${cpu%:*}" "${cpu#*:}" "$cycles"
    done
else
    echo "skip - model $compiler $name: no llvm-mca of LLVM 17 or newer"
fi
[ "$name" = tiles_neon ] || exit $status
if [ -z "${OSACA:-}" ]; then
    echo "skip - model $compiler $name apple-m1: no osaca; it is installed where" \
        "python3-venv and PyPI are at hand"
    exit $status
fi
# The line of sums: of each port, of the longest path, of the longest path from
# turn to turn. The fullest port or the last decide.
cycles=$("$OSACA" --arch m1 --lines "1-$((instructions - 1))" "$loop" 2>&1 | awk '
    NF > 10 && /^[ 0-9.]+$/ {
        for (i = 1; i <= NF; i++)
            if (i != NF - 1 && $i > most)
                most = $i
    }
    END { print most + 0 }')
verdict apple-m1 4 "$cycles"
exit $status
