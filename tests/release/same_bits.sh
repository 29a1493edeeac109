#!/bin/sh
# SPDX-License-Identifier: MIT
#
# same_bits.sh - NEON gives the bits of AVX2, end to end: embeddings of pictures
# and texts by this machine with --cpu avx2, and by programs for 64-bit Arm
# under qemu, compared with cmp. f32 and int8 on every instruction set of Arm, and on
# the one that clipc takes by itself; bf16 where it is computed in f32, and by BFMMLA
# and BFMOPA within its bound. Packed files of both machines are equal, byte for byte.
#
# Environment: NATIVE, the folder of this machine's programs; BUILD and RUNNER,
# the folder of the programs for Arm, and what runs them.
set -u
: "${NATIVE:=build/release}" "${BUILD:=build/release-aarch64-linux-gnu-gcc}"
: "${RUNNER:=qemu-aarch64-static -cpu max -L /}"
# 1 minus the cosine of a picture's or text's embeddings, at most.
BF16_BOUND=1e-4

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0
result() { # STATUS NAME
    if [ "$1" -eq 0 ]; then
        echo "ok - same bits: $2"
    else
        echo "not ok - same bits: $2"
        sed 's/^/    /' "$tmp/log"
        failed=1
    fi
}

avx2() { # PROGRAM ARGUMENTS...
    program=$1
    shift
    "$NATIVE/$program" "$@"
}
arm() {
    program=$1
    shift
    # shellcheck disable=SC2086 # a command and its arguments
    $RUNNER "$BUILD/$program" "$@"
}

pictures=weights/demo/examples
printf '%s\n' 'a red car' 'two white vans, seen from behind' \
    'A photo of a café at night: 3 tables & 7 chairs' >"$tmp/texts"

# The embeddings of pictures and of texts with one model.
embed() { # RUN NAME OPTIONS...
    run=$1 name=$2
    shift 2
    # shellcheck disable=SC2086 # several pictures
    "$run" clipc-embed --quiet --threads 2 "$@" -o "$tmp/$name-images" \
        $pictures >/dev/null 2>>"$tmp/log" &&
        "$run" clipc-embed --quiet --threads 1 "$@" -o "$tmp/$name-texts" \
            --truncate --texts "$tmp/texts" >/dev/null 2>>"$tmp/log"
}

same() { # the files of both machines
    for what in images texts; do
        cmp "$tmp/avx2-$what-00000.npy" "$tmp/arm-$what-00000.npy" \
            >>"$tmp/log" 2>&1 || return 1
    done
}

# The numbers of an array of float32, a row a line.
rows() { # FILE
    columns=$(head -c 128 "$1" | tr -cd '[:print:]' |
        sed 's/.*(\([0-9]*\), \([0-9]*\)).*/\2/')
    tail -c +129 "$1" | od -An -v -t f4 -w$((columns * 4))
}
near() {
    for what in images texts; do
        rows "$tmp/avx2-$what-00000.npy" >"$tmp/a"
        rows "$tmp/arm-$what-00000.npy" >"$tmp/b"
        [ -s "$tmp/a" ] || return 1
        paste -d ' ' "$tmp/a" "$tmp/b" | awk -v bound=$BF16_BOUND '
            {
                ab = aa = bb = 0
                for (i = 1; i <= NF / 2; i++) {
                    a = $i; b = $(i + NF / 2)
                    ab += a * b; aa += a * a; bb += b * b
                }
                far = 1 - ab / sqrt(aa * bb)
                if (!(far <= bound)) {
                    print "row " NR ": 1 - cosine is " far
                    bad = 1
                }
            }
            END { exit bad }' >>"$tmp/log" || return 1
    done
}

check() { # same|near MODEL DTYPE CPU|auto OPTIONS...
    how=$1 model=$2 dtype=$3 cpu=$4
    shift 4
    asked="--cpu $cpu"
    [ "$cpu" != auto ] || asked=
    : >"$tmp/log"
    rm -f "$tmp"/*.npy "$tmp"/*.jsonl
    # shellcheck disable=SC2086 # an option and its word, or nothing
    embed avx2 avx2 --model "$model" --dtype "$dtype" --cpu avx2 "$@" &&
        embed arm arm --model "$model" --dtype "$dtype" $asked "$@" &&
        "$how"
    result $? "$how $(basename "$model") $dtype, $cpu${*:+ }$*"
}

if ! avx2 clipc-embed --quiet --model demo --cpu avx2 -o "$tmp/probe" \
    weights/demo/examples/red-convertible.png >/dev/null 2>"$tmp/log"; then
    if grep -q 'this CPU lacks' "$tmp/log"; then
        echo "skip - same bits: this machine has no AVX2"
        exit 0
    fi
    result 1 "clipc-embed here"
    exit 1
fi

sme=1
if ! arm clipc-embed --quiet --model demo --cpu sme -o "$tmp/probe" \
    weights/demo/examples/red-convertible.png >/dev/null 2>"$tmp/log" &&
    grep -q 'this CPU lacks' "$tmp/log"; then
    echo "skip - same bits: SME: $RUNNER has none with vectors of 64 bytes"
    sme=
fi

for model in demo tests/data/tiny tests/data/tiny-gelu tests/data/tiny-siglip; do
    check same "$model" f32 neon
    check same "$model" f32 neon --raw
    check same "$model" int8 neon
    check same "$model" int8 dotprod
    check same "$model" int8 i8mm
    check same "$model" int8 bf16
    check same "$model" f32 auto
    check same "$model" int8 auto
    check same "$model" bf16 neon
    check near "$model" bf16 bf16
    [ -n "$sme" ] || continue
    check same "$model" f32 sme
    check same "$model" int8 sme
    check near "$model" bf16 sme
done

for model in demo tests/data/tiny-siglip; do
    for dtype in f32 bf16 int8; do
        : >"$tmp/log"
        avx2 clipc-pack --quiet "$model" --dtype $dtype -o "$tmp/avx2.clipc" \
            >/dev/null 2>>"$tmp/log" &&
            arm clipc-pack --quiet "$model" --dtype $dtype -o "$tmp/arm.clipc" \
                >/dev/null 2>>"$tmp/log" &&
            cmp "$tmp/avx2.clipc" "$tmp/arm.clipc" >>"$tmp/log" 2>&1
        result $? "packed $(basename "$model") $dtype"
    done
done
exit $failed
