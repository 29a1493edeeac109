#!/bin/sh
# SPDX-License-Identifier: MIT
#
# model.sh COMPILER SOURCE LOOP - how many cycles llvm-mca's models of Arm's
# processors give LOOP, the instructions of the largest loop of products of
# SOURCE, and what share of the peak of the multiply-add instruction that is.
# Called by codegen.sh. The models know ports and dependences, no caches and no
# fetching: a share of 100 % is reached by no real processor (docs/SPEED.md),
# but a loop below its floor here is wrong.
#
# Environment: LLVM_MCA. llvm-mca before LLVM 17 has no models of these
# processors.
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
[ -n "$LLVM_MCA" ] || {
    echo "skip - model $compiler $name: no llvm-mca of LLVM 17 or newer"
    exit 0
}
status=0
for cpu in $cpus; do
    pipes=${cpu#*:} cpu=${cpu%:*}
    cycles=$("$LLVM_MCA" -mtriple=aarch64 -mcpu="$cpu" -iterations=1000 "$loop" \
        2>/dev/null | awk '/^Total Cycles:/ { print $3 }')
    awk -v cycles="$cycles" -v products="$products" -v pipes="$pipes" \
        -v macs="$macs" -v instructions="$instructions" -v floor="$FLOOR" \
        -v name="$compiler $name $cpu" 'BEGIN {
        share = cycles > 0 ? 100 * products * 1000 / (cycles * pipes) : 0
        printf "%s - model %s: %d products, %d instructions, %.1f cycles, " \
               "%.1f MAC a cycle, %.0f %% of the peak\n",
               (share >= floor ? "ok" : "not ok"), name, products,
               instructions, cycles / 1000,
               (cycles > 0 ? products * macs * 1000 / cycles : 0), share
        exit share < floor }' || status=1
done
exit $status
