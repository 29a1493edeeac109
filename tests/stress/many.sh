#!/bin/sh
# SPDX-License-Identifier: MIT
# many.sh - N good, bad and hostile inputs in one run of clipc-classify and of
# clipc-embed: one record for each input, in order. N inputs take no more memory
# than N / 10. Run by hand from the repository root: sh tests/stress/many.sh [N];
# N is 10000 by default. Environment: MODEL, default tests/data/tiny; THREADS;
# JSONL, a file that keeps the output.
#
# The inputs: the committed pictures; each picture cut, with bytes changed,
# with rubbish in front; other formats; PNG headers of 65,535 x 65,535, also
# interlaced; a PNG of 40 megapixels in 40 kB; names of nothing, of a folder, of
# a socket that refuses; an invalid URL.
set -eu
: "${BUILD:=build/release}" "${MODEL:=$PWD/tests/data/tiny}" "${THREADS:=}" "${JSONL:=}"
n=${1:-10000}
bin=$PWD/$BUILD
. tests/stress/idle.sh
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

command -v perl >/dev/null || { echo "needs perl"; exit 1; }
perl - "$tmp" tests/data/golden/*.jpg tests/data/golden/*.png \
    tests/data/images/pictures/* weights/demo/examples/* <<'PERL'
use strict;
my ($tmp, @pictures) = @ARGV;
my ($seed, $count) = (1, 0);
sub any { $seed = ($seed * 1103515245 + 12345) % 2147483648; int($seed / 65536) % $_[0] }
sub put {
    open my $f, ">:raw", sprintf("%s/%04d-%s", $tmp, $count++, $_[0]) or die $!;
    print $f $_[1];
}
sub chunk {
    my ($type, $data) = @_;
    my $crc = 0xFFFFFFFF;
    for my $byte (unpack "C*", $type . $data) {
        $crc ^= $byte;
        $crc = $crc & 1 ? ($crc >> 1) ^ 0xEDB88320 : $crc >> 1 for 1 .. 8;
    }
    return pack("N", length $data) . $type . $data . pack("N", $crc ^ 0xFFFFFFFF);
}
sub header { chunk("IHDR", pack("NNC5", @_)) }
my $png = "\x89PNG\r\n\x1A\n";
for my $path (@pictures) {
    open my $f, "<:raw", $path or next;
    my $data = do { local $/; <$f> };
    my ($name) = $path =~ m{([^/]+)$};
    my $length = length $data;
    next if $length > 300000 || $length < 16;
    put("whole-$name", $data);
    put("cut-$name", substr $data, 0, any($length)) for 1 .. 4;
    put("rubbish-$name", "rubbish" . $data);
    put("after-$name", $data . "rubbish");
    for (1 .. 6) {
        my $bad = $data;
        substr($bad, any($length), 1) = chr any(256) for 0 .. any(5);
        put("changed-$name", $bad);
    }
}
put("empty.jpg", "");
put("one.png", "\x89");
put("page.jpg", "<!DOCTYPE html><html></html>");
put("gif.jpg", "GIF89a" . "\0" x 100);
put("zeros.png", "\0" x 100000);
put("wide.png", $png . header(65535, 65535, 8, 2, 0, 0, 0) . chunk("IDAT", "x" x 100));
put("laced.png", $png . header(20000, 20000, 16, 6, 0, 0, 1) . chunk("IDAT", "x" x 100));
put("none.png", $png . header(0, 5, 8, 2, 0, 0, 0));
# The middle of a gzip file is a deflate stream.
my $zeros = `head -c 40008000 /dev/zero | gzip -9n`; # 8,000 rows of 5,001
my ($a, $b) = (1, 40008000 % 65521); # Adler-32 of so many zeros
put("large.png", $png . header(5000, 8000, 8, 0, 0, 0, 0) .
    chunk("IDAT", "\x78\xDA" . substr($zeros, 10, -8) . pack("nn", $b, $a)) .
    chunk("IEND", ""));
put("huge-segment.jpg", "\xFF\xD8\xFF\xE1\xFF\xFF");
put("frame.jpg", "\xFF\xD8\xFF\xC2" . pack("nCnnC", 17, 8, 65500, 65500, 3) .
    "\1\x44\0\2\x11\0\3\x11\0");
PERL
mkdir "$tmp/folder-empty"
ls -d "$tmp"/* >"$tmp.files"
{
    cat "$tmp.files"
    echo "$tmp/does not exist.png"
    echo "$tmp/folder-empty"
    echo "https://127.0.0.1:1/private.jpg"
    echo "http:/no.url"
    echo "ftp://example.com/scheme.jpg"
} >"$tmp/kinds"
rm -f "$tmp.files"
kinds=$(wc -l <"$tmp/kinds")
echo "$n inputs of $kinds kinds"

# Shuffle the names: whole rounds would fill every batch alike.
names() { # N
    perl -e '
        my ($n, $file) = @ARGV;
        open my $f, "<", $file or die; my @kinds = <$f>;
        for my $i (0 .. $n - 1) { print $kinds[$i * 7919 % @kinds] }' "$1" "$tmp/kinds"
}
# Runs a program over a list that stays open until the program has computed
# nothing for a second and its memory has been read.
measured() { # N RECORDS COMMAND...
    names "$1" >"$tmp/names"
    want=$1
    records=$2
    shift 2
    rm -f "$tmp/fifo"
    mkfifo "$tmp/fifo"
    "$@" --model "$MODEL" ${THREADS:+--threads "$THREADS"} --files-from "$tmp/fifo" \
        >"$tmp/out" 2>"$tmp/err" &
    pid=$!
    exec 3>"$tmp/fifo"
    begun=$(date +%s%N)
    cat "$tmp/names" >&3
    wait_idle $pid
    peak=$(peak_of $pid)
    ended=$(($(date +%s%N) - 1000000000))
    exec 3>&-
    status=0
    wait $pid || status=$?
    [ ! -s "$tmp/err" ] || cat "$tmp/err"
    cat $records >"$tmp/all"
    sed -E 's/^\{"image": "([^"]*)".*/\1/' "$tmp/all" >"$tmp/got"
    cmp "$tmp/names" "$tmp/got"
    echo "$(basename "$1"): $want inputs: $(wc -l <"$tmp/got") records in order," \
        "$(grep -c '"status": "ok"' "$tmp/all") answered, exit $status," \
        "peak $peak kB, $(((ended - begun) / 1000000)) ms"
}
classify() {
    measured "$1" "$tmp/out" "$bin/clipc-classify" --label red --label blue --format jsonl
}
embed() {
    rm -f "$tmp"/rows-*
    measured "$1" "$tmp/rows-*.jsonl" "$bin/clipc-embed" -o "$tmp/rows" --shard-rows 1000
}
failed=0
for program in classify embed; do
    $program $((n / 10))
    less=$peak
    $program "$n"
    [ -z "$JSONL" ] || [ $program = embed ] || cp "$tmp/all" "$JSONL"
    # Readers' heaps settle within a few megabytes.
    if [ $((peak - less)) -gt 8192 ]; then
        echo "not flat: $((peak - less)) kB more"
        failed=1
    fi
done
sed -E 's/.*"status": "([^"]*)".*/\1/' "$tmp/all" | sort | uniq -c
exit $failed
