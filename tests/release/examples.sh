#!/bin/sh
# SPDX-License-Identifier: MIT
# examples.sh - the programs of docs/examples, built by make, run with the demo
# model and print the .out file beside each program. README and clipc.3 show two
# of the programs. The examples at the head of clipc.h compile. The synopsis of
# clipc.3 has the calls of clipc.h in the header's order.
set -u
: "${BUILD:=build/release}" "${CC:=gcc}"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0

for source in docs/examples/*.c; do
    name=$(basename "$source" .c)
    # Of SQLite, not a program: tests/clients/check_sqlite.py.
    [ "$name" != sqlite_clipc ] || continue
    arguments=$(cat docs/examples/"$name".args)
    if $BUILD/examples/"$name" $arguments >"$tmp/out" 2>&1 &&
        diff docs/examples/"$name".out "$tmp/out" >"$tmp/diff"; then
        echo "ok - examples: $name"
    else
        echo "not ok - examples: $name"
        cat "$tmp/out"
        failed=1
    fi
done
same() { # NAME FILE FILE
    if [ -s "$2" ] && diff "$2" "$3" >"$tmp/diff"; then
        echo "ok - examples: $1"
    else
        echo "not ok - examples: $1"
        cat "$tmp/diff"
        failed=1
    fi
}

sed -n '/^```c$/,/^```$/p' README.md | sed '1d;$d' >"$tmp/readme.c"
same 'README.md shows docs/examples/readme.c' "$tmp/readme.c" \
    docs/examples/readme.c
# In roff a hyphen is \-, a backslash \e.
sed -n '/^\.EX$/,/^\.EE$/p' docs/man/clipc.3 |
    sed '1d;$d;s/^\\&//;s/\\-/-/g;s/\\e/\\/g' >"$tmp/man.c"
same 'clipc.3 shows docs/examples/compare.c' "$tmp/man.c" \
    docs/examples/compare.c

# Prints one prototype per line.
prototypes() { tr '\n' ' ' | sed 's/  */ /g;s/( /(/g;s/; */;\n/g'; }
awk '/^CLIPC_API/ { on = 1 } on { print } /;/ { on = 0 }' include/clipc.h |
    sed 's/^CLIPC_API //' |
    prototypes >"$tmp/header.calls"
sed -n '/^\.SH SYNOPSIS/,/^\.SH DESC/p' docs/man/clipc.3 |
    sed -n '/#include/d;s/^\.B "*\([^"]*\)"*$/\1/p' | prototypes >"$tmp/man.calls"
same 'clipc.3 lists the calls of clipc.h' "$tmp/header.calls" "$tmp/man.calls"

# The examples at the head of clipc.h, in the order of a program.
{
    echo '#include <clipc.h>'
    echo '#include <stdio.h>'
    echo '#include <stdlib.h>'
    echo 'void use(const float *vector, size_t n);'
    echo 'int main(void) {'
    sed -n '/^ \* The order of this header/q;s/^ \*     //p' include/clipc.h
    echo 'return 0; }'
} >"$tmp/header.c"
if grep -q clipc_classify_file "$tmp/header.c" &&
    grep -q clipc_model_dim "$tmp/header.c" &&
    $CC -std=c99 -Wall -Wextra -Werror -Iinclude -fsyntax-only \
        "$tmp/header.c" >"$tmp/diff" 2>&1; then
    echo "ok - examples: those of clipc.h compile"
else
    echo "not ok - examples: those of clipc.h compile"
    cat "$tmp/diff"
    failed=1
fi
exit $failed
