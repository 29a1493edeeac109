#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh - the programs as a user meets them. One folder a test:
#
#     tests/cli/NAME/cmd      shell script, run in an empty folder
#     tests/cli/NAME/stdout   what it writes; absent: nothing
#     tests/cli/NAME/stderr   the same for standard error
#     tests/cli/NAME/exit     its exit status; absent: 0
#
# In a cmd: $ROOT is the repository, $TINY a tiny model of random numbers,
# $PICTURES small pictures, $SCRATCH the test's own folder; HOME and
# XDG_CACHE_HOME lie in it. In the output $SCRATCH and $ROOT are written so.
# Exit status 77 skips, the first line of standard output says why.
#
# Usage: run.sh [NAME...], from the repository root. Environment: CLIPC_BIN,
# the folder of the programs; RUNNER (valgrind, qemu) in front of each.
set -u
ROOT=$(pwd -P)
: "${CLIPC_BIN:=$ROOT/build/release}" "${RUNNER:=}"
TINY=$ROOT/tests/data/tiny
PICTURES=$ROOT/tests/data/golden
tmp=$(mktemp -d) || exit 1
tmp=$(cd "$tmp" && pwd -P)
if [ ${#tmp} -gt 60 ]; then # messages show long names shortened
    rmdir "$tmp"
    tmp=$(mktemp -d /tmp/clipc-cli-XXXXXX) || exit 1
    echo "# the folder for temporary files has a long name: in $tmp instead"
fi
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

# The environment of the caller must not reach the programs.
for name in HF_HUB_CACHE HUGGINGFACE_HUB_CACHE HF_HOME TRANSFORMERS_OFFLINE \
    HF_TOKEN HUGGING_FACE_HUB_TOKEN HF_TOKEN_PATH \
    HF_HUB_DISABLE_IMPLICIT_TOKEN CLIPC_DATA_DIR XDG_CACHE_HOME http_proxy \
    https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy no_proxy \
    NO_PROXY SSL_CERT_FILE SSL_CERT_DIR HF_HUB_ETAG_TIMEOUT \
    HF_HUB_DOWNLOAD_TIMEOUT; do
    unset "$name"
done
# No test asks anybody else for a model.
HF_HUB_OFFLINE=1
HF_ENDPOINT=http://127.0.0.1:9
export HF_HUB_OFFLINE HF_ENDPOINT
LC_ALL=C
export ROOT CLIPC_BIN RUNNER TINY PICTURES LC_ALL

# The programs by their names, wherever they are.
mkdir "$tmp/bin" || exit 1
for program in clipc-classify clipc-inspect clipc-embed clipc-pack; do
    printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$RUNNER" "$CLIPC_BIN/$program" \
        >"$tmp/bin/$program"
    chmod +x "$tmp/bin/$program"
done
PATH=$tmp/bin:$PATH

failed=0
run_test() { # FOLDER
    test=$1
    name=$(basename "$test")
    SCRATCH=$tmp/$name
    mkdir -p "$SCRATCH/home" "$SCRATCH/work"
    HOME=$SCRATCH/home
    XDG_CACHE_HOME=$SCRATCH/cache
    export SCRATCH HOME XDG_CACHE_HOME
    (cd "$SCRATCH/work" && exec timeout 120 sh "$test/cmd") \
        >"$tmp/out" 2>"$tmp/err" </dev/null
    status=$?
    if [ "$status" -eq 77 ]; then
        echo "skip - cli: $name: $(head -n 1 "$tmp/out")"
        return
    fi
    : >"$tmp/diff"
    for stream in stdout stderr; do
        got=$tmp/out
        [ $stream = stderr ] && got=$tmp/err
        want=$test/$stream
        [ -f "$want" ] || want=/dev/null
        sed -e "s|$SCRATCH|\$SCRATCH|g" -e "s|$ROOT|\$ROOT|g" "$got" \
            >"$tmp/$stream"
        if [ -n "${CLIPC_CLI_UPDATE:-}" ]; then
            if [ -s "$tmp/$stream" ]; then
                cp "$tmp/$stream" "$test/$stream"
            else
                rm -f "$test/$stream"
            fi
            continue
        fi
        cmp -s "$want" "$tmp/$stream" ||
            diff -a -u --label "$name/$stream" --label "got" "$want" \
                "$tmp/$stream" >>"$tmp/diff"
    done
    expected=0
    [ -f "$test/exit" ] && expected=$(cat "$test/exit")
    if [ -n "${CLIPC_CLI_UPDATE:-}" ]; then
        rm -f "$test/exit"
        [ "$status" -eq 0 ] || echo "$status" >"$test/exit"
    elif [ "$status" -ne "$expected" ]; then
        echo "exit status $status, not $expected" >>"$tmp/diff"
    fi
    if [ -s "$tmp/diff" ]; then
        echo "not ok - cli: $name"
        sed 's/^/    /' "$tmp/diff"
        failed=1
    else
        echo "ok - cli: $name"
    fi
    # Folders may have been made unreadable.
    chmod -R u+rwx "$SCRATCH" 2>/dev/null
    rm -rf "$SCRATCH"
}

if [ ! -x "$CLIPC_BIN/clipc-classify" ]; then
    echo "not ok - cli: no programs in $CLIPC_BIN"
    exit 1
fi
if [ $# -eq 0 ]; then
    for cmd in "$ROOT"/tests/cli/*/cmd; do
        run_test "$(dirname "$cmd")"
    done
else
    for name; do
        run_test "$ROOT/tests/cli/$name"
    done
fi
exit $failed
