/* SPDX-License-Identifier: MIT
 *
 * routes.c - see routes.h.
 */
#include "serve/routes.h"

#include "serve/classify.h"
#include "serve/embeddings.h"
#include "serve/form.h"
#include "serve/health.h"
#include "serve/immich.h"
#include "serve/openapi.h"
#include "serve/page.h"
#include "serve/show_lists.h"
#include "serve/weaviate.h"
#include "serve/zero_shot.h"

#include <string.h>

/* clang-format off */
const serve_route serve_routes[] = {
    { "/", SERVE_GET, SERVE_OPEN, serve_page, serve_write_problem_json },
    { "/", SERVE_POST, SERVE_WORK | SERVE_FETCHES, serve_form,
      serve_write_problem_html },
    { "/healthz", SERVE_GET, SERVE_OPEN, serve_health, serve_write_problem_json },
    { "/health",  SERVE_GET, SERVE_OPEN, serve_health_json,
      serve_write_problem_json },
    { "/readyz",  SERVE_GET, SERVE_OPEN, serve_ready,  serve_write_problem_json },
    { "/ping",    SERVE_GET, SERVE_OPEN, serve_ping,   serve_write_problem_json },
    { "/metrics", SERVE_GET, SERVE_OPEN, serve_metrics_page,
      serve_write_problem_json },
    { "/openapi.json", SERVE_GET, SERVE_OPEN, serve_openapi,
      serve_write_problem_json },
    { "/v1/models", SERVE_GET, 0, serve_models_list,
      serve_write_problem_openai },
    { "/models", SERVE_GET, 0, serve_models_list, serve_write_problem_openai },
    { "/v1/models/*", SERVE_GET, 0, serve_models_show,
      serve_write_problem_openai },
    { "/models/*", SERVE_GET, 0, serve_models_show,
      serve_write_problem_openai },
    { "/v1/labels", SERVE_GET, 0, serve_lists_show, serve_write_problem_json },
    { "/v1/classify", SERVE_POST, SERVE_WORK | SERVE_FETCHES, serve_classify,
      serve_write_problem_json },
    { "/v1/embeddings", SERVE_POST, SERVE_WORK | SERVE_FETCHES,
      serve_embeddings, serve_write_problem_openai },
    { "/embeddings", SERVE_POST, SERVE_WORK | SERVE_FETCHES, serve_embeddings,
      serve_write_problem_openai },
    { "/hf", SERVE_POST, SERVE_WORK | SERVE_FETCHES, serve_zero_shot,
      serve_write_problem_plain },
    { "/predict", SERVE_POST, SERVE_WORK | SERVE_PATIENT, serve_predict,
      serve_write_problem_immich },
    { "/vectorize", SERVE_POST, SERVE_WORK | SERVE_FETCHES, serve_vectorize,
      serve_write_problem_plain },
    { "/meta", SERVE_GET, 0, serve_meta, serve_write_problem_plain },
    { "/.well-known/ready", SERVE_GET, SERVE_OPEN, serve_well_known_ready,
      serve_write_problem_plain },
    { "/.well-known/live", SERVE_GET, SERVE_OPEN, serve_well_known_live,
      serve_write_problem_plain },
};
/* clang-format on */

const size_t serve_n_routes = sizeof serve_routes / sizeof *serve_routes;

static bool fits(const char *pattern, const char *path)
{
    size_t n = strcspn(pattern, "*");

    if (pattern[n] == '*')
        return strncmp(pattern, path, n) == 0 && path[n] != '\0';
    return strcmp(pattern, path) == 0;
}

const serve_route *serve_route_find(const char *path, serve_method method,
                                    unsigned *methods)
{
    *methods = 0;
    for (size_t i = 0; i < serve_n_routes; i++) {
        if (!fits(serve_routes[i].path, path))
            continue;
        *methods |= serve_routes[i].methods;
        if (serve_routes[i].methods & method)
            return &serve_routes[i];
    }
    return NULL;
}
