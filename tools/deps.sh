#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh - installs the Debian packages that building and testing clipc
# needs. Does nothing when they are there; says what it will do otherwise.
# --aarch64 adds the cross compiler, qemu and the arm64 libraries of
# `make check-aarch64` and `make check-cpus`.
set -eu

say() { printf '%s\n' "deps: $*"; }

packages='gcc make pkg-config binutils libc6-dev libopenblas-dev
 libjpeg62-turbo-dev libpng-dev zlib1g-dev libcurl4-openssl-dev libjansson-dev nettle-dev libwebp-dev'
modules='openblas libjpeg libpng zlib libcurl jansson nettle libwebp libwebpdemux'

have_all() {
    for program in "${CC:-gcc}" make pkg-config; do
        command -v "$program" >/dev/null 2>&1 || return 1
    done
    pkg-config --exists $modules
}

have_all_aarch64() {
    command -v aarch64-linux-gnu-gcc >/dev/null 2>&1 &&
        command -v qemu-aarch64-static >/dev/null 2>&1 &&
        command -v qemu-x86_64-static >/dev/null 2>&1 &&
        PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig \
            pkg-config --exists libjpeg libpng zlib jansson nettle libwebp libwebpdemux
}

prepare=
if [ "${1:-}" = --aarch64 ]; then
    if have_all_aarch64; then
        say "everything for aarch64 is installed"
        exit 0
    fi
    prepare='dpkg --add-architecture arm64 && '
    packages='gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
 libc6:arm64 libjpeg62-turbo-dev:arm64 libpng-dev:arm64 zlib1g-dev:arm64 libjansson-dev:arm64
 nettle-dev:arm64 libwebp-dev:arm64'
elif have_all; then
    say "everything is installed"
    exit 0
fi

packages=$(printf '%s ' $packages)
packages=${packages% }
install="apt-get update && apt-get install -y --no-install-recommends $packages"
if ! command -v apt-get >/dev/null 2>&1; then
    say "this is not a Debian system; install these by your own means:" >&2
    say "$packages" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    say "installing: $packages"
    sh -c "export DEBIAN_FRONTEND=noninteractive; $prepare$install"
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    say "installing with sudo: $packages"
    sudo -n sh -c "export DEBIAN_FRONTEND=noninteractive; $prepare$install"
else
    say "needs root; run this once, then try again:" >&2
    printf '  sudo sh -c "%s"\n' "$prepare$install" >&2
    exit 1
fi
say "done"
