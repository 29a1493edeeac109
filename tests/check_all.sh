#!/bin/sh
# SPDX-License-Identifier: MIT
# check_all.sh - `make check-all`: every check that there is, one after the
# other, and a table of their counts (build/check-all.md), which
# docs/RELIABILITY.md keeps of the last run. Hours on two processors.
#
# Environment: MAKE; FUZZ_SECONDS a target (10), SOAK_SECONDS (60); STEPS, those
# to run, in place of all. A step whose tool is missing is skipped and said.
# Exit status 1 when a step failed.
set -u
: "${MAKE:=make}" "${FUZZ_SECONDS:=10}" "${SOAK_SECONDS:=60}"
: "${STEPS:=check asan asan-clang tsan valgrind torture cpus fuzz soak}"
export FUZZ_SECONDS SOAK_SECONDS
logs=${BUILDS:-build}/check-all
table=${BUILDS:-build}/check-all.md
mkdir -p "$logs"
failed=0
printf '| step | command | result | minutes |\n|---|---|---|---|\n' >"$table"

# The last line that counts something.
counts() { # LOG
    grep -a -E 'passed, [0-9]+ failed|executions, no finding|^soak: [0-9]+ rounds|sweeps passed' "$1" |
        tail -n "${2:-1}" | sed 's/^ *//' | paste -sd ';' - | sed 's/;/; /g'
}

step() { # NAME NEEDED-TOOL COMMAND...
    name=$1
    tool=$2
    shift 2
    case " $STEPS " in
    *" $name "*) ;;
    *) return ;;
    esac
    if ! command -v "$tool" >/dev/null 2>&1; then
        printf '| %s | `%s` | skipped: no %s | |\n' "$name" "$*" "$tool" >>"$table"
        echo "check-all: $name skipped: no $tool"
        return
    fi
    begun=$(date +%s)
    if "$@" >"$logs/$name.log" 2>&1; then
        result=$(counts "$logs/$name.log")
    else
        result="FAILED ($(counts "$logs/$name.log"))"
        failed=1
    fi
    minutes=$((($(date +%s) - begun + 30) / 60))
    shown=$(echo "$*" | sed "s#^$MAKE#make#")
    printf '| %s | `%s` | %s | %s |\n' "$name" "$shown" "$result" "$minutes" >>"$table"
    echo "check-all: $name: $result ($minutes min)"
}

step check "${CC:-cc}" "$MAKE" check
step asan "${CC:-cc}" "$MAKE" check-asan
step asan-clang clang "$MAKE" CC=clang check-asan
step tsan "${CC:-cc}" "$MAKE" check-tsan
step valgrind valgrind "$MAKE" check-valgrind
step torture "${CC:-cc}" "$MAKE" torture
step cpus qemu-x86_64-static "$MAKE" check-cpus
step fuzz clang "$MAKE" fuzz
step soak "${CC:-cc}" "$MAKE" soak
cat "$table"
[ "$failed" = 0 ]
