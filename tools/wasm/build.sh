#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# build.sh - the body of `make wasm`: a folder with libclipc as a WebAssembly
# module, the script that calls it, and a page with the demo model, for any server
# of files:
#
#     build/wasm/    clipc.wasm, clipc.js; index.html, page.js, page.css; demo/,
#                    labels.txt, car.png; licences
#
# Without URLs, the hub and decoders: the caller gives files as bytes and pictures
# as pixels. What the exported functions do not reach is not in the module.
# Needs what codecs.sh needs. Environment: MAKE, BUILDS.
set -euo pipefail
cd "$(dirname "$0")/../.."
export BUILDS=${BUILDS:-build}
. tools/packaging/zig.sh

target=wasm32-wasi
mkdir -p "$BUILDS/systems/$target"
folder=$(cd "$BUILDS/systems/$target" && pwd)
bash tools/packaging/codecs.sh "$target" "$folder/prefix"
zig_tools "$folder/bin" "$target"

# ---- the module -----------------------------------------------------------
# Not these: they ask for the headers of decoders, or for users of a system.
objects=()
for source in lib/*/*.c tools/wasm/module.c; do
    case $source in
    lib/api/about.c | lib/image/jpeg*.c | lib/image/png.c | lib/hub/*) ;;
    *) objects+=("$folder/clipc/${source%.c}.o") ;;
    esac
done
echo "wasm: compiling for $target"
${MAKE:-make} -s CC="$folder/bin/cc" AR="$folder/bin/ar" PKG_CONFIG=true \
    CPPFLAGS="-isystem '$folder/prefix/include'" BUILD="$folder/clipc" CFLAGS=-O2 \
    OPENBLAS=0 CURL=0 WEBP=0 AVIF=0 GIF=0 SERVE=0 WERROR=1 "${objects[@]}"
mapfile -t exports < <(sed -n 's/^[a-z].*\b\(module_[a-z_]*\)(.*/-Wl,--export=\1/p' \
    tools/wasm/module.h)
to=$BUILDS/wasm
rm -rf "$to"
mkdir -p "$to/demo"
# A stack of 1 MiB below all data: its end is the end of memory, not of numbers.
"$folder/bin/cc" -mexec-model=reactor -O2 -s -Wl,-z,stack-size=1048576 \
    "${exports[@]}" "${objects[@]}" "$folder"/prefix/lib/lib{jansson,nettle,z}.a \
    -lwasi-emulated-mman -o "$to/clipc.wasm"
chmod 644 "$to/clipc.wasm"

# ---- the page -------------------------------------------------------------
cp tools/wasm/{clipc.js,package.json,index.html,page.js,page.css} LICENSE THIRD_PARTY "$to/"
cp weights/demo/{config,preprocessor_config,tokenizer,tokenizer_config}.json \
    weights/demo/model.safetensors "$to/demo/"
cp weights/labels/demo.txt "$to/labels.txt"
cp weights/demo/examples/red-convertible.png "$to/car.png"
cp -R "$folder/prefix/licenses" "$to/"
echo "wasm: $to/clipc.wasm: $(wc -c <"$to/clipc.wasm") bytes," \
    "$(gzip -9 -c "$to/clipc.wasm" | wc -c) by gzip"
echo "wasm: to see the page: python3 -m http.server --bind 127.0.0.1 --directory $to"
