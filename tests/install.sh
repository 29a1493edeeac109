#!/bin/sh
# SPDX-License-Identifier: MIT
# install.sh - installs into a scratch DESTDIR and builds a small program
# against the copy with pkg-config, shared and static, in C and C++; the
# installed program finds its data; uninstall leaves nothing.
set -u
: "${BUILD:=build/release}" "${CC:=gcc}" "${MAKE:=make}"
case $CC in *clang*) CXX=${CXX:-clang++} ;; *) CXX=${CXX:-g++} ;; esac
root=$PWD
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
dest=$tmp/dest
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

$MAKE --no-print-directory install DESTDIR="$dest" PREFIX=/usr \
    CC="$CC" >"$tmp/log" 2>&1
report $? 'make install DESTDIR PREFIX=/usr'

cat >"$tmp/program.c" <<'END'
#include <clipc.h>
#include <stdio.h>

int main(void)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;
    clipc_status status = clipc_model_open(&model, "./none", NULL, &err);
    printf("%s %s\n", clipc_version(), clipc_status_name(status));
    clipc_model_close(model);
    return status != CLIPC_ERR_NOT_FOUND;
}
END
cp "$tmp/program.c" "$tmp/program.cpp"

# The prefix of the .pc file is where it will be; the sysroot where it is.
export PKG_CONFIG_PATH="$dest/usr/lib/pkgconfig"
pc() { pkg-config --define-variable=prefix="$dest/usr" \
    --define-variable=libdir="$dest/usr/lib" \
    --define-variable=includedir="$dest/usr/include" "$@" clipc; }
sanitize=
case ${VARIANT:-release} in
asan) sanitize=-fsanitize=address,undefined ;;
ubsan) sanitize=-fsanitize=undefined ;;
tsan) sanitize=-fsanitize=thread ;;
cov) sanitize=--coverage ;;
esac

cd "$tmp" || exit 1
{ $CC -Wall -Werror $sanitize $(pc --cflags) program.c -o shared $(pc --libs) &&
    LD_LIBRARY_PATH="$dest/usr/lib" ./shared &&
    LD_LIBRARY_PATH="$dest/usr/lib" ldd ./shared | grep -q "$dest"; } >log 2>&1
report $? 'ten lines of C, shared'
static=$(pc --libs --static | sed 's/-lclipc/-l:libclipc.a/')
{ $CC -Wall -Werror $sanitize $(pc --cflags) program.c -o static $static &&
    ./static && ! ldd ./static | grep libclipc; } >log 2>&1
report $? 'ten lines of C, static'
if command -v "$CXX" >/dev/null 2>&1; then
    { $CXX -std=c++17 -Wall -Werror $sanitize $(pc --cflags) program.cpp \
        -o cpp $(pc --libs) &&
        LD_LIBRARY_PATH="$dest/usr/lib" ./cpp; } >log 2>&1
    report $? 'the same as C++17'
else
    echo "skip - install: C++17: no $CXX"
fi
[ "$(pc --modversion)" = "$("$dest/usr/bin/clipc-classify" --version |
    sed -n '1s/^clipc-classify //p')" ] >log 2>&1
report $? 'clipc.pc and the program agree on the version'
HOME=$tmp XDG_CACHE_HOME=$tmp/cache "$dest/usr/bin/clipc-classify" \
    --model demo "$root"/weights/demo/examples/red-convertible.png >log 2>&1
report $? 'the installed program finds the demo model'

for program in clipc-classify clipc-embed clipc-inspect clipc-pack; do
    (cd "$dest/usr/share" &&
        grep -l "^# $program --completion" \
            "bash-completion/completions/$program" \
            "zsh/site-functions/_$program" \
            "fish/vendor_completions.d/$program.fish")
done >log 2>&1
[ "$(wc -l <log)" -eq 12 ]
report $? 'completions are where the shells look for them'

cd "$root" || exit 1
$MAKE --no-print-directory uninstall DESTDIR="$dest" PREFIX=/usr \
    >"$tmp/log" 2>&1
find "$dest" ! -type d >>"$tmp/log"
[ -z "$(find "$dest" ! -type d)" ]
report $? 'uninstall leaves no file'
exit $failed
