/* SPDX-License-Identifier: MIT
 *
 * notify.h - what a service manager wants to hear (sd_notify(3)): a datagram
 * to the socket that NOTIFY_SOCKET names. Without the variable nothing is
 * sent.
 */
#ifndef CLIPC_SERVE_NOTIFY_H
#define CLIPC_SERVE_NOTIFY_H

/* "READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1", "STATUS=..."; several
 * are separated by line ends. */
void serve_notify(const char *state);

/* "RELOADING=1" with the time that the manager wants beside it. */
void serve_notify_reloading(void);

/* Milliseconds between two signs of life, half of what WATCHDOG_USEC allows;
 * 0: no watchdog waits for this process. */
unsigned serve_watchdog_ms(void);

#endif /* CLIPC_SERVE_NOTIFY_H */
