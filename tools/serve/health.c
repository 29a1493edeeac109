/* SPDX-License-Identifier: MIT
 *
 * health.c - see health.h.
 */
#include "serve/health.h"

#include "serve/server.h"

#include <string.h>
#include <time.h>

void serve_health(serve_request *request, serve_response *response)
{
    (void)request;
    serve_response_text(response, 200, "ok\n");
}

void serve_health_json(serve_request *request, serve_response *response)
{
    (void)request;
    response->content_type = "application/json";
    serve_putf(&response->body, "{\"unix\":%lld}\n", (long long)time(NULL));
}

void serve_ready(serve_request *request, serve_response *response)
{
    switch (atomic_load(&request->server->state)) {
    case SERVE_READY: serve_response_text(response, 200, "ready\n"); break;
    case SERVE_STARTING:
        serve_response_text(response, 503, "starting\n");
        break;
    default: serve_response_text(response, 503, "draining\n");
    }
}

void serve_ping(serve_request *request, serve_response *response)
{
    (void)request;
    serve_response_text(response, 200, "pong");
}

static void put_gauge(serve_buffer *out, const char *name, const char *help,
                      size_t value)
{
    serve_metrics_head(out, name, "gauge", help);
    serve_putf(out, "%s %zu\n", name, value);
}

/* A label's value: the operator's words, escaped. */
static void put_value(serve_buffer *out, const char *text)
{
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            serve_putf(out, "\\%c", *text);
        else if ((unsigned char)*text >= 0x20)
            serve_put(out, text, 1);
}

void serve_metrics_page(serve_request *request, serve_response *response)
{
    serve_server *server = request->server;
    serve_buffer *out = &response->body;
    static const char *const kinds[SERVE_JOB_KINDS] = {
        [SERVE_JOB_TEXT] = "text",
        [SERVE_JOB_LABELS] = "labels",
        [SERVE_JOB_IMAGE] = "image",
    };

    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    serve_metrics_write(server->metrics, out);
    serve_metrics_head(out, "clipc_queue_depth", "gauge",
                       "Jobs that wait for the encoder.");
    for (unsigned kind = 0; kind < SERVE_JOB_KINDS; kind++)
        serve_putf(out, "clipc_queue_depth{kind=\"%s\"} %zu\n", kinds[kind],
                   serve_batcher_depth(server->batcher, (serve_job_kind)kind));
    put_gauge(out, "clipc_admitted_requests",
              "Requests with work between head and answer.",
              serve_gate_taken(&server->admitted));
    put_gauge(out, "clipc_body_bytes",
              "Bytes of bodies, and of an upstream's answers, in memory.",
              serve_budget_taken(&server->bodies));
    put_gauge(out, "clipc_label_sets", "Label sets in the cache.",
              serve_label_cache_size(server->label_cache));
    if (!request->model)
        return;
    serve_metrics_head(out, "clipc_model_info", "gauge",
                       "The model that answers.");
    serve_puts(out, "clipc_model_info{model=\"");
    put_value(out, request->model->id);
    serve_putf(out, "\",precision=\"%s\"} 1\n", request->model->precision);
    put_gauge(out, "clipc_model_generation",
              "Loads of the model since the start.",
              (size_t)request->model->generation);
}

static void put_model(serve_buffer *out, const serve_model *model)
{
    serve_puts(out, "{\"id\":");
    serve_put_json_string(out, model->id);
    serve_putf(out,
               ",\"object\":\"model\",\"created\":%lld,\"owned_by\":"
               "\"clipc\",\"precision\":\"%s\",\"dim\":%zu,"
               "\"image_size\":%zu,\"context_length\":%zu}",
               (long long)model->opened_s, model->precision, model->info.dim,
               model->info.image_size, model->context_length);
}

void serve_models_list(serve_request *request, serve_response *response)
{
    serve_buffer *out = &response->body;

    response->content_type = "application/json";
    serve_puts(out, "{\"object\":\"list\",\"data\":[");
    if (request->model)
        put_model(out, request->model);
    serve_puts(out, "]}\n");
}

/* The rest of the path is the name, whose slashes clients write as %2F or as
 * they are. */
void serve_models_show(serve_request *request, serve_response *response)
{
    const char *name = strstr(request->path, "models/") + strlen("models/");
    const serve_model *model = request->model;

    if (!model || !serve_model_is(model, name, strlen(name))) {
        serve_fail(request, response, 404, "not_found",
                   "no model of this name is served; GET /v1/models names it");
        return;
    }
    response->content_type = "application/json";
    put_model(&response->body, model);
    serve_puts(&response->body, "\n");
}
