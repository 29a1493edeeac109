#!/bin/sh
# SPDX-License-Identifier: MIT
# serve_docs.sh - the curl commands of docs/SERVE.md, run against clipc-serve
# with the demo model, print what the page shows under them. Digits may differ;
# "..." stands for anything, a line break between parts of JSON for nothing.
# The server listens on a port of its own, and the host of pictures is a
# loopback server.
# Environment: BUILD, the folder that was built; SERVE and CURL, 0 without.
set -u
: "${BUILD:=build/release}" "${SERVE:=1}" "${CURL:=1}"
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
root=$PWD
tmp=$(mktemp -d) || exit 1
failed=0
server=
end() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    exec 9>&-
    wait
    rm -rf "$tmp"
}
trap end EXIT
skip() {
    echo "skip - serve-docs: $*"
    exit 0
}
[ "$SERVE" = 1 ] || skip 'SERVE=0'
[ "$CURL" = 1 ] || skip 'CURL=0: the page has URLs'
command -v curl >/dev/null 2>&1 || skip 'no curl'
"$BUILD/tests/support/httpd" --has-loopback || skip 'no loopback network here'

# ---- servers -----------------------------------------------------------------
wait_for() { # COMMAND...: succeeds within 30 s
    tries=0
    until "$@"; do
        [ $tries -lt 600 ] || return 1
        sleep 0.05
        tries=$((tries + 1))
    done
}
cp weights/demo/examples/red-convertible.png "$tmp"
echo 0123456789abcdef >"$tmp/key"
mkfifo "$tmp/alive"
"$BUILD/tests/support/httpd" --root "$tmp" --port-file "$tmp/port" --stdin \
    <"$tmp/alive" >/dev/null 2>&1 &
exec 9>"$tmp/alive" # it ends with this shell
"$BUILD/clipc-serve" --model demo --listen 127.0.0.1:0 --allow-private --quiet \
    --api-key "$tmp/key" 2>"$tmp/log" 9>&- &
server=$!
if ! wait_for [ -s "$tmp/port" ] || ! wait_for grep -q 'ready: ' "$tmp/log"; then
    echo 'not ok - serve-docs: the server does not start'
    cat "$tmp/log"
    exit 1
fi
port=$(sed -n 's|.* listening on http://127.0.0.1:||p' "$tmp/log")
photos=http://127.0.0.1:$(cat "$tmp/port")/file

# ---- commands ----------------------------------------------------------------
# Writes N.cmd and N.out for each indented block that begins with curl, and for
# the block after it.
awk -v folder="$tmp" '
    /^ *$/ { if (in_block) after = kind; in_block = 0; next }
    !/^    / { in_block = 0; after = ""; next }
    !in_block {
        in_block = 1
        text = substr($0, 5)
        sub(/^ */, "", text)
        kind = text ~ /^curl / ? "cmd" : after == "cmd" ? "out" : ""
        if (kind == "cmd")
            n++
    }
    kind { text = $0; sub(/^ */, "", text); print text >(folder "/" n "." kind) }
    END { print n + 0 >(folder "/n") }
' docs/SERVE.md
n=$(cat "$tmp/n")

# Whether the pieces of SHOWN between "..." stand in GOT in their order, the
# first one at the beginning, the last one at the end.
cat >"$tmp/same.awk" <<'AWK'
function plain(text) { gsub(/[0-9]+([.][0-9]+)?(e-?[0-9]+)?/, "N", text); return text }
# Where the text ends in the piece.
function last(text, piece,    at) {
    sub(/\n*$/, "", text)
    at = length(text) - length(piece) + 1
    return at > 0 && substr(text, at) == piece ? at : 0
}
FNR == 1 { file++ }
file == 1 {
    if (FNR == 1)
        json = /^[{[]/
    shown = shown (json || FNR == 1 ? "" : "\n") $0
    next
}
{ got = got (got == "" ? "" : "\n") $0 }
END {
    n = split(plain(shown), pieces, /[.][.][.]/)
    rest = plain(got)
    for (i = 1; i <= n; i++) {
        piece = pieces[i]
        gsub(/^\n|\n$/, "", piece)
        if (piece == "")
            continue
        at = i < n || n == 1 ? index(rest, piece) : last(rest, piece)
        if (at == 0 || (i == 1 && at != 1)) {
            print "not there: " piece
            exit 1
        }
        rest = substr(rest, at + length(piece))
    }
    if (pieces[n] != "" && rest !~ /^\n*$/) {
        print "more than shown: " rest
        exit 1
    }
}
AWK

cd "$tmp" || exit 1
i=0
while [ $i -lt "$n" ]; do
    i=$((i + 1))
    name=$(sed -n '1{s/ -d .*//;s/ [\\]$//;p;}' $i.cmd)
    # Without a key only the paths that need none would answer.
    sed -e "s|http://127.0.0.1:8000|http://127.0.0.1:$port|" \
        -e "s|https://photos.example.org|$photos|" \
        -e '1s|^curl |curl -sS -H "Authorization: Bearer $(cat key)" |' \
        -e '1s|-H "Authorization: Bearer $(cat key)" -H "Auth|-H "Auth|' \
        $i.cmd >run.sh
    if [ -s $i.out ] && sh run.sh >got 2>err && [ ! -s err ] &&
        awk -f same.awk $i.out got >log; then
        echo "ok - serve-docs: $name"
    else
        echo "not ok - serve-docs: $name"
        cat run.sh err log got | cut -c1-600
        failed=1
    fi
done
[ "$n" -gt 10 ] && kill -TERM "$server" && wait "$server"
status=$?
server=
[ $status -eq 0 ]
status=$?
if [ $status -eq 0 ]; then
    echo 'ok - serve-docs: the server ends well'
else
    echo 'not ok - serve-docs: the server ends well'
    cat "$tmp/log"
    failed=1
fi
cd "$root" || exit 1
exit $failed
