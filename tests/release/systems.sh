#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# systems.sh [TARGET...] - the body of `make check-systems`: the library and the
# programs are compiled for systems that are not this one, without a warning, by
# zig's clang with the headers of their C libraries. For macOS they are linked and
# installed too: the other libraries are not here for it, so what they define is left
# open, and the names that are left open are compared with macOS's own. Nothing is
# run. The headers of the other libraries are this machine's.
# Environment: MAKE, BUILDS, LLVM, what the tools of LLVM 19 are called by (-19).
set -euo pipefail
cd "$(dirname "$0")/../.."
export BUILDS=${BUILDS:-build}
. tools/packaging/zig.sh
[ $# -gt 0 ] || set -- aarch64-macos x86_64-macos aarch64-linux-musl \
    x86_64-linux-musl x86_64-windows-gnu
llvm=${LLVM--19}

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
report() { # STATUS NAME
    if [ "$1" -eq 0 ]; then
        echo "ok - $target: $2"
    else
        tail -n 30 "$folder/log"
        echo "not ok - $target: $2"
        status=1
    fi
}
built() { # GOAL VARIABLE=VALUE...
    ${MAKE:-make} -s -j"$(nproc)" CC="$folder/bin/cc" AR="$folder/bin/ar" WERROR=1 \
        OPENBLAS=0 PKG_CONFIG=true CPPFLAGS="-isystem '$headers'" \
        LDFLAGS="$open" BUILD="$folder/objects" "$@"
}
names() { "llvm-nm$llvm" "$@" | awk '{ print $NF }' | sort -u; }

# What the linker made: its own name, what it exports, and what it asks of others.
linked() {
    local library=$folder/objects/libclipc.0.dylib version file
    version=$(sh tools/packaging/version.sh)
    "llvm-objdump$llvm" --macho --dylib-id --dylibs-used "$library" >"$folder/log"
    grep -qx '/usr/local/lib/libclipc.0.dylib' "$folder/log" &&
        grep -q "libclipc.0.dylib .*current version $version" "$folder/log" &&
        [ "$(grep -c 'compatibility version' "$folder/log")" = 2 ]
    report $? "libclipc.0.dylib has its install name and version, and needs libSystem alone"

    grep -oE '^ +clipc_[a-z0-9_]+' lib/clipc.map | sed 's/ *//; s/^/_/' |
        sort -u >"$folder/map"
    names --extern-only --defined-only "$library" |
        grep -vxE '___dso_handle|__mh_(dylib|execute)_header' |
        diff - "$folder/map" >"$folder/log"
    report $? 'libclipc.0.dylib exports the functions of clipc.h'

    # The words of libSystem's description are more than its names, but no library's.
    grep -oE '[_A-Za-z$][A-Za-z0-9_$.]*' "$("$ZIG" env |
        sed -n 's/.*lib_dir = "\(.*\)".*/\1/p')/libc/darwin/libSystem.tbd" |
        sort -u >"$folder/system"
    for file in "$library" "$folder"/objects/clipc-{classify,embed,inspect,pack,serve}; do
        names --undefined-only "$file" | comm -23 - "$folder/system" |
            grep -vE '^_(jpeg_|png_|inflate|crc32|json_|nettle_|WebP|avif|curl_|MHD_)' |
            sed "s|^|${file##*/} needs |"
    done >"$folder/log"
    [ ! -s "$folder/log" ]
    report $? 'the library and the programs call nothing that macOS has not'

    # Its sockets are told to send no SIGPIPE, which macOS sends to the whole process.
    names --undefined-only "$folder/objects/lib/base/os_posix.o" >"$folder/log"
    grep -qx _setsockopt "$folder/log"
    report $? 'sockets of the library are made without SIGPIPE'

    rm -rf "$folder/stage"
    built install DESTDIR="$folder/stage" >"$folder/log" 2>&1 &&
        [ "$(readlink "$folder/stage/usr/local/lib/libclipc.dylib")" = libclipc.0.dylib ] &&
        [ -f "$folder/stage/usr/local/lib/libclipc.0.dylib" ] &&
        grep -q '/libclipc\.0\.dylib"' \
            "$folder/stage/usr/local/lib/cmake/clipc/clipc-config.cmake" &&
        ! grep -r 'libclipc\.so' "$folder/stage/usr/local/lib" >>"$folder/log"
    report $? 'make install'
}

for target; do
    folder=$BUILDS/systems/$target
    mkdir -p "$folder"
    folder=$(cd "$folder" && pwd)
    zig_tools "$folder/bin" "$target"
    case $target in
    *-macos*)
        open=-Wl,-undefined,dynamic_lookup
        built all >"$folder/log" 2>&1 && made=0 || made=1
        report "$made" 'compiles and links'
        if ! command -v "llvm-nm$llvm" >/dev/null; then
            echo "skip - $target: no llvm-nm$llvm; on Debian: apt-get install llvm-19"
        elif [ "$made" = 0 ]; then
            set +e
            linked
            set -e
        fi
        ;;
    *-windows-*)
        open=
        built objects CURL=0 SERVE=0 >"$folder/log" 2>&1 && made=0 || made=1
        report "$made" 'compiles, without URLs and clipc-serve'
        ;;
    *)
        open=
        built objects >"$folder/log" 2>&1 && made=0 || made=1
        report "$made" compiles
        ;;
    esac
done
exit $status
