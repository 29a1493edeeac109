/* SPDX-License-Identifier: MIT
 *
 * gate.h - bounds on what happens at once. A gate has places: admitted
 * requests, pictures that are decoded, URLs that are fetched. A budget has
 * bytes: of bodies and an upstream's answers, which are counted as they come.
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
} serve_gate;

bool serve_gate_start(serve_gate *gate, size_t max_places);
void serve_gate_end(serve_gate *gate);

/* Takes a place; false: there is none. */
bool serve_gate_try(serve_gate *gate);

/* The same, waiting. Fails when the request is over (serve_request_over()). */
clipc_status serve_gate_enter(serve_gate *gate, serve_request *request,
                              clipc_error *err);

void serve_gate_leave(serve_gate *gate);

/* Taken places. */
size_t serve_gate_taken(serve_gate *gate);

/* ---- bytes ------------------------------------------------------------- */

typedef struct serve_budget {
    pthread_mutex_t mutex;
    pthread_cond_t given; /* somebody has given bytes back */
    size_t bytes, max_bytes;
    size_t stuck; /* bytes of those who wait for more */
} serve_budget;

/* What a request is told that gets no bytes. */
#define SERVE_NO_ROOM "too many bytes of bodies at once (--max-body)"

/* Of n times n_bytes; where a size_t holds no such number, of SIZE_MAX. */
bool serve_budget_start(serve_budget *budget, size_t n, size_t n_bytes);
void serve_budget_end(serve_budget *budget);

/* Takes n_bytes, which serve_budget_give() gives back; false: there is no
 * room. */
bool serve_budget_try(serve_budget *budget, size_t n_bytes);

/* The same, waiting; held: bytes that the request has already. Fails when the
 * request is over, and with CLIPC_ERR_NOMEM when all who have bytes wait for
 * more: then one of them has to give up. */
clipc_status serve_budget_take(serve_budget *budget, size_t n_bytes,
                               size_t held, serve_request *request,
                               clipc_error *err);

void serve_budget_give(serve_budget *budget, size_t n_bytes);

/* Taken bytes. */
size_t serve_budget_taken(serve_budget *budget);

/* ---- waiting ----------------------------------------------------------- */

/* How long to wait before asking again whether a client has gone. */
#define SERVE_WAIT_NS 100000000 /* 0.1 s */

#endif /* CLIPC_SERVE_GATE_H */
