#!/bin/sh
# SPDX-License-Identifier: MIT
# torture.sh - `make torture`: every allocation, read, open, write, map, thread
# start and network call of every operation (torture.c), of every request to
# clipc-serve (torture_serve.c), of the program clipc-classify and of the start
# of clipc-serve fails in turn.
#
# Environment: BUILD, a folder built without sanitizers (the shim replaces the
# functions that sanitizers replace); TORTURE_STEP, default 23: the first 100
# calls of the program fail, then every 23rd. Exit status 1 when a test failed.
set -u
: "${BUILD:=build/release}" "${TORTURE_STEP:=23}"
case $BUILD in
/*) ;;
*) BUILD=$(pwd -P)/$BUILD ;;
esac
shim=$BUILD/tests/support/shim.so
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

# Freed memory is overwritten: a use after free shows.
MALLOC_PERTURB_=165
export MALLOC_PERTURB_

# ---- the library ------------------------------------------------------------
set --
if ! "$BUILD/clipc-classify" --version | grep -q 'libcurl.*not built in'; then
    mkfifo "$tmp/alive"
    "$BUILD/tests/support/httpd" --root tests/data/images/pictures --seconds 3600 \
        --port-file "$tmp/port" --stdin <"$tmp/alive" &
    exec 9>"$tmp/alive" # it ends with this shell
    tries=0
    until [ -s "$tmp/port" ] || [ $tries -eq 100 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    set -- --url "http://127.0.0.1:$(cat "$tmp/port")/file/420.jpg"
fi
LD_PRELOAD=$shim "$BUILD/tests/stress/torture" "$@" >"$tmp/library"
status=$?
cat "$tmp/library"
[ $status -le 1 ] || echo "not ok - torture: exit status $status" >>"$tmp/library"

# ---- requests ---------------------------------------------------------------
if [ -x "$BUILD/tests/stress/torture_serve" ]; then
    LD_PRELOAD=$shim "$BUILD/tests/stress/torture_serve" >"$tmp/requests"
    status=$?
    cat "$tmp/requests"
    [ $status -le 1 ] ||
        echo "not ok - torture serve: exit status $status" >>"$tmp/requests"
    cat "$tmp/requests" >>"$tmp/library"
fi

# ---- the program ------------------------------------------------------------
# run CLASSES:N:MODE: into $tmp/out and $tmp/err.
run() {
    SHIM=$1 LD_PRELOAD=$shim timeout 60 "$BUILD/clipc-classify" \
        --model tests/data/tiny --label 'red car' --label 'blue car' \
        --gemm native --threads 2 --format jsonl \
        tests/data/golden/jpg.jpg tests/data/golden/png-alpha.png \
        >"$tmp/out" 2>"$tmp/err" </dev/null
}

XDG_CACHE_HOME=$tmp/cache
export XDG_CACHE_HOME
programs=$tmp/programs
: >"$programs"
run 0:0:0
expected=$?
cp "$tmp/out" "$tmp/want"
[ $expected -eq 0 ] ||
    echo "not ok - torture program: exit status $expected undisturbed" >>"$programs"

sweep() { # NAME CLASSES MODE
    n=1
    good=0 refused=0
    while [ $n -lt 100000 ]; do
        rm -rf "$tmp/cache"
        run "$2:$n:$3"
        status=$?
        case $status in
        0)
            cmp -s "$tmp/out" "$tmp/want" ||
                echo "not ok - torture program $1 n=$n: another answer" >>"$programs"
            good=$((good + 1))
            # Beyond the last call nothing fails. A failure that only costs
            # the cache is not the end.
            [ $good -ge 40 ] && break
            ;;
        1 | 3)
            good=0
            refused=$((refused + 1))
            # A picture's error is in its JSON line.
            [ -s "$tmp/err" ] || grep -q '"error": *"' "$tmp/out" ||
                echo "not ok - torture program $1 n=$n: fails without a word" >>"$programs"
            ;;
        *)
            echo "not ok - torture program $1 n=$n: exit status $status" >>"$programs"
            ;;
        esac
        if [ $n -lt 100 ]; then n=$((n + 1)); else n=$((n + TORTURE_STEP)); fi
    done
    echo "ok - torture program $1: up to call $n, $refused refused" >>"$programs"
}
sweep 'alloc once' 1 0
sweep 'alloc for good' 1 1
sweep 'read once' 2 0
sweep 'read interrupted' 2 2
sweep 'read short' 2 3
sweep 'open once' 4 0
sweep 'open for good' 4 1
sweep 'write once' 8 0
sweep 'write short' 8 3
sweep 'map once' 16 0
sweep 'thread once' 32 0
sweep 'thread for good' 32 1

# ---- the start of the server --------------------------------------------------
# Runs clipc-serve until it is ready, then ends it: into $status, $tmp/err.
serve() { # CLASSES:N:MODE
    : >"$tmp/err"
    SHIM=$1 LD_PRELOAD=$shim "$BUILD/clipc-serve" --listen "unix:$tmp/socket" \
        --model tests/data/tiny --threads 2 --quiet 2>"$tmp/err" </dev/null &
    pid=$!
    tries=0
    until grep -q ' ready: ' "$tmp/err" || ! kill -0 $pid 2>/dev/null; do
        sleep 0.02
        tries=$((tries + 1))
        if [ $tries -eq 1500 ]; then
            kill -9 $pid
            break
        fi
    done
    kill -TERM $pid 2>/dev/null
    wait $pid
    status=$?
}

sweep_serve() { # NAME CLASSES MODE
    n=1
    good=0 refused=0
    while [ $n -lt 100000 ] && [ $good -lt 40 ]; do
        serve "$2:$n:$3"
        case $status in
        0) good=$((good + 1)) ;;
        1 | 3)
            good=0
            refused=$((refused + 1))
            [ -s "$tmp/err" ] ||
                echo "not ok - torture start $1 n=$n: fails without a word" >>"$programs"
            ;;
        *) echo "not ok - torture start $1 n=$n: exit status $status" >>"$programs" ;;
        esac
        [ ! -e "$tmp/socket" ] ||
            echo "not ok - torture start $1 n=$n: the socket is left" >>"$programs"
        rm -f "$tmp/socket"
        if [ $n -lt 100 ]; then n=$((n + 1)); else n=$((n + TORTURE_STEP)); fi
    done
    echo "ok - torture start $1: up to call $n, $refused refused" >>"$programs"
}
if [ -x "$BUILD/clipc-serve" ]; then
    sweep_serve 'alloc once' 1 0
    sweep_serve 'alloc for good' 1 1
    sweep_serve 'read once' 2 0
    sweep_serve 'read short' 2 3
    sweep_serve 'open once' 4 0
    sweep_serve 'map once' 16 0
    sweep_serve 'thread once' 32 0
    sweep_serve 'thread for good' 32 1
    sweep_serve 'network once' 64 0
fi
cat "$programs"

cat "$tmp/library" "$programs" >"$tmp/all"
awk '/^ok - / { passed++ }
     /^not ok - / { failed++ }
     / refused/ { for (i = 2; i <= NF; i++) if ($i ~ /^refused/) refused += $(i - 1) }
     / absorbed$/ { absorbed += $(NF - 1) }
     END { printf "%d sweeps passed, %d failures; %d faults refused, %d absorbed\n",
           passed, failed, refused, absorbed; exit failed > 0 }' "$tmp/all"
