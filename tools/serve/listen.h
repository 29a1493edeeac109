/* SPDX-License-Identifier: MIT
 *
 * listen.h - the socket that the server listens on: of --listen, or given by
 * the service manager (socket activation: LISTEN_PID, LISTEN_FDS).
 */
#ifndef CLIPC_SERVE_LISTEN_H
#define CLIPC_SERVE_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#define SERVE_DEFAULT_LISTEN "127.0.0.1:8000"

typedef struct serve_listener {
    int fd;
    char shown[160];      /* "http://127.0.0.1:8000", with the real port */
    const char *unlinked; /* path of a Unix socket to remove at the end */
    dev_t device;         /* of the file of that path */
    ino_t inode;
    bool open_to_network; /* others than this machine may connect */
    bool given;           /* the service manager keeps the socket too */
} serve_listener;

/* What is wrong with the form of HOST:PORT, [ADDRESS]:PORT or unix:PATH; NULL:
 * nothing. */
const char *serve_listen_wrong(const char *where);

/* Opens the socket. false: standard error has the cause. where: of a good form,
 * or NULL: the manager's, else the default. */
bool serve_listen(serve_listener *listener, const char *where);

/* Closes what is open and removes a Unix socket, unless another program has
 * put its own in the place. */
void serve_listener_close(serve_listener *listener);

#endif /* CLIPC_SERVE_LISTEN_H */
