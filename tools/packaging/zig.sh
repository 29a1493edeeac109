# SPDX-License-Identifier: MIT
# zig.sh - read with `.`: zig_tools FOLDER TARGET makes FOLDER/cc, ar and ranlib,
# the clang of the Python package ziglang with its C libraries and headers of
# other systems. The package is installed in $BUILDS/zig-venv at its first use.
# Environment: BUILDS; ZIG, a zig that is there already.
# shellcheck shell=sh
zig_tools() {
    zig_venv=${BUILDS:-build}/zig-venv
    if [ -z "${ZIG:-}" ] && [ ! -x "$zig_venv/bin/python-zig" ]; then
        python3 -m venv "$zig_venv" || {
            echo "zig: cannot make $zig_venv; on Debian: apt-get install" \
                "python3-venv" >&2
            return 1
        }
        "$zig_venv/bin/python" -m pip install -qq --disable-pip-version-check \
            "$(grep '^ziglang==' tools/python/requirements-wheel.txt)" || return 1
    fi
    ZIG=${ZIG:-"$(cd "$zig_venv" && pwd)/bin/python-zig"}
    mkdir -p "$1"
    # A module of WebAssembly has one thread and is linked at fixed addresses. Its
    # C library has mmap() and getpid() for those who ask for them by name.
    zig_options=
    case $2 in
    wasm32-*)
        zig_options='-mcpu=generic+simd128 -D_WASI_EMULATED_MMAN'
        zig_options="$zig_options -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_GETPID"
        ;;
    esac
    # zig has names of its own for gcc's -march=armv8.2-a+i8mm.
    cat >"$1/cc" <<EOF
#!/bin/bash
options=()
for option; do
    if [[ \$option =~ ^-march=armv8\.([0-9])-a(.*) ]]; then
        option=-mcpu=generic+v8_\${BASH_REMATCH[1]}a\${BASH_REMATCH[2]}
    fi
    case "$2 \$option" in
    'wasm32-'*' -pthread' | 'wasm32-'*' -fPIC' | 'wasm32-'*' -ldl') ;;
    *) options+=("\$option") ;;
    esac
done
exec "$ZIG" cc -target $2 $zig_options "\${options[@]}"
EOF
    printf '#!/bin/sh\nexec "%s" ar "$@"\n' "$ZIG" >"$1/ar"
    printf '#!/bin/sh\nexec "%s" ranlib "$@"\n' "$ZIG" >"$1/ranlib"
    chmod +x "$1/cc" "$1/ar" "$1/ranlib"
}
