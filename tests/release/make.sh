#!/bin/sh
# SPDX-License-Identifier: MIT
# make.sh - the Makefile on a machine without the packages of `make deps`, from
# another folder, and with compilers that clipc refuses. Scripts play missing
# programs, apt-get and sudo; one file is compiled.
set -u
: "${CC:=gcc}" "${MAKE:=make}"
root=$PWD
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0
# Options and job server of the outer make stay outside. Keep OPENBLAS, CURL,
# WEBP and AVIF: a library that is switched off may be missing.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES PREFIX DESTDIR VARIANT CFLAGS \
    LDFLAGS
unit=$tmp/build/lib/base/error.o
version=$(sh tools/packaging/version.sh)

report() { # STATUS NAME
    if [ "$1" -eq 0 ]; then
        echo "ok - make: $2"
    else
        echo "not ok - make: $2"
        cat "$tmp/log" "$tmp/err"
        failed=1
    fi
}
: >"$tmp/log"
: >"$tmp/err"
try() { "$@" >"$tmp/log" 2>"$tmp/err"; }
build() { try "$MAKE" --no-print-directory BUILD="$tmp/build" CC="$CC" "$@"; }
# make fails with one line of ours, which says REASON.
refuses() { # REASON ARGUMENT...
    reason=$1
    shift
    ! build "$unit" "$@" && [ "$(grep -cv '^make' "$tmp/err")" = 1 ] &&
        grep -q "$reason" "$tmp/err" && [ ! -e "$unit" ]
}

# ---- a machine without compiler and pkg-config ----------------------------------
none='CC=no-such-compiler PKG_CONFIG=no-such-pkg-config'
# shellcheck disable=SC2086 # two arguments
try "$MAKE" $none help && [ ! -s "$tmp/err" ]
report $? 'nothing is asked of them while the Makefile is read: help'
# shellcheck disable=SC2086
try "$MAKE" $none -n clean && [ ! -s "$tmp/err" ]
report $? 'nothing is asked of them: clean'
refuses 'no program no-such-compiler: `make deps` installs' CC=no-such-compiler
report $? 'no compiler'
refuses 'no program no-such-pkg-config: `make deps` installs' \
    PKG_CONFIG=no-such-pkg-config
report $? 'no pkg-config'
mkdir "$tmp/bin"
# Modules are missing until `apt-get install` has been called.
cat >"$tmp/bin/pkg-config" <<END
#!/bin/sh
[ -e "$tmp/installed" ] || exit 1
PATH=\${PATH#$tmp/bin:}
exec pkg-config "\$@"
END
cat >"$tmp/bin/apt-get" <<END
#!/bin/sh
echo "apt-get \$*" >>"$tmp/apt"
[ "\$1" != install ] || { sleep 1; touch "$tmp/installed"; }
END
printf '#!/bin/sh\ncat "%s"\n' "$tmp/id" >"$tmp/bin/id"
# Without a password for `sudo -n`.
printf '#!/bin/sh\n[ "$1" != -n ] || exit 1\nexec "$@"\n' >"$tmp/bin/sudo"
chmod +x "$tmp"/bin/*
real_path=$PATH
PATH=$tmp/bin:$PATH
refuses 'does not find libjpeg libpng .*: `make deps` installs'
report $? 'no libraries'

echo 0 >"$tmp/id"
{ build -j4 deps "$unit" && [ -e "$unit" ] && [ ! -s "$tmp/err" ] &&
    [ "$(sed -n '1s/^\(deps: installing: \).*/\1/p;2p' "$tmp/log")" = \
        "$(printf 'deps: installing: \ndeps: done')" ] &&
    grep -q '^apt-get install .* libjpeg62-turbo-dev .*nettle-dev' "$tmp/apt"; }
report $? 'make -j4 deps FILE, as root: installed before anything is compiled'
{ build deps "$unit" && [ "$(cat "$tmp/log")" = 'deps: everything is installed' ]; }
report $? 'make deps, a second time'

rm -rf "$tmp/installed" "$tmp/build" "$tmp/apt"
echo 1000 >"$tmp/id"
{ ! build -j4 deps "$unit" && [ ! -e "$unit" ] && [ ! -e "$tmp/apt" ] &&
    grep -q '^deps: needs root' "$tmp/err" &&
    [ "$(grep -c '^  sudo ' "$tmp/err")" = 1 ]; }
report $? 'make deps, as a user: one command is shown, nothing is done'
grep '^  sudo ' "$tmp/err" >"$tmp/command"
{ try sh "$tmp/command" && build deps "$unit" && [ -e "$unit" ]; }
report $? 'make deps, when that command has been run'
PATH=$real_path

# ---- another folder --------------------------------------------------------------
mkdir "$tmp/elsewhere"
{ cd "$tmp/elsewhere" &&
    try "$MAKE" -f "$root/Makefile" CC="$CC" BUILD=here "$PWD/here/lib/base/error.o" &&
    [ -e here/lib/base/error.o ] && [ ! -s "$tmp/err" ]; }
report $? 'make -f SOURCE/Makefile BUILD=FOLDER'
{ try "$MAKE" -n -f "$root/Makefile" CC="$CC" install DESTDIR='a stage' &&
    grep -q "DESTDIR='$(pwd -P)/a stage'" "$tmp/log"; }
report $? 'a DESTDIR there is where make was called'
mkdir -p build/theirs build/ours
touch build/ours/flags build/theirs/file
{ try "$MAKE" -f "$root/Makefile" clean && [ -e build/theirs/file ] &&
    [ ! -e build/ours ]; }
report $? 'make clean there leaves what is not ours'
{ ! try "$MAKE" -f "$root/Makefile" BUILD=here clean && [ -d here ]; }
report $? 'make clean removes no folder that was named'
cd "$root" || exit 1
{ ! try "$MAKE" BUILD="$tmp/a b" && [ "$(wc -l <"$tmp/err")" = 1 ] &&
    [ ! -e "$tmp/a" ] && [ ! -e "$tmp/a b" ]; }
report $? 'a build folder with a space is refused'

# ---- without a program -----------------------------------------------------------
{ build -n SERVE=0 all tests install &&
    grep -q ':BINDIR/clipc-pack' "$tmp/log" &&
    ! grep -qE 'clipc-serve|tools/serve|unit/serve' "$tmp/log" &&
    build -n SERVE=1 all install && grep -q ':BINDIR/clipc-serve' "$tmp/log"; }
report $? 'SERVE=0: nothing of clipc-serve is compiled, tested or installed'

# ---- the shared library's names on other systems ---------------------------------
cat >"$tmp/compiler" <<'END'
#!/bin/sh
[ "$1" = -dumpmachine ] || exit 1
echo "$MACHINE"
END
chmod +x "$tmp/compiler"
names() { # MACHINE NAME...: install puts these into LIBDIR, in this order
    MACHINE=$1 "$MAKE" --no-print-directory CC="$tmp/compiler" BUILD="$tmp/none" \
        -n install DESTDIR="$tmp/stage" >"$tmp/log" 2>"$tmp/err" || return 1
    shift
    [ "$(grep -oE '(library|link):[^ ]*LIBDIR/[^ ]*' "$tmp/log" |
        sed 's/.*LIBDIR.//' | tr '\n' ' ')" = "$(printf '%s ' "$@")" ]
}
{ names x86_64-linux-gnu "libclipc.so.$version" libclipc.so.0 libclipc.so &&
    names arm64-apple-darwin23.1.0 libclipc.0.dylib libclipc.dylib &&
    grep -q -e "-install_name '/usr/local/lib/libclipc.0.dylib'" "$tmp/log" &&
    names aarch64-unknown-linux-android28 libclipc.so; }
report $? 'names of the shared library on Linux, macOS and Android'
linked() { # MACHINE VARIABLE=VALUE...: the command that links the shared library
    MACHINE=$1 && shift
    MACHINE=$MACHINE "$MAKE" --no-print-directory CC="$tmp/compiler" BUILD="$tmp/none" \
        V=1 -n "$@" lib >"$tmp/log" 2>"$tmp/err" &&
        grep -E -e "/compiler (-shared|-dynamiclib) " "$tmp/log" >"$tmp/link"
}
{ linked x86_64-linux-gnu VARIANT=asan && grep -q -e -undefined-version "$tmp/link" &&
    linked arm64-apple-darwin23.1.0 VARIANT=asan &&
    ! grep -qE -e '-undefined-version|-z,' "$tmp/link"; }
report $? 'with a sanitizer, no option of another linker for macOS'
{ linked aarch64-unknown-linux-android28 &&
    grep -q -e '-Wl,-z,max-page-size=16384 ' "$tmp/link" &&
    linked aarch64-linux-gnu && ! grep -q max-page-size "$tmp/link"; }
report $? 'for Android the library is aligned to pages of 16 KiB'
relative() { # FROM TO RESULT
    [ "$(sh tools/relative.sh "$1" "$2")" = "$3" ] || {
        echo "from $1 to $2: not $3" >"$tmp/err"
        return 1
    }
}
{ relative /usr/lib/cmake/clipc /usr/lib ../.. &&
    relative '/a b//c/./d/../e/' '/a b/share/clipc' ../../share/clipc &&
    relative /a /a . && relative / /a/b a/b && relative /a/b / ../..; }
report $? 'where a folder lies, seen from another'

# ---- compilers -------------------------------------------------------------------
rm -rf "$tmp/build"
if $CC -m32 -E -x c /dev/null >/dev/null 2>&1; then
    refuses 'makes 32-bit code' CC="$CC -m32" && refuses 'makes 32-bit code' CFLAGS=-m32
    report $? '32-bit is refused in one line'
else
    echo "skip - make: 32-bit is refused: $CC has no -m32"
fi
refuses 'makes big-endian code' \
    CFLAGS='-w -U__BYTE_ORDER__ -D__BYTE_ORDER__=__ORDER_BIG_ENDIAN__'
report $? 'big-endian is refused in one line'
{ refuses 'no linux/futex.h: .* linux-headers' CFLAGS=-nostdinc &&
    ! build "$unit" CFLAGS=-nostdinc POSIX_ONLY=1 && ! grep -q futex "$tmp/err"; }
report $? "no headers of Linux, which POSIX_ONLY=1 does without"
{ ! build "$unit" CFLAGS=-no-such-option && grep -q 'does not run' "$tmp/err" &&
    [ ! -e "$unit" ]; }
report $? 'an option that the compiler refuses'
exit $failed
