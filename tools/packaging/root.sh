# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154 # $program, $again, $log, usage: of the reader
#
# root.sh - Debian roots to build and to try packages in; read by deb.sh and
# check-deb.sh, which set $program (their name in messages) and $again (what
# to run as root).
#
#     $roots/SUITE         what debootstrap made; never changed again. CI makes
#                          its new machines from the same one
#     $roots/SUITE-build   the same with the build dependencies
#     $roots/SUITE-lint    the same with lintian
#     $roots/SUITE-fresh   a copy that check-deb.sh makes and removes
suite=bookworm
roots=${CLIPC_ROOTS:-/var/tmp/clipc-roots}
mirror=http://deb.debian.org/debian

say() { printf '%s\n' "$program: $*"; }
die() {
    for line; do printf '%s\n' "$program: $line" >&2; done
    exit 1
}

# parse VALUES FLAGS OPTION...: `--NAME VALUE` sets $NAME, where VALUES has it;
# `--NAME` sets $NAME to 1, where FLAGS has it.
parse() {
    values=" $1 " flags=" $2 "
    shift 2
    while [ $# -gt 0 ]; do
        name=${1#--}
        case $1 in
        --help)
            usage
            exit 0
            ;;
        --*) ;;
        *) name=none ;;
        esac
        if [ "${values#*" $name "}" != "$values" ] && [ $# -gt 1 ]; then
            eval "$name=\$2"
            shift
        elif [ "${flags#*" $name "}" != "$flags" ]; then
            eval "$name=1"
        else
            usage >&2
            exit 2
        fi
        shift
    done
    case $suite in
    '' | *[!a-z]*) die "--suite $suite: not the name of a Debian release" ;;
    esac
    case $roots in
    *[[:space:]]*) die "--roots $roots: must not have a space" ;;
    /*) ;;
    *) die "--roots $roots: must be an absolute path" ;;
    esac
}

need() { # PROGRAM:PACKAGE
    command -v "${1%:*}" >/dev/null 2>&1 ||
        die "needs ${1%:*}; run this: apt-get install ${1#*:}"
}

need_root() {
    [ "$(id -u)" = 0 ] ||
        die "needs root, for debootstrap, mount and chroot; run this:" "  sudo $again"
    need debootstrap:debootstrap
    need unshare:util-linux
    need flock:util-linux
    unshare --mount --pid --net --fork true 2>/dev/null ||
        die "unshare --mount --pid --net is refused: needs a machine or a container" \
            "that may make namespaces and mount"
}

# quietly COMMAND...: what the command prints goes to $log; where it fails the
# end of the log is shown. Not for functions in an `if`: set -e is off there.
quietly() {
    printf '+ %s\n' "$*" >>"$log"
    "$@" >>"$log" 2>&1 </dev/null || {
        status=$?
        tail -n 40 "$log" >&2
        die "failed with status $status: $*" "the whole log: $log"
    }
}

# enter ROOT USER NETWORK COMMAND...: runs the command in the root with /proc,
# /dev/pts and /dev/shm of its own, which go away with it. NETWORK: net, or
# none: a loopback device and nothing else (needs iproute2 in the root).
# The caller's environment stays outside.
enter() {
    enter_root=$1 enter_user=$2 enter_network=$3
    shift 3
    isolate=
    [ "$enter_network" = net ] || isolate=--net
    # shellcheck disable=SC2016,SC2086 # expanded by the shell inside; one word or none
    unshare --mount --pid --fork --kill-child $isolate sh -euc '
        root=$1 user=$2 network=$3
        shift 3
        mount -t proc proc "$root/proc"
        mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
        mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
        [ "$network" = net ] || chroot "$root" ip link set lo up
        exec chroot --userspec="$user" "$root" /usr/bin/env -i \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            HOME=/nonexistent LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
    ' enter "$enter_root" "$enter_user" "$enter_network" "$@"
}

# as_root ROOT COMMAND...
as_root() {
    as_root=$1
    shift
    enter "$as_root" 0:0 net "$@"
}

# copy_root FROM TO: half a copy never has the name of a whole one.
copy_root() {
    rm -rf --one-file-system "$2.part"
    cp -a "$1" "$2.part"
    mv "$2.part" "$2"
}

# base_root SUITE: $roots/SUITE is there afterwards.
base_root() {
    mkdir -p "$roots"
    [ -d "$roots/$1" ] && return 0
    say "making a $1 root in $roots/$1"
    rm -rf --one-file-system "$roots/$1.part"
    quietly debootstrap --variant=minbase --include=git,make,ca-certificates \
        "$1" "$roots/$1.part" "$mirror"
    mv "$roots/$1.part" "$roots/$1"
    touch "$roots/$1.made"
}

# current_root SUITE KIND: $roots/SUITE-KIND, up to date.
current_root() {
    base_root "$1"
    [ -d "$roots/$1-$2" ] || copy_root "$roots/$1" "$roots/$1-$2"
    cp -L /etc/resolv.conf "$roots/$1-$2/etc/resolv.conf"
    quietly as_root "$roots/$1-$2" apt-get -q update
    quietly as_root "$roots/$1-$2" apt-get -q -y dist-upgrade
}

# One run at a time in a folder of roots.
lock_roots() {
    mkdir -p "$roots"
    exec 9>"$roots/lock"
    flock -n 9 || {
        say "waiting for another run in $roots"
        flock 9
    }
}
