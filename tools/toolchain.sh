#!/bin/sh
# SPDX-License-Identifier: MIT
# toolchain.sh MODULE... - says in one line why this compiler or pkg-config
# cannot build clipc, before it is said in dozens. Environment: CC, CFLAGS,
# PKG_CONFIG, POSIX_ONLY.
set -u
: "${CC:=gcc}" "${CFLAGS:=}" "${PKG_CONFIG:=pkg-config}" "${POSIX_ONLY:=0}"

refuse() {
    printf '%s\n' "clipc: $*" >&2
    exit 1
}

# CC may carry options, and a wrapper such as ccache in front.
for program in "${CC%% *}" "${PKG_CONFIG%% *}"; do
    command -v "$program" >/dev/null 2>&1 ||
        refuse "no program $program: \`make deps\` installs what is needed"
done
# zig prints what it preprocesses, whatever -o says.
# shellcheck disable=SC2086 # several options
$CC $CFLAGS -E -x c /dev/null -o /dev/null >/dev/null ||
    refuse "$CC $CFLAGS: this compiler does not run"
# Macros of every gcc and clang; a machine is refused only if they say so.
# shellcheck disable=SC2086
machine=$(printf '%s\n' 'pointer __SIZEOF_POINTER__' 'order __BYTE_ORDER__' \
    'little __ORDER_LITTLE_ENDIAN__' 'wasm __wasm__' 'kernel __linux__' |
    $CC $CFLAGS -E -P -x c -)
value() { printf '%s\n' "$machine" | sed -n "s/^$1 //p"; }
[ "$(value pointer)" = 8 ] || [ "$(value wasm)" = 1 ] ||
    refuse "$CC $CFLAGS makes 32-bit code; clipc needs a 64-bit machine"
[ "$(value order)" = "$(value little)" ] ||
    refuse "$CC $CFLAGS makes big-endian code; clipc maps little-endian weights"
# musl has no headers of the kernel, and Alpine puts them into a package of their own.
# shellcheck disable=SC2086
[ "$(value kernel)" != 1 ] || [ "$POSIX_ONLY" = 1 ] ||
    echo '#include <linux/futex.h>' | $CC $CFLAGS -E -x c - >/dev/null 2>&1 ||
    refuse "$CC finds no linux/futex.h: Alpine's package is linux-headers," \
        "Debian's linux-libc-dev"

missing=
for module; do
    $PKG_CONFIG --exists "$module" 2>/dev/null || missing="$missing $module"
done
[ -z "$missing" ] ||
    refuse "$PKG_CONFIG does not find$missing: \`make deps\` installs what is needed"
