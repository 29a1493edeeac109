/* SPDX-License-Identifier: MIT
 *
 * health.h - what a load balancer, a monitor and a client ask about the server
 * itself.
 */
#ifndef CLIPC_SERVE_HEALTH_H
#define CLIPC_SERVE_HEALTH_H

#include "serve/request.h"

serve_handler serve_health;      /* the process answers: always 200 */
serve_handler serve_health_json; /* GET /health, in infinity's form */
serve_handler serve_ready;       /* 200, or 503 while starting or draining */
serve_handler serve_ping;        /* "pong" */
serve_handler serve_metrics_page;
serve_handler serve_models_list; /* GET /v1/models, in OpenAI's form */
serve_handler serve_models_show; /* GET /v1/models/ID */

#endif /* CLIPC_SERVE_HEALTH_H */
