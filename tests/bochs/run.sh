#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh - `make check-avx512`: the tests of the kernels on processors with AVX-VNNI,
# AVX-512, VNNI, BF16 and AMX, which this machine need not have. Bochs, an emulator,
# boots Linux with the programs of `make check`, once for each processor.
#
# test_tiles is always run: it names the instruction sets that it found, and one that
# a processor is here for and was not found is a failure.
# Environment: BUILD, BUILDS, CC, MAKE, V; BOCHS_CPUS and BOCHS_TESTS, some processors
# and unit tests in place of all, as below; a test is PROGRAM, or PROGRAM:NAME for those
# with NAME in their names. BOCHS_JOBS, how many processors at the same time;
# SUITE_SECONDS, after which one is turned off.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${BUILD:=build/release}" "${BUILDS:=build}" "${MAKE:=make}" "${V:=}"
: "${BOCHS_CPUS:=arrow_lake corei7_icelake_u sapphire_rapids}" "${BOCHS_JOBS:=1}"
: "${BOCHS_TESTS:=kernels/test_kernels kernels/test_linear image/test_resize
    towers/test_towers:instruction_sets_agree}" "${SUITE_SECONDS:=3000}"
BOCHS_TESTS="kernels/test_tiles $BOCHS_TESTS"

levels() { # MODEL
    case $1 in
    arrow_lake) echo avx2,avx-vnni ;;
    corei7_icelake_u) echo avx2,avx512,vnni ;;
    sapphire_rapids) echo 'avx2,avx-vnni,avx512,vnni,avx512 bf16,amx int8,amx bf16' ;;
    *)
        echo "check-avx512: BOCHS_CPUS: $1 is none of them" >&2
        return 1
        ;;
    esac
}
for model in $BOCHS_CPUS; do
    levels "$model" >/dev/null
done

[ "$(uname -m)" = x86_64 ] || {
    echo "check-avx512: needs an x86-64 machine; this is $(uname -m)" >&2
    exit 1
}
missing=
for program in apt-get dpkg-deb g++ patch xz python3; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] || {
    echo "check-avx512: not installed:$missing; run: make deps-avx512" >&2
    exit 1
}
bash tests/bochs/bochs.sh "$BUILDS/bochs"
bochs=$(cd "$BUILDS/bochs" && pwd)
tmp=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$tmp"' EXIT

# ---- the machine's files ----------------------------------------------------------
${CC:-gcc} -O2 -Wall -Wextra -Werror -o "$tmp/init" tests/bochs/init.c
files=("$tmp/init=init" "$tmp/programs=programs" tests/data/images=tests/data/images
    "$BUILD/tests/support/blas.so=tests/support/blas.so"
    "$BUILD/tests/support/shim.so=tests/support/shim.so")
for wanted in $BOCHS_TESTS; do
    unit=${wanted%%:*}
    echo "/tests/unit/${wanted/:/ }" >>"$tmp/programs"
    files+=("$BUILD/tests/unit/$unit=tests/unit/$unit")
done
python3 tests/bochs/machine.py "$bochs/vmlinuz" "$tmp" "${files[@]}"
head -c 512 /dev/zero >"$tmp/video" # Bochs wants one
# MSR 1A0h, which Bochs lacks: fast string instructions, without which Linux half
# believes the CPUID that says they are there.
echo '0x1a0 0 0 1 0 0 0 0' >"$tmp/msrs"

boot() { # MODEL
    mkdir "$tmp/$1"
    cat >"$tmp/$1/bochsrc" <<EOF
config_interface: textconfig
display_library: nogui
romimage: file="$tmp/rom"
vgaromimage: file="$tmp/video"
optramimage1: file="$tmp/memory", address=0x0
memory: guest=512, host=512, block_size=8192
cpu: model=$1, ips=200000000, reset_on_triple_fault=0, ignore_bad_msrs=1, msrs="$tmp/msrs"
clock: sync=none
com1: enabled=1, mode=file, dev="$tmp/$1/linux"
port_e9_hack: enabled=1
speaker: enabled=0
log: "$tmp/$1/log"
panic: action=fatal
error: action=ignore
info: action=ignore
EOF
    exec timeout -k 5 "$SUITE_SECONDS" "$bochs/bochs" -q -f "$tmp/$1/bochsrc" \
        >"$tmp/$1/out" 2>&1 </dev/null
}
for model in $BOCHS_CPUS; do
    while [ "$(jobs -rp | wc -l)" -ge "$BOCHS_JOBS" ]; do
        wait -n || true
    done
    boot "$model" &
done
wait || true

# ---- what came of it --------------------------------------------------------------
passed=0 failed=0 skipped=0
for model in $BOCHS_CPUS; do
    out=$tmp/$model/out
    printf '\n%s:\n' "$model"
    for wanted in $BOCHS_TESTS; do
        unit=${wanted%%:*}
        name=${unit##*/}
        grep -E "^(ok|not ok|skip) - $name " "$out" >"$tmp/lines" || true
        status=$(sed -n "s|^# end /tests/unit/$unit ||p" "$out")
        if [ -z "$status" ]; then
            echo "not ok - $name: did not end" >>"$tmp/lines"
        elif [ "$status" != 0 ] && ! grep -q '^not ok - ' "$tmp/lines"; then
            echo "not ok - $name: status $status of waitpid()" >>"$tmp/lines"
        fi
        if [ "$name" = test_tiles ]; then
            levels "$model" | tr , '\n' | while read -r level; do
                grep -q "^# $level: .* [0-9]*x[0-9]*$" "$out" ||
                    echo "not ok - $name: $level was not computed"
            done >>"$tmp/lines"
        fi
        n_ok=$(grep -c '^ok - ' "$tmp/lines" || true)
        n_bad=$(grep -c '^not ok - ' "$tmp/lines" || true)
        n_skip=$(grep -c '^skip - ' "$tmp/lines" || true)
        printf '  %-18s %4d ok  %d failed  %d skipped\n' "$name" \
            "$n_ok" "$n_bad" "$n_skip"
        if [ -n "$V" ]; then
            cat "$tmp/lines"
        else
            grep -v '^ok - ' "$tmp/lines" || true
        fi
        passed=$((passed + n_ok)) failed=$((failed + n_bad)) skipped=$((skipped + n_skip))
    done
    # The last words of the emulator and of Linux.
    if ! grep -q 'shutdown requested' "$out"; then
        echo "not ok - $model: was not turned off by its own program"
        failed=$((failed + 1))
        tail -n 5 "$out"
        tail -n 20 "$tmp/$model/linux" || true
    fi
done
printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
