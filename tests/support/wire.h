/* SPDX-License-Identifier: MIT
 *
 * wire.h - a connection to clipc-serve on which a test sends what it likes and
 * reads answers one at a time.
 */
#ifndef CLIPC_TEST_WIRE_H
#define CLIPC_TEST_WIRE_H

#include "support/serve_client.h"

#include <stdbool.h>

typedef struct wire {
    int fd;
    char *bytes; /* [n] that came and were not taken */
    size_t n;
    bool ended; /* the server has closed */
} wire;

/* Connects to its port or Unix socket. */
wire wire_open(const serve_process *server);
/* small: with a receive buffer of a few KB, so that a server that writes to a
 * client that does not read soon waits. */
wire wire_open_small(const serve_process *server);
void wire_close(wire *w);

/* Closes so that the server sees a reset. */
void wire_reset(wire *w);

/* false: the server has closed. */
bool wire_send(wire *w, const void *bytes, size_t n);
bool wire_puts(wire *w, const char *text);

/* Reads one answer, by its Content-Length; status 0: the connection ended, or
 * two minutes passed. A 100 Continue is an answer. no_body: to HEAD. */
http_answer wire_answer(wire *w, bool no_body);

/* Whether the server closes within the time, without a further byte. */
bool wire_ends(wire *w, int milliseconds);

/* Reads to the end; false: the server does not close within the time after
 * any of the pieces. What came is in w->bytes. */
bool wire_drain(wire *w, int milliseconds);

/* Whether nothing comes and the connection stays open for the time. */
bool wire_silent(wire *w, int milliseconds);

#endif /* CLIPC_TEST_WIRE_H */
