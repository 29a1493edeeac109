/* SPDX-License-Identifier: MIT
 *
 * http.h - the HTTP server. http.c is the only file that knows libmicrohttpd:
 * another library can take its place behind these calls.
 */
#ifndef CLIPC_SERVE_HTTP_H
#define CLIPC_SERVE_HTTP_H

#include "serve/server.h"

typedef struct serve_http serve_http;

/* Answers on a socket that listens; from now on the socket is the server's.
 * NULL: standard error has the cause. */
serve_http *serve_http_start(serve_server *server, int listen_fd);

/* Takes no new connection, and closes those that have no request. end_socket:
 * connections are refused from now on; not for a socket that another process
 * keeps. */
void serve_http_quiesce(serve_http *http, bool end_socket);

/* Cuts connections that are too slow: call a few times a second. */
void serve_http_tick(serve_http *http);

/* Open connections. */
size_t serve_http_connections(serve_http *http);

/* Ends what is left. */
void serve_http_stop(serve_http *http);

/* Name and version of the library. */
const char *serve_http_library(void);

#endif /* CLIPC_SERVE_HTTP_H */
