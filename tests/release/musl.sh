#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# musl.sh - the body of `make check-musl`: the library, the programs and the tests
# are built for Linux with musl, without a warning and static, as `make static` does,
# and the unit tests and tests/cli run here: on x86-64, or on aarch64 where this
# machine is one. Without OpenBLAS, libcurl and libavif. A static program loads no
# library, so the tests that put one before the C library say that they are skipped.
# Threads have the stacks of musl's own programs: zig asks for larger ones.
# Environment: MAKE, BUILDS, V.
set -euo pipefail
cd "$(dirname "$0")/../.."
export BUILDS=${BUILDS:-build}
. tools/packaging/zig.sh

target=$(uname -m)-linux-musl
folder=$BUILDS/systems/$target
mkdir -p "$folder"
bash tools/packaging/codecs.sh "$target" "$folder/prefix"
folder=$(cd "$folder" && pwd)
zig_tools "$folder/bin" "$target"
printf '#!/bin/sh\nexec pkg-config --static "$@"\n' >"$folder/bin/pkg-config"
chmod +x "$folder/bin/pkg-config"
# The codecs' headers are not ours to mend: -isystem.
CLIPC_SKIP_SCRIPTS=release PKG_CONFIG_LIBDIR=$folder/prefix/lib/pkgconfig \
    ${MAKE:-make} -s -j"$(nproc)" CC="$folder/bin/cc" AR="$folder/bin/ar" \
    PKG_CONFIG="$folder/bin/pkg-config" BUILD="$folder/tests" CFLAGS=-O2 WERROR=1 \
    CPPFLAGS="-isystem '$folder/prefix/include'" \
    LDFLAGS=-Wl,-z,stack-size=131072 \
    OPENBLAS=0 CURL=0 AVIF=0 "${@:-check}"
