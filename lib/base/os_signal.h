/* SPDX-License-Identifier: MIT
 *
 * os_signal.h - between os_unix.c and the file of one system, which only some
 * of them have: see os.h.
 */
#ifndef CLIPC_OS_SIGNAL_H
#define CLIPC_OS_SIGNAL_H

#include <signal.h>

/* Takes a pending signal of the set, which is blocked, and does not wait. */
void clipc_os_take_signal(const sigset_t *set);

#endif /* CLIPC_OS_SIGNAL_H */
