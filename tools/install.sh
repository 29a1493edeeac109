#!/bin/sh
# SPDX-License-Identifier: MIT
# install.sh install|install-strip|uninstall ENTRY... - puts the files of the
# Makefile's list INSTALLED into their folders, or takes the same files away.
#
# An ENTRY is KIND:FILE:FOLDER/NAME. FOLDER is a variable of the environment
# (BINDIR, ...), whose value may have spaces; FILE and NAME have none. More
# variables: DESTDIR in front of every folder, INSTALL, STRIP, SONAME; MACOS, not
# empty where the files are for macOS.
set -eu
what=$1
shift

split() { # ENTRY -> $kind $file $place, and $folder, the variable's value
    kind=${1%%:*}
    file=${1#*:}
    place=${file#*:}
    file=${file%%:*}
    eval "folder=\${${place%%/*}}"
    place=$DESTDIR$folder/${place#*/}
}
say() { printf '%s\n' "$what: $*"; }
refuse() {
    say "$*" >&2
    exit 1
}

# The loader's folders, one a line.
loader_folders() {
    PATH=$PATH:/usr/sbin:/sbin ldconfig -N -X -v 2>/dev/null |
        sed -n 's/^\(\/[^:]*\):.*/\1/p'
}
in_loader_path() {
    here=$(readlink -f "$LIBDIR") || return 1
    loader_folders | while read -r folder; do
        [ "$(readlink -f "$folder")" != "$here" ] || echo yes
    done | grep -q yes
}
# A staged copy is no business of this machine's loader. On macOS programs know
# the library's path.
tell_loader() {
    [ -z "$DESTDIR$MACOS" ] || return 0
    if in_loader_path; then
        if [ "$(id -u)" = 0 ]; then
            PATH=$PATH:/usr/sbin:/sbin ldconfig
        else
            say "run ldconfig as root, so that programs find $SONAME"
        fi
    elif [ "$what" != uninstall ]; then
        say "programs do not look for $SONAME in $LIBDIR:" \
            "link them with -Wl,-rpath,'$LIBDIR', or set LD_LIBRARY_PATH," \
            "or name the folder in /etc/ld.so.conf.d and run ldconfig"
    fi
}

# Everything that can be known before the first file is written.
check() {
    for entry; do
        split "$entry"
        [ "$kind" = link ] || [ -f "$file" ] || refuse "no file $file: run make"
        [ ! -d "$place" ] || refuse "$place is a folder"
        above=${place%/*}
        while [ -n "$above" ] && [ ! -e "$above" ]; do
            case $above in */*) above=${above%/*} ;; *) above=. ;; esac
        done
        : "${above:=/}"
        [ -d "$above" ] || refuse "$above is not a folder"
        [ -w "$above" ] || refuse "you may not write to $above:" \
            "run it as root, or choose a PREFIX of your own"
    done
}

put() { # MODE
    $INSTALL -d "${place%/*}"
    $INSTALL -m "$1" "$file" "$place"
}
# Apple's strip has letters alone; what they leave of a program differs.
strip_by() { # OPTION-OF-GNU [OPTION-OF-APPLE]
    [ "$what" = install-strip ] || return 0
    if [ -n "$MACOS" ]; then
        $STRIP ${2:+"$2"} "$place"
    else
        $STRIP "$1" "$place"
    fi
}

case $what in
install | install-strip)
    check "$@"
    for entry; do
        split "$entry"
        printf '%s\n' "  INSTALL $place"
        case $kind in
        program) put 755; strip_by --strip-all ;;
        library) put 755; strip_by --strip-unneeded -x ;;
        archive) put 644; strip_by --strip-debug -S ;;
        file) put 644 ;;
        link) ln -sfn "$file" "$place" ;;
        *) refuse "unknown kind: $entry" ;;
        esac
    done
    tell_loader
    ;;
uninstall)
    for entry; do
        split "$entry"
        rm -f "$place"
    done
    # Folders of ours, when nobody else has put something there.
    for entry; do
        split "$entry"
        case $folder in
        "$PKGDATADIR" | "$CMAKEDIR")
            place=${place%/*}
            while rmdir "$place" 2>/dev/null &&
                [ "$place" != "$DESTDIR$folder" ]; do
                place=${place%/*}
            done
            ;;
        esac
    done
    tell_loader
    ;;
*)
    refuse "unknown command"
    ;;
esac
