#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh - runs every test and counts: the body of `make check`.
# Each suite prints "ok - ...", "not ok - ..." and "skip - ..." lines; a suite
# that dies counts as one failure more. V=1 shows every line.
# A suite that hangs is ended after SUITE_SECONDS.
# Environment: BUILD, RUNNER (valgrind, qemu). CLIPC_SKIP_SCRIPTS=release leaves out
# the suites of tests/release, which run compilers and installed programs, =1 those
# of the programs too, CLIPC_UNITS=FOLDER all but the unit tests of a folder.
set -u
: "${BUILD:=build/release}" "${RUNNER:=}" "${V:=}" "${CLIPC_SKIP_SCRIPTS:=}"
: "${SUITE_SECONDS:=600}" "${CLIPC_UNITS:=*}"
case $BUILD in
/*) CLIPC_BIN=$BUILD ;;
*) CLIPC_BIN=$PWD/$BUILD ;;
esac
export BUILD RUNNER CLIPC_BIN

log=$(mktemp) || exit 1
all=$(mktemp) || exit 1
trap 'rm -f "$log" "$all"' EXIT
trap 'exit 130' INT TERM

suite() { # NAME COMMAND...
    name=$1
    shift
    timeout -k 5 "$SUITE_SECONDS" "$@" >"$log" 2>&1
    status=$?
    failed=$(grep -c '^not ok - ' "$log")
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
        reason="exit status $status"
        [ "$status" -ne 124 ] || reason="no end after $SUITE_SECONDS s"
        echo "not ok - $name: $reason" >>"$log"
        failed=1
    fi
    cat "$log" >>"$all"
    printf '  %-18s %4d ok  %d failed  %d skipped\n' "$name" \
        "$(grep -c '^ok - ' "$log")" "$failed" "$(grep -c '^skip - ' "$log")"
    if [ -n "$V" ]; then
        cat "$log"
    elif [ "$failed" -ne 0 ]; then
        grep -v '^ok - ' "$log"
    else
        grep '^skip - ' "$log"
    fi
}

units=0
for program in "$BUILD"/tests/unit/$CLIPC_UNITS/test_* "$BUILD"/tests/stress/test_*; do
    case $program in
    *.o | *.d | *.gcno | *.gcda) continue ;;
    */stress/*) [ "$CLIPC_UNITS" = '*' ] || continue ;;
    esac
    [ -x "$program" ] || continue
    suite "$(basename "$program")" $RUNNER "$program"
    units=$((units + 1))
done
[ "$units" -gt 0 ] || suite "no unit test in $BUILD/tests/unit/$CLIPC_UNITS" false
if [ "$CLIPC_SKIP_SCRIPTS" != 1 ]; then
    suite cli sh tests/cli/run.sh
fi
if [ -z "$CLIPC_SKIP_SCRIPTS" ]; then
    suite completion sh tests/release/completion.sh
    suite manpages sh tests/release/manpages.sh
    suite headers sh tests/release/headers.sh
    suite layers sh tests/release/layers.sh
    suite exports sh tests/release/exports.sh
    suite make sh tests/release/make.sh
    suite install sh tests/release/install.sh
    suite examples sh tests/release/examples.sh
    suite serve-load sh tests/release/serve_load.sh
    suite serve-docs sh tests/release/serve_docs.sh
fi

passed=$(grep -c '^ok - ' "$all")
failed=$(grep -c '^not ok - ' "$all")
skipped=$(grep -c '^skip - ' "$all")
if [ "$failed" -ne 0 ]; then
    echo
    grep '^not ok - ' "$all"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
