#!/bin/sh
# SPDX-License-Identifier: MIT
# install.sh - installs into scratch folders and builds small programs against
# the copies: with pkg-config, CMake and Meson, shared and static, in C and
# C++; the installed programs find their data; uninstall removes exactly the
# installed files; names that make or a file cannot carry are refused.
set -u
: "${BUILD:=build/release}" "${CC:=gcc}" "${MAKE:=make}"
case $CC in *clang*) CXX=${CXX:-clang++} ;; *) CXX=${CXX:-g++} ;; esac
root=$PWD
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0

report() { # STATUS NAME
    if [ "$1" -eq 0 ]; then
        echo "ok - install: $2"
    else
        echo "not ok - install: $2"
        cat "$tmp/log"
        failed=1
    fi
}
skip() { echo "skip - install: $*"; }

# Give every folder: the caller's settings must not reach the copy.
in_prefix() { # PREFIX GOAL VARIABLE=VALUE...
    prefix=$1
    shift
    (cd "$root" && $MAKE --no-print-directory "$@" PREFIX="$prefix" CC="$CC" \
        BUILD="$BUILD" BINDIR="$prefix/bin" LIBDIR="$prefix/lib" \
        INCLUDEDIR="$prefix/include" DATADIR="$prefix/share" \
        PKGDATADIR="$prefix/share/clipc" MANDIR="$prefix/share/man" \
        PKGCONFIGDIR="$prefix/lib/pkgconfig" CMAKEDIR="$prefix/lib/cmake/clipc" \
        BASHCOMPDIR="$prefix/share/bash-completion/completions" \
        ZSHCOMPDIR="$prefix/share/zsh/site-functions" \
        FISHCOMPDIR="$prefix/share/fish/vendor_completions.d" \
        UNITDIR="$prefix/lib/systemd/system")
}
files() { (cd "$1" && find . ! -type d | sort); }

cat >"$tmp/program.c" <<'END'
#include <clipc.h>
#include <stdio.h>

int main(void)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;
    clipc_status status = clipc_model_open(&model, "./none", NULL, &err);
    printf("%s %s\n", clipc_version(), clipc_status_name(status));
    clipc_model_free(model);
    return status != CLIPC_ERR_NOT_FOUND;
}
END
cp "$tmp/program.c" "$tmp/program.cpp"
sanitize=
case ${VARIANT:-release} in
asan) sanitize=-fsanitize=address,undefined ;;
ubsan) sanitize=-fsanitize=undefined ;;
tsan) sanitize=-fsanitize=thread ;;
cov) sanitize=--coverage ;;
esac

# ---- a copy in its place -----------------------------------------------------
here=$tmp/here
in_prefix "$here" install DESTDIR= >"$tmp/log" 2>&1
report $? 'make install PREFIX'
# Install warns when the loader does not look in the folder.
[ "$(grep -c "^install: .*libclipc.so.0.*rpath.*$here/lib" "$tmp/log")" = 1 ]
report $? 'a word about the loader'
files "$here" >"$tmp/once"
{ in_prefix "$here" install DESTDIR= && files "$here" >"$tmp/twice" &&
    diff "$tmp/once" "$tmp/twice"; } >"$tmp/log" 2>&1
report $? 'make install a second time'

export PKG_CONFIG_PATH="$here/lib/pkgconfig"
cd "$tmp" || exit 1
shared_by() { # PROGRAM: it runs, with the shared library of the copy
    LD_LIBRARY_PATH="$here/lib" "$1" &&
        LD_LIBRARY_PATH="$here/lib" ldd "$1" | grep -q "$here/lib/libclipc.so"
}
static_by() { # PROGRAM: it runs by itself
    "$1" && ! ldd "$1" | grep libclipc
}

{ $CC -Wall -Werror $sanitize program.c -o shared \
    $(pkg-config --cflags --libs clipc) && shared_by ./shared; } >log 2>&1
report $? 'ten lines of C, shared'
# libcurl's own --static would need curl's libraries: static clipc, shared rest.
rest=$(pkg-config --print-requires-private clipc)
{ $CC -Wall -Werror $sanitize $(pkg-config --cflags clipc) program.c -o static \
    "$(pkg-config --variable=libdir clipc)/libclipc.a" \
    $(pkg-config --libs $rest) -lm -ldl -pthread && static_by ./static; } >log 2>&1
report $? 'ten lines of C, static'

# `pkg-config --static` also names the libraries below. Other packages decide
# whether these are installed: first try without clipc.
echo 'int main(void) { return 0; }' >empty.c
closure=
if $CC empty.c -o empty $(pkg-config --static --libs $rest) >log 2>&1; then
    closure=yes
    { $CC -Wall -Werror $sanitize $(pkg-config --cflags clipc) program.c \
        -o static-pc $(pkg-config --static --libs clipc |
        sed 's/-lclipc/-l:libclipc.a/') && static_by ./static-pc; } >log 2>&1
    report $? 'pkg-config --static'
else
    skip "pkg-config --static: $(sed -n \
        's/.*\(cannot find -l[^ :]*\).*/\1/p' log | head -n 1)" \
        "of the libraries below clipc"
fi
whole=
if [ -n "$sanitize" ]; then
    skip 'cc -static: not with a sanitizer'
elif [ -n "$closure" ] && $CC -static empty.c -o empty \
    $(pkg-config --static --libs $rest) >log 2>&1; then
    whole=yes
    { $CC -static $(pkg-config --cflags clipc) program.c -o whole \
        $(pkg-config --static --libs clipc) && ./whole &&
        ! readelf -d ./whole | grep NEEDED; } >log 2>&1
    report $? 'cc -static'
else
    skip 'cc -static: not all libraries below clipc are there as .a'
fi

if command -v "$CXX" >/dev/null 2>&1; then
    { $CXX -std=c++17 -Wall -Werror $sanitize program.cpp -o cpp \
        $(pkg-config --cflags --libs clipc) && shared_by ./cpp; } >log 2>&1
    report $? 'the same as C++17'
else
    skip "C++17: no $CXX"
fi
{ $CC $sanitize "$root/docs/examples/readme.c" -o readme \
    $(pkg-config --cflags --libs clipc) &&
    LD_LIBRARY_PATH="$here/lib" ./readme \
        $(cd "$root" && for f in $(cat docs/examples/readme.args); do
            echo "$PWD/$f"; done) |
    diff "$root/docs/examples/readme.out" -; } >log 2>&1
report $? "the README's program"
{ [ "$(pkg-config --modversion clipc)" = "$("$here/bin/clipc-classify" \
    --version | sed -n '1s/^clipc-classify //p')" ] &&
    [ -f "$(pkg-config --variable=pkgdatadir clipc)/labels/stanford-cars.txt" ] &&
    [ "$(pkg-config --variable=datadir clipc)" = "$here/share" ]; } >log 2>&1
report $? 'clipc.pc: version and folders are true'

# ---- CMake and Meson ---------------------------------------------------------
cmake_project() { # FOLDER: of the package; builds in $tmp/cmake
    rm -rf cmake
    mkdir cmake
    cat >cmake/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.13)
project(consumer C)
string(REGEX REPLACE "[.][0-9]+$" "" series "${VERSION}")
find_package(clipc ${series} REQUIRED COMPONENTS shared static)
find_package(clipc ${VERSION} EXACT REQUIRED)
find_package(clipc 99 QUIET)
if(clipc_FOUND)
  message(FATAL_ERROR "taken for version 99")
endif()
find_package(clipc QUIET COMPONENTS nonsense)
if(clipc_FOUND)
  message(FATAL_ERROR "has a component nonsense")
endif()
find_package(clipc REQUIRED)
if(NOT EXISTS "${CLIPC_DATA_DIR}/labels/stanford-cars.txt")
  message(FATAL_ERROR "no labels in ${CLIPC_DATA_DIR}")
endif()
add_executable(shared ../program.c)
target_link_libraries(shared PRIVATE clipc::clipc)
add_executable(static ../program.c)
target_link_libraries(static PRIVATE clipc::clipc_static)
if(CLIPC_STATIC_DEPENDENCIES)
  target_link_libraries(static PRIVATE -static)
endif()
END
    folder=$1
    shift
    CC="$CC" cmake -S cmake -B cmake/build -DCMAKE_PREFIX_PATH="$folder" \
        -DCMAKE_C_FLAGS="$sanitize" \
        -DVERSION="$(pkg-config --modversion clipc)" "$@" &&
        cmake --build cmake/build
}
if command -v cmake >/dev/null 2>&1; then
    { cmake_project "$here" && cmake/build/shared && static_by cmake/build/static; } \
        >log 2>&1
    report $? 'CMake, shared and static'
    if [ -n "$whole" ]; then
        { cmake_project "$here" -DCLIPC_STATIC_DEPENDENCIES=ON &&
            cmake/build/static && ! readelf -d cmake/build/static | grep NEEDED; } \
            >log 2>&1
        report $? 'CMake, -static'
    fi
else
    skip 'CMake: not installed'
fi
# Meson takes an archive for each library below. An archive may need libraries
# that its pkg-config file does not name (Debian's libcurl: libunistring,
# Kerberos).
archives= # whether a program of their own links that way
meson_project() { # FOLDER STATIC
    CC="$CC" CFLAGS="$sanitize" LDFLAGS="$sanitize" meson setup \
        -Dstatic="$2" "$1/build" "$1" && meson compile -C "$1/build"
}
if command -v meson >/dev/null 2>&1; then
    mkdir meson probe
    echo "option('static', type: 'boolean')" >meson/meson_options.txt
    cp meson/meson_options.txt probe
    cp program.c meson
    cat >meson/meson.build <<'END'
project('consumer', 'c')
executable('shared', 'program.c', dependencies: dependency('clipc'))
if get_option('static')
  executable('static', 'program.c', dependencies: dependency('clipc', static: true))
endif
END
    case $rest in
    *libcurl*)
        cat >probe/probe.c <<'END'
int curl_global_init(long flags);
int main(void) { return curl_global_init(0); }
END
        cat >probe/meson.build <<'END'
project('probe', 'c')
executable('probe', 'probe.c', dependencies: dependency('libcurl', static: true))
END
        meson_project probe true >log 2>&1 && archives=$closure
        ;;
    *) archives=$closure ;;
    esac
    { meson_project meson "$([ -n "$archives" ] && echo true || echo false)" &&
        shared_by meson/build/shared &&
        { [ -z "$archives" ] || static_by meson/build/static; }; } >log 2>&1
    report $? "Meson, shared${archives:+ and static}"
else
    skip 'Meson: not installed'
fi

# ---- a staged copy -------------------------------------------------------------
stage="$tmp/st age"
in_prefix /usr install-strip DESTDIR="$stage" >log 2>&1
report $? 'make install-strip DESTDIR PREFIX=/usr'
files "$stage/usr" >staged
{ diff once staged && ! grep -r "$tmp" "$stage"; } >log 2>&1
report $? 'the same files, which do not know the stage'
: >log
for file in "$stage"/usr/bin/* "$stage"/usr/lib/libclipc.so.*.*; do
    readelf -S "$file" | grep -E ' \.(symtab|debug_info)' >>log
done
readelf -S "$stage/usr/lib/libclipc.a" | grep ' \.debug_info' >>log
[ ! -s log ]
report $? 'install-strip: no symbols for debuggers'
# Of the Makefile's own flags: hardening has its price.
if [ -z "$sanitize${CFLAGS:-}" ]; then
    wc -c "$stage"/usr/lib/libclipc.so.*.*.* >log
    [ "$(awk '{ print $1 }' log)" -lt 1048576 ]
    report $? 'install-strip: the library is below a mebibyte'
fi
HOME=$tmp XDG_CACHE_HOME=$tmp/cache "$stage/usr/bin/clipc-classify" \
    --model demo "$root"/weights/demo/examples/red-convertible.png >log 2>&1
report $? 'the installed program finds the demo model'
if command -v cmake >/dev/null 2>&1; then
    { cmake_project "$stage/usr" && cmake/build/shared; } >log 2>&1
    report $? 'CMake with a folder that was moved'
fi

cd "$root" || exit 1
programs='clipc-classify clipc-embed clipc-inspect clipc-pack'
[ "${SERVE:-1}" = 0 ] || programs="$programs clipc-serve"
for program in $programs; do
    (cd "$here/share" &&
        grep -l "^# $program --completion" \
            "bash-completion/completions/$program" \
            "zsh/site-functions/_$program" \
            "fish/vendor_completions.d/$program.fish")
done >"$tmp/log" 2>&1
[ "$(wc -l <"$tmp/log")" -eq $(($(echo "$programs" | wc -w) * 3)) ]
report $? 'completions are where the shells look for them'
for program in $programs; do
    printf '%s\n' "./bin/$program" "./share/man/man1/$program.1"
done | sort >"$tmp/want"
grep -e '^./bin/' -e '/man1/' "$tmp/once" | diff "$tmp/want" - >"$tmp/log" 2>&1
report $? 'each program and its man page, and no other'
# The unit names the program of this copy. What is asked of the manual page and
# of the machine's own units is another matter.
if [ "${SERVE:-1}" = 0 ]; then
    ! grep clipc-serve "$tmp/once" >"$tmp/log"
    report $? 'SERVE=0: nothing of clipc-serve'
elif command -v systemd-analyze >/dev/null 2>&1; then
    mkdir "$tmp/runtime"
    { grep -q "^ExecStart=\"$here/bin/clipc-serve\"" \
        "$here/lib/systemd/system/clipc-serve.service" &&
        XDG_RUNTIME_DIR="$tmp/runtime" systemd-analyze verify --man=no \
            "$here"/lib/systemd/system/clipc-serve.*; } >"$tmp/log" 2>&1 &&
        [ ! -s "$tmp/log" ]
    report $? 'the units are what systemd wants'
else
    skip 'systemd: no systemd-analyze'
fi
cd "$tmp" || exit 1

# Files of others in our folders stay, and so do the folders.
for other in usr/share/other usr/share/clipc/other usr/share/clipc/labels/other \
    usr/lib/cmake/clipc/other usr/bin/other; do
    echo "./$other" >"$stage/$other"
done
{ in_prefix /usr uninstall DESTDIR="$stage" && files "$stage" >left &&
    cat "$stage"/usr/share/other "$stage"/usr/share/clipc/other \
        "$stage"/usr/share/clipc/labels/other "$stage"/usr/lib/cmake/clipc/other \
        "$stage"/usr/bin/other | sort | diff - left &&
    [ ! -d "$stage/usr/share/clipc/demo" ]; } >log 2>&1
report $? 'uninstall leaves the files of others'
mkdir -p "$here/share/other"
{ in_prefix "$here" uninstall DESTDIR= && ! files "$here" | grep . &&
    [ ! -d "$here/share/clipc" ] && [ ! -d "$here/lib/cmake/clipc" ] &&
    [ -d "$here/share/other" ]; } >log 2>&1
report $? 'uninstall leaves no file'

# ---- names ---------------------------------------------------------------------
spaces="$tmp/it has  spaces"
PKG_CONFIG_PATH="$spaces/lib/pkgconfig"
{ in_prefix "$spaces" install DESTDIR= && files "$spaces" | diff once - &&
    HOME=$tmp XDG_CACHE_HOME=$tmp/cache "$spaces/bin/clipc-classify" \
        --model demo "$root"/weights/demo/examples/red-convertible.png &&
    eval "$CC $sanitize program.c -o spaces $(pkg-config --cflags --libs clipc)" &&
    LD_LIBRARY_PATH="$spaces/lib" ./spaces &&
    in_prefix "$spaces" uninstall DESTDIR= && ! files "$spaces" | grep .; } >log 2>&1
report $? 'a folder with spaces'
refused() { # VARIABLE=VALUE: one line, and nothing is written
    if (cd "$root" && $MAKE --no-print-directory install BUILD="$tmp/never" \
        DESTDIR="$tmp/nothing" "$1") >log 2>&1; then
        echo "taken: $1" >>log
        return 1
    fi
    [ "$(wc -l <log)" -eq 1 ] && grep -q "[*] ${1%%=*}[=:]" log &&
        [ ! -e "$tmp/nothing" ] && [ ! -e "$tmp/never" ]
}
refused PREFIX=relative && refused 'PREFIX=~/clipc' &&
    refused "BINDIR=/a'b" && refused 'DATADIR=/a"b' && refused 'LIBDIR=/a\b' &&
    refused 'PREFIX=/a$b' && refused 'PREFIX=/a$$b' && refused 'MANDIR=/a`b' &&
    refused 'PKGDATADIR=/a#b' && refused 'CMAKEDIR=/a|b' && refused 'LIBDIR=/a^b' && refused 'DESTDIR=/a$b' &&
    refused "INCLUDEDIR=/a
b"
report $? 'names that cannot be carried'
cd "$root" || exit 1
if [ "$(id -u)" -ne 0 ]; then
    mkdir -p "$tmp/locked/lib"
    chmod 555 "$tmp/locked/lib"
    ! in_prefix "$tmp/locked" install DESTDIR= >"$tmp/log" 2>&1 &&
        grep -q '^install: you may not write to' "$tmp/log" &&
        ! files "$tmp/locked" | grep .
    report $? 'no right to write: nothing is written'
    chmod 755 "$tmp/locked/lib"
else
    skip 'no right to write: root has it everywhere'
fi
# The build folder's programs know the last prefix: restore the caller's prefix.
$MAKE --no-print-directory all CC="$CC" BUILD="$BUILD" >"$tmp/log" 2>&1
report $? 'the build folder is as it was'
exit $failed
