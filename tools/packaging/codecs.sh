#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# codecs.sh TARGET PREFIX - the libraries that libclipc and its programs stand on,
# for another C library or processor: zlib, libpng, libjpeg-turbo, libwebp, jansson,
# nettle and libmicrohttpd, static, from Debian 12's sources with Debian's patches,
# compiled by zig's clang for TARGET (x86_64-linux-musl, aarch64-linux-musl, ...) into
# PREFIX. What is there already is kept. PREFIX/licenses has the notices of each, and
# of the C library, for those who give away what is linked with them. Needs zig.sh,
# dpkg-dev, cmake, make, and apt for the sources. Environment: BUILDS, the folder of
# all builds (build).
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$1
mkdir -p "$2"
prefix=$(cd "$2" && pwd)
builds=${BUILDS:-build}
sources=$builds/sources
. tools/packaging/zig.sh

# ---- sources --------------------------------------------------------------
packages='zlib libpng1.6 libjpeg-turbo libwebp jansson nettle libmicrohttpd'
if [ ! -d "$sources/libmicrohttpd" ] || [ ! -e "$sources/done" ]; then
    echo "codecs: fetching the sources"
    rm -rf "$sources"
    mkdir -p "$sources/lists/partial" "$sources/cache/archives/partial"
    key=/usr/share/keyrings/debian-archive-keyring.gpg
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        grep -v '^#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 || true)
    echo "deb-src [signed-by=$key] ${mirror:-http://deb.debian.org/debian} bookworm main" \
        >"$sources/sources.list"
    (
        cd "$sources"
        options=(-qq -o "Dir::Etc::SourceList=$PWD/sources.list"
            -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$PWD/lists"
            -o "Dir::Cache=$PWD/cache" -o APT::Sandbox::User=)
        apt-get "${options[@]}" update
        # shellcheck disable=SC2086 # several packages
        apt-get "${options[@]}" source --download-only $packages
        for package in $packages; do
            dpkg-source --no-check -x "${package}"_*.dsc "$package" >/dev/null
        done
    )
    touch "$sources/done"
fi

# ---- building -------------------------------------------------------------
work=$(mktemp -d "$builds/codecs.XXXXXX")
work=$(cd "$work" && pwd)
zig_tools "$work/bin" "$target"
export PATH="$work/bin:$PATH" CC="$work/bin/cc" AR="$work/bin/ar" \
    RANLIB="$work/bin/ranlib" CFLAGS='-O2 -fPIC -fvisibility=hidden'
export PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig
machine=${target%%-*}
# What configure and CMake call the system.
case $target in
*-windows-gnu) host=$machine-w64-mingw32 system=Windows CFLAGS='-O2 -static' ;;
*) host=$machine-linux-gnu system=Linux ;;
esac

# Notices, put into PREFIX/licenses/NAME: notices NAME FILE...
notices() {
    mkdir -p "$prefix/licenses/$1"
    cp "${@:2}" "$prefix/licenses/$1/"
}
# Builds a package once, in a copy of its sources: made NAME COMMAND.
made() {
    local name=$1
    shift
    # In a browser the browser decodes.
    case $target/$name in
    wasm32-*/zlib | wasm32-*/jansson | wasm32-*/nettle) ;;
    wasm32-*) return 0 ;;
    esac
    # Debian's page, and the texts that it refers to.
    mapfile -t files < <(find "$sources/$name" -maxdepth 1 \( -name 'LICENSE*' \
        -o -name 'COPYING*' -o -name PATENTS -o -name README.ijg \))
    notices "$name" "$sources/$name/debian/copyright" "${files[@]}"
    dpkg-parsechangelog -l "$sources/$name/debian/changelog" -S Version \
        >"$prefix/licenses/$name/version"
    [ ! -e "$prefix/.$name" ] || return 0
    echo "codecs: $name for $target"
    cp -a "$sources/$name" "$work/$name"
    # No `||` behind it: that would take the effect of set -e away.
    trap 'tail -n 30 "$work/log" >&2; rm -rf "$work"' EXIT
    (
        cd "$work/$name"
        "$@"
    ) >"$work/log" 2>&1
    touch "$prefix/.$name"
}
configured() { # OPTION...
    ./configure --host="$host" --prefix="$prefix" --libdir="$prefix/lib" \
        --enable-static --disable-shared "$@"
    make -j"$(nproc)"
    make install
}
by_cmake() { # OPTION...
    cmake -S . -B out -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR="$prefix/lib" \
        -DCMAKE_SYSTEM_NAME="$system" -DCMAKE_SYSTEM_PROCESSOR="$machine" \
        -DCMAKE_C_COMPILER="$CC" -DCMAKE_AR="$AR" -DCMAKE_RANLIB="$RANLIB" \
        -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=0 "$@"
    cmake --build out -j"$(nproc)"
    cmake --install out
}
zlib() {
    ./configure --static --prefix="$prefix"
    make libz.a
    make install
}
png() {
    CPPFLAGS="-I$prefix/include" LDFLAGS="-L$prefix/lib" configured --disable-tools
}
# The library alone, without its programs; Debian's patches make files newer than
# those made of them.
nettle() {
    ./configure --host="$host" --prefix="$prefix" --libdir="$prefix/lib" \
        --enable-static --disable-shared --disable-public-key --disable-assembler \
        --disable-documentation --disable-openssl
    make -j"$(nproc)" AUTOHEADER=: AUTOCONF=: libnettle.a
    make AUTOHEADER=: AUTOCONF=: install-static install-headers install-pkgconfig
}

made zlib zlib
made libpng1.6 png
# Decoding on x86 is faster where NASM is installed.
made libjpeg-turbo by_cmake -DENABLE_SHARED=0 -DWITH_TURBOJPEG=0
made libwebp by_cmake -DWEBP_BUILD_ANIM_UTILS=0 -DWEBP_BUILD_CWEBP=0 \
    -DWEBP_BUILD_DWEBP=0 -DWEBP_BUILD_GIF2WEBP=0 -DWEBP_BUILD_IMG2WEBP=0 \
    -DWEBP_BUILD_VWEBP=0 -DWEBP_BUILD_WEBPINFO=0 -DWEBP_BUILD_WEBPMUX=0 \
    -DWEBP_BUILD_EXTRAS=0
made jansson by_cmake -DJANSSON_BUILD_DOCS=0 -DJANSSON_EXAMPLES=0 -DJANSSON_WITHOUT_TESTS=1
made nettle nettle
made libmicrohttpd configured --disable-https --disable-doc --disable-examples --disable-curl
trap - EXIT
rm -rf "$work"

# The C library and what the compiler adds, of zig. Windows has its own.
lib=$("$ZIG" env | sed -n 's/.*lib_dir = "\(.*\)".*/\1/p')
notices zig "$lib/../LICENSE"
"$ZIG" version >"$prefix/licenses/zig/version"
case $target in
*-musl) notices musl "$lib/libc/musl/COPYRIGHT" ;;
wasm32-*)
    notices wasi-libc "$lib"/libc/wasi/LICENSE*
    notices wasi-libc/cloudlibc "$lib/libc/wasi/libc-bottom-half/cloudlibc/LICENSE"
    notices wasi-libc/musl "$lib/libc/wasi/libc-top-half/musl/COPYRIGHT"
    ;;
*-windows-gnu) notices mingw "$lib/libc/mingw/COPYING" ;;
esac
