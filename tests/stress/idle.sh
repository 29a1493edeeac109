# SPDX-License-Identifier: MIT
# idle.sh - sourced: memory of a program that waits for its next input.
# shellcheck shell=sh

# Waits until the process PID has computed nothing for a second.
wait_idle() { # PID
    before=
    same=0
    while [ $same -lt 5 ]; do
        sleep 0.2
        ticks=$(cut -d ' ' -f 14,15 "/proc/$1/stat")
        [ "$ticks" = "$before" ] && same=$((same + 1)) || same=0
        before=$ticks
    done
}

# Prints the most memory that the process has had, in kB.
peak_of() { # PID
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status"
}
