/* SPDX-License-Identifier: MIT
 *
 * connections.h - what each connection is doing since when, so that a slow one
 * is cut. The HTTP library's own timeout starts again with every byte, so a
 * client that sends a byte now and then would hold its thread for ever.
 */
#ifndef CLIPC_SERVE_CONNECTIONS_H
#define CLIPC_SERVE_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum serve_phase {
    SERVE_PHASE_HEAD,  /* of the first request: --client-timeout */
    SERVE_PHASE_IDLE,  /* up to the next request's line: 75 s */
    SERVE_PHASE_NEXT,  /* the head of a later request: --client-timeout */
    SERVE_PHASE_BODY,  /* --client-timeout, and a tenth of it for every 16 KiB
                        * that came; at most twelve times as long */
    SERVE_PHASE_WORK,  /* the request's own deadline */
    SERVE_PHASE_ANSWER /* three times --client-timeout, and a tenth of it for
                        * every 16 KiB to send */
} serve_phase;

enum { SERVE_IDLE_SECONDS = 75 };

typedef struct serve_connection serve_connection;
typedef struct serve_connections serve_connections;

/* timeout_ms: --client-timeout. NULL: no memory. */
serve_connections *serve_connections_new(unsigned timeout_ms);
void serve_connections_free(serve_connections *connections);

/* A connection begins. NULL: no memory. */
serve_connection *serve_connection_add(serve_connections *connections, int fd);

/* The connection ends; call before its descriptor is closed. */
void serve_connection_remove(serve_connections *connections,
                             serve_connection *connection);

/* The phase begins. n_bytes: of the answer. */
void serve_connection_phase(serve_connections *connections,
                            serve_connection *connection, serve_phase phase,
                            uint64_t n_bytes);

/* Bytes of the body have come. */
void serve_connection_received(serve_connections *connections,
                               serve_connection *connection, size_t n_bytes);

int serve_connection_fd(const serve_connection *connection);

/* The request that the connection is in the midst of: the caller's, NULL at
 * first. */
void **serve_connection_request(serve_connection *connection);

/* Whether serve_connections_cut() has cut it. */
bool serve_connection_was_cut(serve_connections *connections,
                              const serve_connection *connection);

/* Cuts the connections whose time is up; idle: also all that wait for a next
 * request. One that is in the midst of a request gets an answer of 408.
 * Returns the number of the slow ones. */
size_t serve_connections_cut(serve_connections *connections, bool idle);

/* Open connections. */
size_t serve_connections_count(serve_connections *connections);

#endif /* CLIPC_SERVE_CONNECTIONS_H */
