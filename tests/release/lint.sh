#!/bin/sh
# SPDX-License-Identifier: MIT
#
# lint.sh [FILE...] - the body of `make lint`: the style of .clang-format, the
# checks of .clang-tidy, cppcheck's errors and shellcheck, on all files of the
# repository or on the files named. Exit status 1 when a tool complains.
#
# Written for clang-format and clang-tidy 14, cppcheck 2.10, shellcheck 0.9.
set -u
for program in clang-format clang-tidy cppcheck shellcheck; do
    command -v $program >/dev/null || {
        echo "lint: no $program (Debian: apt-get install clang-format" \
             "clang-tidy cppcheck shellcheck)" >&2
        exit 1
    }
done
[ $# -gt 0 ] || set -- $(git ls-files '*.c' '*.h' '*.sh' .ci/run '.ci/*.sh' |
    grep -v '^tests/data/')
sources='' headers='' scripts=''
for file; do
    case $file in
    *.c) sources="$sources $file" ;;
    *.h) headers="$headers $file" ;;
    *) scripts="$scripts $file" ;;
    esac
done
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0
report() { # STATUS NAME
    if [ "$1" -eq 0 ]; then
        echo "ok - lint: $2"
    else
        echo "not ok - lint: $2"
        head -n 60 "$tmp/log"
        failed=1
    fi
}
flags='-std=c11 -D_POSIX_C_SOURCE=200809L -Iinclude -Ilib -Itools -Itests
 -DCLIPC_BUILD=1 -DCLIPC_OPENBLAS=1 -DCLIPC_BLAS=1 -DCLIPC_CURL=1 -DCLIPC_WEBP=1
 -DCLIPC_AVIF=1 -DCLIPC_GIF=1'
data='-DCLIPC_DATA_DIR="/usr/share/clipc"'

# shellcheck disable=SC2086 # lists of files and flags
{
    if [ -n "$sources$headers" ]; then
        clang-format --dry-run -Werror $sources $headers >"$tmp/log" 2>&1
        report $? 'clang-format (make format applies it)'
        # clang-format leaves comments as they are. A line with a quotation
        # mark may be a string of code.
        awk 'length > 80 && /^ *(\/\*|\*| \*)/ && !/"/ {
                print FILENAME ":" FNR ": " length " columns"
                wide = 1
            }
            END { exit wide }' $sources $headers >"$tmp/log"
        report $? 'comments of at most 80 columns'
    fi
    if [ -n "$sources" ]; then
        # Files of an instruction set need special flags; gcc and clang compile
        # these files with all warnings anyway.
        plain=$(printf '%s\n' $sources | grep -Ev '/(x86|arm)/')
        printf '%s\n' $plain | xargs -P "$(nproc)" -n 8 sh -c \
            'flags=$1; data=$2; shift 2; clang-tidy --quiet "$@" -- $flags "$data"' \
            sh "$flags" "$data" >"$tmp/log" 2>"$tmp/err" || {
            cat "$tmp/err" >>"$tmp/log"
            false
        }
        report $? 'clang-tidy'
        cppcheck --quiet --error-exitcode=1 --inline-suppr --max-configs=4 \
            -j "$(nproc)" --suppress=missingInclude \
            --suppress=missingIncludeSystem --suppress=preprocessorErrorDirective \
            --suppress=syntaxError --suppress=legacyUninitvar \
            '--suppress=uninitvar:tests/*' --std=c11 \
            ${flags#-std=c11} $plain >"$tmp/log" 2>&1
        report $? 'cppcheck'
    fi
    if [ -n "$scripts" ]; then
        shellcheck --severity=warning --shell=bash \
            --exclude=SC2034,SC2046 $scripts >"$tmp/log" 2>&1
        report $? 'shellcheck'
    fi
}
exit $failed
