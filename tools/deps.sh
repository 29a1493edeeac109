#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh - installs the Debian packages that building and testing clipc
# needs. Does nothing when they are there; says what it will do otherwise.
# --aarch64: the cross compiler, the arm64 libraries and qemu, for `make
# check-aarch64` and `make check-cpus`. --avx512: what compiles and runs Bochs, for
# `make check-avx512`. Environment: CC, and OPENBLAS, CURL, WEBP, AVIF, SERVE as in
# make.
set -eu
: "${CC:=gcc}" "${OPENBLAS:=1}" "${CURL:=1}" "${WEBP:=1}" "${AVIF:=1}" \
    "${SERVE:=1}"

say() { printf '%s\n' "deps: $*"; }

packages=
need() { packages="$packages $*"; }
need_program() { # PACKAGE PROGRAM...
    package=$1
    shift
    for program; do
        command -v "$program" >/dev/null 2>&1 || {
            need "$package"
            return 0
        }
    done
}
need_module() { # PACKAGE MODULE...
    package=$1
    shift
    pkg-config --exists "$@" 2>/dev/null || need "$package"
}
need_libraries() { # SUFFIX
    need_module "libjpeg62-turbo-dev$1" libjpeg
    need_module "libpng-dev$1" libpng
    need_module "zlib1g-dev$1" zlib
    need_module "libjansson-dev$1" jansson
    need_module "nettle-dev$1" nettle
    [ "$WEBP" = 0 ] || need_module "libwebp-dev$1" libwebp libwebpdemux
    [ "$AVIF" = 0 ] || need_module "libavif-dev$1" libavif
}

prepare='' whom=''
if [ "${1:-}" = --aarch64 ]; then
    whom=' for aarch64'
    prepare='dpkg --add-architecture arm64 && '
    need_program pkgconf pkg-config
    need_program gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc
    need_program qemu-user-static qemu-aarch64-static qemu-x86_64-static
    [ -e /usr/aarch64-linux-gnu/include/stdio.h ] || need libc6-dev-arm64-cross
    [ -e /lib/ld-linux-aarch64.so.1 ] || need libc6:arm64
    PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig
    export PKG_CONFIG_LIBDIR
    need_libraries :arm64
elif [ "${1:-}" = --avx512 ]; then
    whom=' for Bochs'
    need_program g++ g++
    need_program make make
    need_program patch patch
    need_program xz-utils xz
    need_program python3 python3
else
    case $CC in
    clang*) need_program "${CC%% *}" "${CC%% *}" ;;
    *) need_program gcc "${CC%% *}" ;;
    esac
    need_program make make
    need_program pkgconf pkg-config
    need_program binutils ar ld nm readelf
    # The compiler's packages only recommend it.
    [ -e /usr/include/stdio.h ] || need libc6-dev
    need_libraries ''
    [ "$OPENBLAS" = 0 ] || need_module libopenblas-dev openblas
    [ "$CURL" = 0 ] || need_module libcurl4-openssl-dev libcurl
    [ "$SERVE" = 0 ] || need_module libmicrohttpd-dev libmicrohttpd
fi
packages=${packages# }
if [ -z "$packages" ]; then
    say "everything$whom is installed"
    exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
    say "this is not a Debian system; install these by your own means:" >&2
    say "$packages" >&2
    exit 1
fi
install="apt-get update && apt-get install -y --no-install-recommends $packages"
# What apt says is shown where it fails. LC_ALL: a locale that is named and not
# installed would make perl complain.
run() { # [SUDO...]
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    "$@" sh -c "export DEBIAN_FRONTEND=noninteractive LC_ALL=C; $prepare$install" \
        >"$log" 2>&1 </dev/null || {
        cat "$log" >&2
        say "apt-get failed" >&2
        exit 1
    }
}
if [ "$(id -u)" = 0 ]; then
    say "installing: $packages"
    run
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    say "installing with sudo: $packages"
    run sudo -n
else
    say "needs root; run this once, then try again:" >&2
    printf '  sudo sh -c "%s"\n' "$prepare$install" >&2
    exit 1
fi
say "done"
