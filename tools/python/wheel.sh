#!/bin/sh
# SPDX-License-Identifier: MIT
# wheel.sh - the body of `make wheel`: build/wheel/clipc-VERSION-py3-none-
# manylinux_*.whl, and the sdist beside it. Needs Debian with the packages of
# `make deps`.
#
# The library is compiled by gcc with `make`, as the programs are, without
# OpenBLAS, libcurl and libavif (docs/PYTHON.md says why). It is linked with
# Debian's static archives of the other codecs, and by zig, whose linker knows the
# symbols of glibc 2.17: auditwheel finds what the library asks for, and writes
# the tag. An environment with the tools is made in build/wheel-venv, again when
# requirements-wheel.txt has changed.
#
# Environment: PYTHON; MAKE; CC (gcc).
set -eu
cd "$(dirname "$0")/../.."
: "${PYTHON:=python3}" "${MAKE:=make}" "${CC:=gcc}"
top=$PWD
glibc=2.17
work=$top/build/wheel
venv=$top/build/wheel-venv
list=tools/python/requirements-wheel.txt
version=$(sh tools/packaging/version.sh)
machine=$(uname -m)

if ! cmp -s "$list" "$venv/requirements.txt"; then
    echo "wheel: making build/wheel-venv"
    rm -rf "$venv"
    "$PYTHON" -m venv "$venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check -r "$list"
    cp "$list" "$venv/requirements.txt"
fi
PATH=$venv/bin:$PATH
export PATH

# ---- what goes in -----------------------------------------------------------
# The package, its licences, the sources of the library: what the sdist holds.
stage=$work/stage
rm -rf "$stage"
mkdir -p "$stage/native/tools" "$stage/native/weights/demo" "$stage/licenses"
cp -r tools/python/src tools/python/pyproject.toml tools/python/hatch_build.py \
    tools/python/README.md LICENSE "$stage/"
find "$stage" -name __pycache__ -prune -exec rm -rf '{}' +
cp -r Makefile LICENSE THIRD_PARTY include lib "$stage/native/"
cp tools/toolchain.sh "$stage/native/tools/"
cp -r weights/labels "$stage/native/weights/"
cp weights/demo/*.json weights/demo/*.safetensors "$stage/native/weights/demo/"
cp THIRD_PARTY "$stage/licenses/"

# PACKAGE ARCHIVE...: codecs that are linked in, with their licence. stderr.c says
# why a name changes.
archives=
codec() {
    package=$1
    shift
    for name; do
        path=$("$CC" -print-file-name="$name")
        [ -f "$path" ] || {
            echo "wheel: no $name: apt-get install $package" >&2
            exit 1
        }
        objcopy --redefine-sym stderr=clipc_stderr "$path" "$work/$name"
        archives="$archives $work/$name"
    done
    cp "/usr/share/doc/$package/copyright" "$stage/licenses/$package.txt"
}
codec libjpeg62-turbo-dev libjpeg.a
codec libpng-dev libpng16.a
codec libwebp-dev libwebpdemux.a libwebp.a
codec libjansson-dev libjansson.a
codec nettle-dev libnettle.a
codec zlib1g-dev libz.a

# The licences that these notices name by a path, which only Debian has.
common=$(grep -oh '/usr/share/common-licenses/[A-Za-z0-9.-]*[A-Za-z0-9]' \
    "$stage"/licenses/*.txt | sort -u)
for path in $common; do
    path=$(readlink -f "$path") # GPL is the newest
    cp "$path" "$stage/licenses/${path##*/}.txt"
done

# ---- the library ------------------------------------------------------------
# No symbols for debuggers, nothing but libc beside it.
native=$work/native
"$MAKE" -s CC="$CC" CFLAGS=-O2 BUILD="$native" OPENBLAS=0 CURL=0 AVIF=0 SERVE=0 \
    "$native/libclipc.a"
"$CC" -std=c11 -O2 -fPIC -fvisibility=hidden -c tools/python/stderr.c \
    -o "$work/stderr.o"
# shellcheck disable=SC2086 # several archives
python -m ziglang cc -target "$machine-linux-gnu.$glibc" -shared -s \
    -Wl,-soname,libclipc.so.0 -Wl,--version-script="$top/lib/clipc.map" \
    -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,--gc-sections -pthread \
    -Wl,--whole-archive "$native/libclipc.a" -Wl,--no-whole-archive \
    "$work/stderr.o" $archives -lm -ldl -o "$work/libclipc.so.0"

others=$(nm -D --defined-only "$work/libclipc.so.0" | awk '$3 !~ /^(clipc_.*|CLIPC_0)(@.*)?$/ { print $3 }')
[ -z "$others" ] || {
    echo "wheel: the library exports more than clipc's names: $others" >&2
    exit 1
}

# ---- wheel and sdist --------------------------------------------------------
rm -f "$work"/*.whl "$work"/*.tar.gz
cd "$stage"
python -m hatchling build -t sdist -d "$work"
CLIPC_WHEEL_LIBRARY=$work/libclipc.so.0 python -m hatchling build -t wheel \
    -d "$work/plain"
auditwheel repair --wheel-dir "$work" \
    "$work/plain/clipc-$version-py3-none-linux_$machine.whl"
rm -r "$work/plain"
wheel=$(ls "$work"/clipc-*.whl)
case $wheel in
*manylinux_2_17_*) ;;
*)
    echo "wheel: $wheel: not the tag manylinux_2_17" >&2
    exit 1
    ;;
esac
[ "$(stat -c %s "$wheel")" -lt 12000000 ] || {
    echo "wheel: $wheel: over 12 MB" >&2
    exit 1
}
for file in "$work"/*.whl "$work"/*.tar.gz; do
    printf '%s KiB %s\n' "$((($(stat -c %s "$file") + 1023) / 1024))" \
        "${file#"$top/"}"
done
