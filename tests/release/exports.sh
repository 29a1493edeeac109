#!/bin/sh
# SPDX-License-Identifier: MIT
# exports.sh - clipc.h, lib/clipc.map, the shared library and the Debian
# package's symbols file name the same functions, and no symbol of the static
# library lacks the clipc_ prefix.
set -u
: "${BUILD:=build/release}"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0

same() { # NAME FILE FILE
    if diff "$2" "$3" >"$tmp/diff"; then
        echo "ok - exports: $1"
    else
        echo "not ok - exports: $1"
        cat "$tmp/diff"
        failed=1
    fi
}

tr '\n' ' ' <include/clipc.h | grep -oE 'CLIPC_API [^;]*\(' |
    grep -oE 'clipc_[a-z0-9_]+\(' | tr -d '(' |
    sort -u >"$tmp/header"
grep -oE '^ +clipc_[a-z0-9_]+' lib/clipc.map | tr -d ' ' | sort -u >"$tmp/map"
nm -D --defined-only "$BUILD"/libclipc.so | awk '$2 == "T" {print $3}' |
    sed 's/@.*//' | grep '^clipc_' | sort -u >"$tmp/library"
same 'header and map' "$tmp/header" "$tmp/map"
same 'map and library' "$tmp/map" "$tmp/library"
sed -n 's/^ \(clipc_[a-z0-9_]*\)@.*/\1/p' \
    tools/packaging/debian/libclipc0.symbols | sort -u >"$tmp/debian"
same 'map and libclipc0.symbols' "$tmp/map" "$tmp/debian"

nm --defined-only "$BUILD"/libclipc.a |
    awk '$2 ~ /^[A-Z]$/ && $3 !~ /^clipc_/ {print $3}' |
    grep -vE '^(__|_GLOBAL|DW\.)' | sort -u >"$tmp/foreign"
: >"$tmp/none"
same 'every symbol begins with clipc_' "$tmp/none" "$tmp/foreign"

if readelf -d "$BUILD"/libclipc.so | grep -q 'SONAME.*libclipc\.so\.0\]'; then
    echo "ok - exports: soname libclipc.so.0"
else
    echo "not ok - exports: soname libclipc.so.0"
    failed=1
fi
exit $failed
