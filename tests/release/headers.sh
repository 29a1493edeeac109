#!/bin/sh
# SPDX-License-Identifier: MIT
# headers.sh - the public header compiles alone as C99 and C++17, every
# internal header alone as C11.
set -u
: "${CC:=gcc}"
case $CC in *clang*) CXX=${CXX:-clang++} ;; *) CXX=${CXX:-g++} ;; esac
failed=0

try() { # NAME COMMAND...
    name=$1
    shift
    if output=$("$@" 2>&1); then
        echo "ok - headers: $name"
    else
        echo "not ok - headers: $name"
        printf '%s\n' "$output"
        failed=1
    fi
}

strict='-Wall -Wextra -Wundef -pedantic -Werror -fsyntax-only'
try 'clipc.h as C99' $CC -std=c99 $strict -x c include/clipc.h
if command -v "$CXX" >/dev/null 2>&1; then
    try 'clipc.h as C++17' "$CXX" -std=c++17 $strict -x c++ include/clipc.h
else
    echo "skip - headers: clipc.h as C++17: no $CXX"
fi
alone=$(mktemp) || exit 1
trap 'rm -f "$alone"' EXIT
for header in lib/*/*.h; do
    # A body needs what the file that includes it defines, and says so.
    ! grep -q 'this header \(defines\|has defined\)' "$header" || continue
    echo "#include \"$header\"" >"$alone"
    try "$header alone" $CC -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra \
        -Werror -fsyntax-only -I. -Ilib -Iinclude -x c "$alone"
done
exit $failed
