/* SPDX-License-Identifier: MIT
 *
 * sockets.h - shared by the loopback servers, httpd.c and hub_server.c.
 */
#ifndef CLIPC_TEST_SOCKETS_H
#define CLIPC_TEST_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

/* Returns a listening socket on 127.0.0.1, on a port chosen by the kernel;
 * negative on failure, with errno. */
int listen_loopback(unsigned *port);

/* Returns false if the peer has gone. */
bool send_all(int fd, const void *data, size_t n);

/* Returns when the peer hangs up. */
void wait_for_peer(int fd);

#endif /* CLIPC_TEST_SOCKETS_H */
