#!/bin/sh
# SPDX-License-Identifier: MIT
# deb.sh - builds the Debian packages of the commit that is checked out, in a
# Debian root of its own: the body of `make deb`.
# shellcheck disable=SC2034 # $program and $again are for root.sh
set -eu
program=deb
here=$(cd "$(dirname "$0")" && pwd)

usage() {
    cat <<'END'
usage: deb.sh [--suite NAME] [--output DIR] [--roots DIR] [--mirror URL]
              [--lint] [--twice]

Builds libclipc0, libclipc-dev, clipc and clipc-serve from the commit that is checked out.
Needs root and debootstrap. The build itself runs as an ordinary user, without
a network and without a home; `make check` is part of it.

  --suite NAME   Debian release to build for: bookworm (default), trixie, ...
  --output DIR   where the packages go (default: build/deb/SUITE)
  --roots DIR    where the roots are kept (default: $CLIPC_ROOTS or
                 /var/tmp/clipc-roots); to begin anew, remove it
  --mirror URL   Debian's archive (default: http://deb.debian.org/debian)
  --lint         run lintian of Debian 13 on the result; any tag is a failure
  --twice        build again in another folder; other bytes are a failure

DEB_BUILD_OPTIONS=nocheck leaves the tests out, parallel=N says how many
processes (default: one a CPU).
END
}

# shellcheck source=tools/packaging/root.sh
. "$here/root.sh"
output='' lint='' twice=''
parse 'suite output roots mirror' 'lint twice' "$@"
again="make deb SUITE=$suite"

cd "$here/../.."
source=$PWD
version=$(sh tools/packaging/version.sh tools/packaging/debian/changelog) || exit 1
name=clipc-$version
need_root
need git:git
commit=$(git rev-parse --verify --short HEAD 2>&1) ||
    die "$source is not a git checkout that root may read:" "$commit"
[ -z "$(git status --porcelain)" ] ||
    say "what is not committed is not in the packages"

# `sudo make deb`: the caller owns the packages, and the folders of a default
# output, in which `make` is to go on writing.
own() { [ -z "${SUDO_UID:-}" ] || chown "$@"; }
owner=${SUDO_UID:-}:${SUDO_GID:-}
if [ -z "$output" ]; then
    output=build/deb/$suite
    mkdir -p "$output"
    own "$owner" build build/deb
fi
mkdir -p "$output"
output=$(cd "$output" && pwd)
log=$output/deb.log
: >"$log"
lock_roots
current_root "$suite" build
root=$roots/$suite-build
quietly as_root "$root" apt-get -q -y install --no-install-recommends \
    build-essential fakeroot iproute2

# unpack FOLDER: the source package's tree, in a folder of the build's user.
unpack() {
    rm -rf --one-file-system "${root:?}$1"
    mkdir -p "$root$1"
    git archive --format=tar.gz --prefix="$name/" \
        -o "$root$1/clipc_$version.orig.tar.gz" HEAD
    tar -xzf "$root$1/clipc_$version.orig.tar.gz" -C "$root$1"
    cp -R "$root$1/$name/tools/packaging/debian" "$root$1/$name/debian"
    chown -R 2000:2000 "$root$1"
}

# build FOLDER OPTIONS
build() {
    # shellcheck disable=SC2016 # expanded by the shell inside
    quietly enter "$root" 2000:2000 none sh -euc '
        export DEB_BUILD_OPTIONS="$2"
        cd "$1"
        exec dpkg-buildpackage --no-sign' build "$1/$name" "$2"
}

say "$name ($commit) for $suite"
unpack /build
quietly as_root "$root" apt-get -q -y build-dep --no-install-recommends "/build/$name"
options=${DEB_BUILD_OPTIONS:-}
case " $options" in
*" parallel="*) ;;
*) options="${options:+$options }parallel=$(nproc)" ;;
esac
build /build "$options"
# The packages in $output, and nothing else that lies there.
packages() {
    find "$output" -maxdepth 1 -type f \( -name 'clipc*_*' -o -name 'libclipc*_*' \) "$@"
}
packages -delete # of another run
find "$root/build" -maxdepth 1 -type f -exec cp {} "$output" \;

if [ -n "$twice" ]; then
    # The tests were run: they leave nothing in the packages.
    unpack /build/again/elsewhere
    build /build/again/elsewhere "$options nocheck"
    for package in "$output"/*.deb; do
        cmp "$package" "$root/build/again/elsewhere/$(basename "$package")" ||
            die "$(basename "$package"): another build gives other bytes"
    done
    say "built twice in different folders: the same bytes"
fi
rm -rf --one-file-system "${root:?}/build"

if [ -n "$lint" ]; then
    # Always the newest that is released: what an older one says of a newer
    # Standards-Version is nothing about the packages.
    lint_suite=trixie
    current_root "$lint_suite" lint
    root=$roots/$lint_suite-lint
    quietly as_root "$root" apt-get -q -y install --no-install-recommends lintian
    rm -rf --one-file-system "${root:?}/lint"
    cp -R "$output" "$root/lint"
    chown -R 2000:2000 "$root/lint"
    enter "$root" 2000:2000 net sh -euc '
        exec lintian -EI --pedantic --show-overrides \
            --fail-on error,warning,info,pedantic,experimental \
            /lint/*.changes' >"$output/lintian.log" 2>&1 </dev/null || {
        grep -v '^[NO]:' "$output/lintian.log" >&2
        die "lintian has something to say; with the explained tags: $output/lintian.log"
    }
    rm -rf --one-file-system "${root:?}/lint"
    say "lintian: nothing but $(grep -c '^O:' "$output/lintian.log") explained tags"
fi

own "$owner" "$output"
{
    packages
    find "$output" -maxdepth 1 -type f \( -name deb.log -o -name lintian.log \)
} | while read -r file; do
    own "$owner" "$file"
done
for package in "$output"/*.deb; do
    printf '%s\n' "$package"
done
