/* SPDX-License-Identifier: MIT
 *
 * server.c - see server.h.
 */
#include "serve/server.h"

#include "common/tool.h"

#include <string.h>

void serve_server_stop(serve_server *server)
{
    serve_batcher_stop(server->batcher);
    serve_label_cache_free(server->label_cache);
    serve_models_free(server->models);
    serve_metrics_free(server->metrics);
    serve_lists_free(&server->lists);
    serve_budget_end(&server->bodies);
    serve_gate_end(&server->fetching);
    serve_gate_end(&server->decoding);
    serve_gate_end(&server->admitted);
}

bool serve_server_start(serve_server *server, const serve_settings *set,
                        const serve_route *routes, size_t n_routes)
{
    size_t cpus = set->common.ctx.threads ? set->common.ctx.threads
                                          : tool_build_info().n_cpus;
    bool good;

    memset(server, 0, sizeof *server);
    server->settings = set;
    atomic_init(&server->state, SERVE_STARTING);
    atomic_init(&server->n_requests, 0);
    good = serve_gate_start(&server->admitted, set->max_queue);
    good &= serve_gate_start(&server->decoding, cpus);
    good &= serve_gate_start(&server->fetching, 2 * cpus + 6);
    /* Of a few large requests, or of many small ones. */
    good &= serve_budget_start(&server->bodies, 4, set->max_body);
    server->metrics = serve_metrics_new(routes, n_routes);
    if (good && server->metrics)
        server->batcher = serve_batcher_start(set->max_batch, server->metrics);
    if (server->batcher) {
        server->models = serve_models_new(set, serve_batcher_between,
                                          server->batcher);
        server->label_cache = serve_label_cache_new(set->max_label_sets,
                                                    server->batcher);
    }
    if (server->models && server->label_cache) {
        serve_lists_load(&server->lists, set->common.data_dir);
        return true;
    }
    tool_say("out of memory");
    serve_server_stop(server);
    return false;
}
