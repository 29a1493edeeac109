#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bochs.sh FOLDER - makes FOLDER/bochs, an emulator of processors with AVX-512, VNNI,
# BF16 and AMX, from Debian 13's source of Bochs 3.0 and bochs.patch, and FOLDER/vmlinuz,
# the Linux of Debian 12 for virtual machines. Installs nothing. What is there is kept,
# unless this file or the patch has changed.
# Bochs is pinned by its digest; Linux has another version every few weeks, and is what
# the archive's key signs. Needs apt, g++, make, patch, xz. Environment: MAKE.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
archive=http://deb.debian.org/debian
source=pool/main/b/bochs/bochs_3.0+dfsg.orig.tar.xz
digest=78f6c73d4a6472d5130a87ab9dc306d02c7c71ed8e25b3a8ef642e2a7acd282b
mkdir -p "$1"
cd "$1"
stamp=$(cat "$here/bochs.sh" "$here/bochs.patch" | sha256sum)
[ "$stamp" != "$(cat made 2>/dev/null)" ] || exit 0
rm -rf made source lists cache linux
mkdir -p lists/partial cache/archives/partial linux

echo "bochs: fetching the source, and Linux"
echo "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
    "$archive bookworm main" >sources.list
options=(-qq -o "Dir::Etc::SourceList=$PWD/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" -o APT::Sandbox::User=)
/usr/lib/apt/apt-helper "${options[@]}" download-file "$archive/$source" source.tar.xz \
    "SHA256:$digest"
apt-get "${options[@]}" update
linux=$(apt-cache "${options[@]}" depends linux-image-cloud-amd64 |
    sed -n 's/.*Depends: //p' | head -n 1)
(cd linux && apt-get "${options[@]}" download "$linux")
dpkg-deb --fsys-tarfile linux/*.deb | tar -x -C linux ./boot
cp linux/boot/vmlinuz-* vmlinuz

echo "bochs: compiling, some minutes"
mkdir source
tar -x -C source --strip-components=1 -f source.tar.xz
patch -s -p1 -d source <"$here/bochs.patch"
(
    cd source
    ./configure CFLAGS=-O2 CXXFLAGS=-O2 --with-nogui --disable-pci --disable-docbook \
        --enable-x86-64 --enable-avx --enable-evex --enable-amx \
        --enable-all-optimizations
    ${MAKE:-make} -j"$(nproc)" bochs
) >log 2>&1 || {
    tail -n 30 log >&2
    echo "bochs: cannot be compiled, see $PWD/log" >&2
    exit 1
}
strip -o bochs source/bochs
rm -rf source source.tar.xz lists cache linux sources.list
echo "$stamp" >made
