/* SPDX-License-Identifier: MIT
 *
 * upstream.h - passes a request on to another server (--immich-upstream) and
 * its answer back. Both are whole in memory: a server that closes in mid-answer
 * gives the client a clear error, not half of an answer. While the other server
 * is waited for, the request has no place at the gate; its bytes, and those of
 * the answer, stay counted in the budget for bodies.
 */
#ifndef CLIPC_SERVE_UPSTREAM_H
#define CLIPC_SERVE_UPSTREAM_H

#include "serve/request.h"

/* Whether the URL can be an upstream: http or https and a host, without user,
 * query and fragment. False: *why says what is wrong (static). Before any
 * thread is started. */
bool serve_upstream_start(const char *url, const char **why);

/* Sends body and Content-Type of the request to the upstream's `path` and fills
 * the response with its answer, of any status; or with an error: 502 when the
 * upstream cannot be reached, closes early or sends too much, 504 when the
 * request's time is over. */
void serve_upstream_forward(serve_request *request, const char *path,
                            serve_response *response);

#endif /* CLIPC_SERVE_UPSTREAM_H */
