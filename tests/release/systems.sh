#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# systems.sh [TARGET...] - the body of `make check-systems`: the library and the
# programs are compiled for systems that are not this one, without a warning, by
# zig's clang with the headers of their C libraries; and for Linux without what
# only Linux has. Nothing is linked or run. The headers of the other libraries
# are this machine's.
# Environment: MAKE, BUILDS.
set -euo pipefail
cd "$(dirname "$0")/../.."
export BUILDS=${BUILDS:-build}
. tools/packaging/zig.sh
[ $# -gt 0 ] || set -- aarch64-macos x86_64-macos aarch64-linux-musl \
    x86_64-linux-musl

# One folder with the headers of the packages and nothing of this C library.
headers=$BUILDS/systems/headers
rm -rf "$headers"
mkdir -p "$headers"
multiarch=/usr/include/$(gcc -dumpmachine)
for name in jpeglib.h jerror.h jmorecfg.h jconfig.h zlib.h zconf.h png.h pngconf.h \
    pnglibconf.h libpng16 webp avif gif_lib.h jansson.h jansson_config.h nettle \
    microhttpd.h curl; do
    for folder in /usr/include "$multiarch"; do
        [ ! -e "$folder/$name" ] || ln -sfn "$folder/$name" "$headers/$name"
    done
done
headers=$(cd "$headers" && pwd)

status=0
for target; do
    folder=$BUILDS/systems/$target
    mkdir -p "$folder"
    folder=$(cd "$folder" && pwd)
    zig_tools "$folder/bin" "$target"
    if ${MAKE:-make} -s CC="$folder/bin/cc" AR="$folder/bin/ar" WERROR=1 OPENBLAS=0 \
        PKG_CONFIG=true CPPFLAGS="-isystem '$headers'" BUILD="$folder/objects" \
        objects >"$folder/log" 2>&1; then
        echo "ok - compiles for $target"
    else
        tail -n 30 "$folder/log"
        echo "not ok - compiles for $target"
        status=1
    fi
done
exit $status
