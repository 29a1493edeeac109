#!/bin/sh
# SPDX-License-Identifier: MIT
# examples.sh - the programs of docs/examples, built by make, run with the
# demo model; what they print is compared with the .out file beside them.
set -u
: "${BUILD:=build/release}" "${CC:=gcc}"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0

for source in docs/examples/*.c; do
    name=$(basename "$source" .c)
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
# The README's program is the committed one, to the letter.
if sed -n '/^```c$/,/^```$/p' README.md | sed '1d;$d' |
    diff - docs/examples/readme.c >"$tmp/diff"; then
    echo "ok - examples: README.md shows docs/examples/readme.c"
else
    echo "not ok - examples: README.md shows docs/examples/readme.c"
    cat "$tmp/diff"
    failed=1
fi
# The example at the head of clipc.h compiles.
{
    echo '#include <clipc.h>'
    echo '#include <stdio.h>'
    echo 'int main(void) {'
    sed -n '/^ \*     const clipc_text names/,/clipc_model_free(model);$/s/^ \*//p' \
        include/clipc.h
    echo 'return 0; }'
} >"$tmp/header.c"
if grep -q clipc_classify_file "$tmp/header.c" &&
    $CC -std=c99 -Wall -Wextra -Werror -Iinclude -fsyntax-only \
        "$tmp/header.c" >"$tmp/diff" 2>&1; then
    echo "ok - examples: the example of clipc.h compiles"
else
    echo "not ok - examples: the example of clipc.h compiles"
    cat "$tmp/diff"
    failed=1
fi
exit $failed
