#!/bin/sh
# SPDX-License-Identifier: MIT
# serve_load.sh - bench/load's serve-load against clipc-serve with the demo
# model: outcomes, what is expected of them, wrong usage. No time is checked.
set -u
: "${BUILD:=build/release}" "${RUNNER:=}"
if [ ! -x "$BUILD/clipc-serve" ]; then
    echo 'skip - serve-load: clipc-serve was not built (SERVE=0)'
    exit 0
fi
tmp=$(mktemp -d) || exit 1
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
failed=0
report() { # STATUS NAME
    if [ "$1" -eq 0 ]; then
        echo "ok - serve-load: $2"
    else
        echo "not ok - serve-load: $2"
        sed 's/^/    /' "$tmp/out" "$tmp/err"
        failed=1
    fi
}
load() { # STATUS ARGUMENTS: runs; whether it ends so
    status=$1
    shift
    # shellcheck disable=SC2086 # RUNNER is a command and its options
    $RUNNER "$BUILD/serve-load" "$@" >"$tmp/out" 2>"$tmp/err"
    [ $? -eq "$status" ]
}

# shellcheck disable=SC2086
XDG_CACHE_HOME=$tmp/cache $RUNNER "$BUILD/clipc-serve" --model demo --quiet \
    --listen 127.0.0.1:0 2>"$tmp/log" &
server=$!
for _ in $(seq 600); do
    grep -q '^clipc-serve: ready' "$tmp/log" && break
    kill -0 $server 2>/dev/null || break
    sleep 0.1
done
url=$(sed -n 's/.*listening on \(http:[^ ]*\).*/\1/p' "$tmp/log")
if [ -z "$url" ] || ! kill -0 $server 2>/dev/null; then
    server=
    if grep -q -e '--listen 127.0.0.1:0: ' "$tmp/log"; then
        echo 'skip - serve-load: no loopback network here'
        exit 0
    fi
    cp "$tmp/log" "$tmp/out"
    : >"$tmp/err"
    report 1 'the server starts'
    exit 1
fi

load 0 --requests 24 --warm-up 0 --duration 300 --connections 3 \
    --pid $server "$url/v1/classify" weights/demo/examples/*.*g &&
    grep -q '^24 requests in .* closed loop$' "$tmp/out" &&
    grep -q '^outcomes: 200: 24; 0 not expected$' "$tmp/out" &&
    grep -q '^server: rss [0-9]* KiB' "$tmp/out"
report $? 'files in turn, closed loop'

printf '{"input": "a cat"}' >"$tmp/cat.json"
load 0 --requests 24 --warm-up 0 --duration 300 --rate 200 --json \
    "$url/v1/embeddings" "$tmp/cat.json" &&
    grep -q '"outcomes": {"200": 24}, "unexpected": 0' "$tmp/out"
report $? 'requests at a fixed rate'

printf 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n' >"$tmp/two-hosts"
printf 'GET / HTTP/1.1\r\n' >"$tmp/half"
cat >"$tmp/mix" <<END
# weight, outcomes, action
1 200 GET /v1/models
1 404 GET /none
1 200 POST /v1/embeddings application/json $tmp/cat.json
1 415 POST /v1/embeddings text/plain $tmp/cat.json
1 closed TORN /v1/embeddings application/json $tmp/cat.json
1 closed SLOW /v1/models
1 400 RAW $tmp/two-hosts
1 closed,timeout,any RAW $tmp/half
END
load 0 --requests 16 --warm-up 0 --duration 300 --timeout 1 --mix "$tmp/mix" \
    "$url" && grep -q '^outcomes: .*200: 4 400: 2 404: 2 415: 2; 0 not' "$tmp/out"
report $? 'a list with torn, slow and raw requests'

printf '1 200 GET /none\n' >"$tmp/wrong"
load 1 --requests 3 --warm-up 0 --mix "$tmp/wrong" "$url" &&
    grep -q '404 was not expected of: 1 200 GET /none' "$tmp/err"
report $? 'an outcome that is not expected: status 1'

kill $server
wait $server
server=
load 1 --duration 0.2 --warm-up 0 "$url/" "$tmp/cat.json" &&
    grep -q 'refused was not expected' "$tmp/err"
report $? 'no server: status 1'

usage() { # TEXT ARGUMENTS
    text=$1
    shift
    load 2 "$@" && grep -q -e "$text" "$tmp/err"
    report $? "wrong usage: $text"
}
usage 'no URL'
usage 'this machine' http://10.0.0.1:80/ "$tmp/half"
usage 'must be http://' http://localhost/ "$tmp/half"
usage 'files, or --mix' "$url"
usage 'number from' --rate -1 "$url" "$tmp/half"
usage 'needs --pid' --sample 1 "$url" "$tmp/half"
for line in 'x 200 GET /' '1 99 GET /' '1 200 PUT /' '1 200 POST / -' '0 200 GET /'; do
    echo "$line" >"$tmp/bad"
    load 1 --mix "$tmp/bad" "$url" && grep -q "$tmp/bad: request 1: " "$tmp/err"
    report $? "a wrong line: $line"
done
exit $failed
