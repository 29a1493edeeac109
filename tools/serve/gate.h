/* SPDX-License-Identifier: MIT
 *
 * gate.h - a bounded number of places, and bytes, for what happens at once:
 * admitted requests, pictures that are decoded, URLs that are fetched.
 */
#ifndef CLIPC_SERVE_GATE_H
#define CLIPC_SERVE_GATE_H

#include "common/system.h"
#include "serve/request.h"

#include <pthread.h>

typedef struct serve_gate {
    pthread_mutex_t mutex;
    pthread_cond_t left; /* somebody has left */
    size_t places, max_places;
    size_t bytes, max_bytes;
} serve_gate;

bool serve_gate_start(serve_gate *gate, size_t max_places, size_t max_bytes);
void serve_gate_end(serve_gate *gate);

/* Takes a place and n_bytes at once, or neither. Bytes over the whole of
 * max_bytes are let in alone. */
bool serve_gate_try(serve_gate *gate, size_t n_bytes);

/* The same, waiting. Fails when the request is over (serve_request_over()). */
clipc_status serve_gate_enter(serve_gate *gate, size_t n_bytes,
                              serve_request *request, clipc_error *err);

void serve_gate_leave(serve_gate *gate, size_t n_bytes);

/* Taken places. */
size_t serve_gate_taken(serve_gate *gate);

/* ---- waiting ----------------------------------------------------------- */

/* How long to wait before asking again whether a client has gone. */
#define SERVE_WAIT_NS 100000000 /* 0.1 s */

#endif /* CLIPC_SERVE_GATE_H */
