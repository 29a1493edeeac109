#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# fresh.sh [--print] SUITE SCENARIO - what a stranger does, on a new machine.
#
# Makes a minimal Debian SUITE (bookworm, trixie) with git, make and
# ca-certificates, clones HEAD there, takes the commands out of README.md, runs
# them, and compares what they print with what README.md shows. --print shows
# all of it.
#
# Scenarios:
#   root       the README's commands, as root, with the C program after install
#   user       the first as a user, who is shown one command for root; then the
#              second from another folder, with a source tree that cannot be written
#   parallel   the README's first command with make -j4
#
# Bases are kept in $CLIPC_ROOTS (/var/tmp/clipc-roots) for a week, packages
# beside them. Mounts are made in a namespace of their own, and end with it.
# Needs root and debootstrap.
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD
roots=${CLIPC_ROOTS:-/var/tmp/clipc-roots}

print=
[ "${1:-}" != --print ] || { print=1; shift; }
suite=$1 scenario=$2

say() { printf 'fresh %s %s: %s\n' "$suite" "$scenario" "$*"; }
die() { say "$*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "needs root"

# ---- the machine ----------------------------------------------------------------
# Where this machine has its packages from.
mirror() {
    local found
    found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        grep -v '^#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 || true)
    found=${found% }
    printf '%s\n' "${found:-http://deb.debian.org/debian}"
}

# A base that is whole has its stamp; one of another week is made again.
make_base() {
    local base=$roots/$suite
    mkdir -p "$roots/packages-$suite"
    exec 9>"$roots/$suite.lock"
    flock 9
    if [ -d "$base" ] && [ -n "$(find "$base.made" -mtime -7 2>/dev/null)" ]; then
        return
    fi
    command -v debootstrap >/dev/null || {
        apt-get update && DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends debootstrap
    } >"$roots/$suite.log" 2>&1 || { cat "$roots/$suite.log"; die "no debootstrap"; }
    rm -rf "$base" "$base.made" "$base.new" "$roots/packages-$suite"/*.deb
    find "$roots" -maxdepth 1 -name "$suite-*.*" -mtime +1 \
        -exec rm -rf --one-file-system '{}' +
    debootstrap --variant=minbase --include=git,make,ca-certificates \
        "$suite" "$base.new" "$(mirror)" >"$roots/$suite.log" 2>&1 || {
        tail -n 20 "$roots/$suite.log"
        die "debootstrap failed"
    }
    mv "$base.new" "$base"
    touch "$base.made"
}

make_base
root=$(mktemp -d "$roots/$suite-$scenario.XXXXXX")
log=$(mktemp)
# Only files are left there: the mounts are in other namespaces.
trap 'rm -rf --one-file-system "$root" "$log"' EXIT
cp -a "$roots/$suite/." "$root"
flock -u 9
cp /etc/resolv.conf "$root/etc/resolv.conf"
chroot "$root" useradd --create-home --uid 1000 --shell /bin/sh stranger
case $scenario in
user) home=/home/stranger ;;
*) home=/root ;;
esac
git -c safe.directory='*' clone -q --no-hardlinks "$source" "$root$home/clipc"
[ "$scenario" != user ] || chroot "$root" chown -R stranger: "$home/clipc"

# inside USER FOLDER COMMAND - runs it there, with nothing of this environment
# but the proxy. LOCKED: a folder there that cannot be written.
inside() {
    local proxy=() name
    for name in http_proxy https_proxy no_proxy; do
        [ -z "${!name:-}" ] || proxy+=("$name=${!name}")
    done
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount --propagation private sh -euc '
        root=$1 packages=$2 user=$3 folder=$4 command=$5 locked=$6
        shift 6
        mount -t proc proc "$root/proc"
        mount -t tmpfs dev "$root/dev"
        for device in null zero full random urandom tty; do
            touch "$root/dev/$device"
            mount --bind "/dev/$device" "$root/dev/$device"
        done
        ln -s /proc/self/fd "$root/dev/fd"
        ln -s fd/0 "$root/dev/stdin"
        ln -s fd/1 "$root/dev/stdout"
        ln -s fd/2 "$root/dev/stderr"
        ln -s pts/ptmx "$root/dev/ptmx"
        mkdir -m 1777 "$root/dev/shm"
        mkdir "$root/dev/pts"
        mount -t tmpfs shm "$root/dev/shm"
        mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 pts "$root/dev/pts"
        mount --bind "$packages" "$root/var/cache/apt/archives"
        if [ -n "$locked" ]; then
            mount --bind "$root$locked" "$root$locked"
            mount -o remount,bind,ro "$root$locked"
        fi
        home=$(chroot "$root" sh -c "echo ~$user")
        path=/usr/local/bin:/usr/bin:/bin
        [ "$user" != root ] || path=/usr/local/sbin:/usr/sbin:/sbin:$path
        exec chroot --userspec="$user:" "$root" \
            /usr/bin/env -i HOME="$home" USER="$user" PATH="$path" "$@" \
            sh -ec "cd \"\$1\"; eval \"\$2\"" sh "$folder" "$command"
    ' sh "$root" "$roots/packages-$suite" "$1" "$2" "$3" "${LOCKED:-}" \
        ${proxy[@]+"${proxy[@]}"} </dev/null
}

# ---- what is run there -----------------------------------------------------------
# run USER FOLDER COMMAND - its output goes to $log.
run() {
    local status=0
    inside "$@" >"$log" 2>&1 || status=$?
    [ -z "$print" ] || cat "$log"
    return $status
}

failed=0
report() { # STATUS NAME
    if [ "$1" -eq 0 ]; then
        say "ok: $2"
    else
        say "not ok: $2"
        failed=1
    fi
}
# as_shown USER N [OPTION]: the N-th command of README.md, with an option of make.
as_shown() {
    local command status=0
    command=$(python3 .ci/readme.py command "$2")
    [ -z "${3:-}" ] || command=${command/#make /make $3 }
    run "$1" "$home/clipc" "$command" || status=$?
    python3 .ci/readme.py compare "$2" "$log" || status=1
    tail -n 1 "$log"
    report $status "${command//$'\n'/; }, as $1"
}

case $scenario in
root)
    as_shown root 1
    as_shown root 2
    as_shown root 3
    ;;
user)
    # Refused with one command, which root is asked to run once.
    status=0
    run stranger "$home/clipc" "$(python3 .ci/readme.py command 1)" || status=$?
    command=$(sed -n 's/^  sudo //p' "$log")
    if [ "$status" -eq 0 ] || [ "$(grep -cv '^make: ' "$log")" != 2 ] ||
        [ -z "$command" ]; then
        cat "$log"
        die "no command is shown"
    fi
    say "shown: sudo $command"
    run root / "$command" || { cat "$log"; die "that command fails"; }
    as_shown stranger 1
    # From another folder; the source tree is root's, and mounted read-only.
    chroot "$root" chown -R root: "$home/clipc"
    chroot "$root" rm -rf "$home/clipc/build"
    status=0
    LOCKED=$home/clipc run stranger "$home" \
        'mkdir else && cd else && make -j2 -f ../clipc/Makefile tests &&
         make -f ../clipc/Makefile check' || status=$?
    [ "$status" -eq 0 ] || cat "$log"
    tail -n 1 "$log"
    report $status "make -f SOURCE/Makefile check, SOURCE read-only, as stranger"
    ;;
parallel)
    as_shown root 1 -j4
    ;;
*)
    die "no such scenario"
    ;;
esac
exit $failed
