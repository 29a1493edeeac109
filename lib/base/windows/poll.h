/* SPDX-License-Identifier: MIT
 *
 * poll.h - whether a pipe has bytes, on Windows: see posix.h.
 */
#ifndef CLIPC_WINDOWS_POLL_H
#define CLIPC_WINDOWS_POLL_H

#define POLLIN 1

struct pollfd {
    int fd;
    short events, revents;
};

#define poll clipc_windows_poll
/* Of one file or pipe, without waiting. 1: read() answers at once. */
int poll(struct pollfd *one, unsigned n, int milliseconds);

#endif /* CLIPC_WINDOWS_POLL_H */
