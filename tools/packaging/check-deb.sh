#!/bin/sh
# SPDX-License-Identifier: MIT
# check-deb.sh - tries the packages that deb.sh has built, as a user meets
# them: the body of `make check-deb`.
# shellcheck disable=SC2034 # $program and $again are for root.sh
set -eu
program=check-deb
here=$(cd "$(dirname "$0")" && pwd)

usage() {
    cat <<'END'
usage: check-deb.sh [--suite NAME] [--packages DIR] [--roots DIR] [--mirror URL]

Installs the packages into a fresh Debian root with apt-get and nothing that
is only recommended, lets clipc-classify and clipc-serve name the car in the example picture,
runs the packages' own tests with autopkgtest, removes the packages and looks
for what they left. Needs root, debootstrap and autopkgtest.

  --suite NAME     Debian release: bookworm (default), trixie, ...
  --packages DIR   what deb.sh has built (default: build/deb/SUITE)
  --roots DIR      where the roots are kept (default: $CLIPC_ROOTS
                   or /var/tmp/clipc-roots)
  --mirror URL     Debian's archive (default: http://deb.debian.org/debian)
END
}

# shellcheck source=tools/packaging/root.sh
. "$here/root.sh"
packages=''
parse 'suite packages roots mirror' '' "$@"
again="make check-deb SUITE=$suite"

cd "$here/../.."
packages=${packages:-build/deb/$suite}
version=$(sh tools/packaging/version.sh tools/packaging/debian/changelog) || exit 1
need_root
need autopkgtest:autopkgtest
changes=$(find "$packages" -maxdepth 1 -name "clipc_$version-*.changes" 2>/dev/null) || :
[ -f "$changes" ] ||
    die "$packages: no packages of version $version; run this first: make deb SUITE=$suite"
packages=$(cd "$packages" && pwd)
changes=$packages/$(basename "$changes")
log=$packages/check-deb.log
: >"$log"
lock_roots

base_root "$suite"
root=$roots/$suite-fresh
copy_root "$roots/$suite" "$root"
trap 'rm -rf --one-file-system "$root"' EXIT
trap 'exit 130' INT TERM
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
mkdir "$root/packages"
for name in libclipc0 libclipc-dev clipc clipc-serve; do
    cp "$packages/${name}_$version"-*.deb "$root/packages"
done
quietly as_root "$root" apt-get -q update
quietly as_root "$root" sh -c \
    'apt-get -q -y install --no-install-recommends /packages/*.deb'
say "$suite: libclipc0, libclipc-dev, clipc and clipc-serve are installed"

# As a user who has no home, which is no reason to say anything.
picture=/usr/share/doc/clipc/examples/red-convertible.png
enter "$root" 2000:2000 net clipc-classify --model demo "$picture" \
    >"$packages/classify.out" 2>"$packages/classify.err" </dev/null || {
    cat "$packages/classify.err" >&2
    die "clipc-classify --model demo $picture: failed"
}
diff -u "$here/debian/tests/classify.out" "$packages/classify.out" >&2 ||
    die "clipc-classify --model demo $picture: other output"
diff -u /dev/null "$packages/classify.err" >&2 ||
    die "clipc-classify --model demo $picture: messages"
rm "$packages/classify.out" "$packages/classify.err"
say "$suite: clipc-classify --model demo answers as expected"

# The server over a Unix socket, asked with curl.
quietly as_root "$root" apt-get -q -y install --no-install-recommends curl
cp "$here/debian/tests/serve" "$root/packages/serve"
enter "$root" 2000:2000 net sh /packages/serve >"$packages/serve.log" 2>&1 \
    </dev/null || {
    cat "$packages/serve.log" >&2
    die "clipc-serve --model demo: failed"
}
rm "$packages/serve.log"
say "$suite: clipc-serve --model demo answers curl, and ends well"

# The tests get their own copy of the packages, what they declare to need,
# and the root as it is. autopkgtest mounts nothing.
rm -rf "$packages/autopkgtest"
# shellcheck disable=SC2016 # expanded by the shell inside
quietly unshare --mount sh -euc '
    mount -t proc proc "$1/proc"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
    exec autopkgtest --output-dir "$2/autopkgtest" "$3" -- chroot "$1"
' autopkgtest "$root" "$packages" "$changes"
sed "s/^/$program: $suite: autopkgtest: /" "$packages/autopkgtest/summary"

# What the four own is gone afterwards; so is all that has their name.
as_root "$root" dpkg -L libclipc0 libclipc-dev clipc clipc-serve | grep '^/[^.]' |
    sort -u >"$packages/owned"
quietly as_root "$root" apt-get -q -y purge \
    libclipc0 libclipc-dev clipc clipc-serve
rm -rf "$root/packages"
# shellcheck disable=SC2016 # expanded by the shell inside
as_root "$root" sh -euc '
    while read -r path; do
        if [ -d "$path" ] && [ ! -L "$path" ]; then
            dpkg -S "$path" >/dev/null 2>&1 || printf "%s\n" "$path"
        elif [ -e "$path" ] || [ -L "$path" ]; then
            printf "%s\n" "$path"
        fi
    done
    find / -xdev -name "*clipc*" ! -path "/var/lib/apt/*" \
        ! -path "/var/cache/apt/*" ! -path "/tmp/*"
    dpkg-query -W -f "\${db:Status-Abbrev} \${Package}\n" |
        sed -n "/clipc/p"
' <"$packages/owned" >"$packages/left"
[ -s "$packages/owned" ] || die "dpkg -L said nothing"
if [ -s "$packages/left" ]; then
    cat "$packages/left" >&2
    die "purge has left these"
fi
rm "$packages/owned" "$packages/left"
say "$suite: purge leaves nothing"
