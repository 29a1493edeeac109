#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# qemu.sh FOLDER - unpacks qemu 10 of Debian 12's backports: Debian 12's own
# multiplies bytes by SME wrongly. Installs nothing; the program is
# FOLDER/usr/bin/qemu-aarch64.
set -euo pipefail

folder=$1
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
folder=$(cd "$folder" && pwd)
echo 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]' \
    'http://deb.debian.org/debian bookworm-backports main' >"$folder/sources.list"
apt() {
    apt-get -q -o Dir::Etc::SourceList="$folder/sources.list" \
        -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$folder/lists" \
        -o Dir::Cache="$folder/cache" -o APT::Sandbox::User=root "$@"
}
apt update
(cd "$folder" && apt download qemu-user)
dpkg --fsys-tarfile "$folder"/qemu-user_*.deb |
    tar -x -C "$folder" ./usr/bin/qemu-aarch64
rm -rf "$folder/lists" "$folder/cache" "$folder"/*.deb
"$folder/usr/bin/qemu-aarch64" --version
