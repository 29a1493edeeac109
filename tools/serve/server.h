/* SPDX-License-Identifier: MIT
 *
 * server.h - the parts that all requests share.
 */
#ifndef CLIPC_SERVE_SERVER_H
#define CLIPC_SERVE_SERVER_H

#include "serve/batcher.h"
#include "serve/gate.h"
#include "serve/label_sets.h"
#include "serve/lists.h"
#include "serve/metrics.h"
#include "serve/model.h"
#include "serve/settings.h"

#include <stdatomic.h>

typedef enum serve_state {
    SERVE_STARTING, /* no model yet */
    SERVE_READY,
    SERVE_DRAINING /* no new work is taken */
} serve_state;

struct serve_server {
    const serve_settings *settings;
    atomic_int state; /* serve_state */
    serve_metrics *metrics;
    serve_models *models;
    serve_batcher *batcher;
    serve_label_cache *label_cache;
    serve_lists lists;   /* the built-in lists of labels */
    serve_gate admitted; /* requests with work */
    serve_gate decoding; /* pictures that are decoded */
    serve_gate fetching; /* URLs that are opened, until they are decoded */
    serve_budget bodies; /* bytes of requests, and of upstream answers */
    atomic_size_t n_requests; /* between head and end of the answer */
};

/* Makes the parts; no model is loaded yet. Settings and routes, [n_routes],
 * are kept. false: standard error has the cause. */
bool serve_server_start(serve_server *server, const serve_settings *settings,
                        const serve_route *routes, size_t n_routes);

/* Ends the batcher's thread after what is queued and frees the parts. No
 * request may be left. */
void serve_server_stop(serve_server *server);

#endif /* CLIPC_SERVE_SERVER_H */
