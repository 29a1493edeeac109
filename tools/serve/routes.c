/* SPDX-License-Identifier: MIT
 *
 * routes.c - see routes.h.
 */
#include "serve/routes.h"

#include "serve/classify.h"
#include "serve/health.h"

#include <string.h>

/* clang-format off */
const serve_route serve_routes[] = {
    { "/healthz", SERVE_GET, SERVE_OPEN, serve_health, serve_write_problem_json },
    { "/health",  SERVE_GET, SERVE_OPEN, serve_health, serve_write_problem_json },
    { "/readyz",  SERVE_GET, SERVE_OPEN, serve_ready,  serve_write_problem_json },
    { "/ping",    SERVE_GET, SERVE_OPEN, serve_ping,   serve_write_problem_json },
    { "/metrics", SERVE_GET, SERVE_OPEN, serve_metrics_page,
      serve_write_problem_json },
    { "/v1/models", SERVE_GET, 0, serve_models_list, serve_write_problem_json },
    { "/v1/labels", SERVE_GET, 0, serve_labels_list, serve_write_problem_json },
    { "/v1/classify", SERVE_POST, SERVE_WORK | SERVE_FETCHES, serve_classify,
      serve_write_problem_json },
};
/* clang-format on */

const size_t serve_n_routes = sizeof serve_routes / sizeof *serve_routes;

const serve_route *serve_route_find(const char *path, serve_method method,
                                    unsigned *methods)
{
    *methods = 0;
    for (size_t i = 0; i < serve_n_routes; i++) {
        if (strcmp(serve_routes[i].path, path) != 0)
            continue;
        *methods |= serve_routes[i].methods;
        if (serve_routes[i].methods & method)
            return &serve_routes[i];
    }
    return NULL;
}
