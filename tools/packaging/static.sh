#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# static.sh [MACHINE...] - the body of `make static`: clipc-classify for Linux as
# one program that needs no file of the system, with musl, for x86_64 and aarch64.
#
#     build/static/clipc-classify-MACHINE-linux/         the program, the labels,
#                                                        the demo model, licences
#     build/static/clipc-classify-MACHINE-linux.tar.gz   the same
#
# Without URLs, GIF, AVIF and OpenBLAS: clipc's own kernels compute.
# Needs what codecs.sh needs. Environment: MAKE, BUILDS.
set -euo pipefail
cd "$(dirname "$0")/../.."
export BUILDS=${BUILDS:-build}
. tools/packaging/zig.sh

[ $# -gt 0 ] || set -- x86_64 aarch64
version=$(sh tools/packaging/version.sh)
for machine; do
    target=$machine-linux-musl
    mkdir -p "$BUILDS/systems/$target"
    bash tools/packaging/codecs.sh "$target" "$BUILDS/systems/$target/prefix"
    folder=$(cd "$BUILDS/systems/$target" && pwd)
    zig_tools "$folder/bin" "$target"
    printf '#!/bin/sh\nexec pkg-config --static "$@"\n' >"$folder/bin/pkg-config"
    chmod +x "$folder/bin/pkg-config"
    echo "static: compiling for $target"
    rm -f "$folder/clipc/clipc-classify" # make does not know when a codec is newer
    PKG_CONFIG_LIBDIR=$folder/prefix/lib/pkgconfig \
        ${MAKE:-make} -s CC="$folder/bin/cc" AR="$folder/bin/ar" \
        PKG_CONFIG="$folder/bin/pkg-config" BUILD="$folder/clipc" CFLAGS=-O2 \
        LDFLAGS='-static -s' OPENBLAS=0 CURL=0 AVIF=0 GIF=0 SERVE=0 WERROR=0 \
        "$folder/clipc/clipc-classify"
    name=clipc-classify-$machine-linux
    to=$BUILDS/static/$name
    rm -rf "$to"
    mkdir -p "$to/weights/demo"
    cp "$folder/clipc/clipc-classify" LICENSE THIRD_PARTY "$to/"
    cp -R weights/labels "$to/weights/"
    cp weights/demo/*.json weights/demo/model.safetensors weights/demo/README.md \
        "$to/weights/demo/"
    cp -R weights/demo/examples "$to/weights/demo/"
    cp -R "$folder/prefix/licenses" "$to/"
    rm -r "$to/licenses/libmicrohttpd" # clipc-serve's
    tar -C "$BUILDS/static" --sort=name --owner=0 --group=0 --numeric-owner \
        --mtime=@"$(git log -1 --format=%ct)" -czf "$to.tar.gz" "$name"
    echo "static: $to/clipc-classify $version: $(wc -c <"$to/clipc-classify") bytes"
done
