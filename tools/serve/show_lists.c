/* SPDX-License-Identifier: MIT
 *
 * show_lists.c - see show_lists.h.
 */
#include "serve/show_lists.h"

#include "common/model_labels.h"
#include "serve/server.h"

#include <string.h>

static void put_name(serve_buffer *out, const char *name)
{
    serve_puts(out, "{\"name\":");
    if (name)
        serve_put_json_string(out, name);
    else
        serve_puts(out, "null");
}

static void put_texts(serve_buffer *out, const char *key, const char *name,
                      const tool_lines *lines)
{
    put_name(out, name);
    serve_putf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < lines->n; i++) {
        if (i)
            serve_puts(out, ",");
        serve_put_json(out, lines->items[i].data, lines->items[i].len);
    }
    serve_puts(out, "]}\n");
}

static void put_names(serve_buffer *out, const char *key,
                      const serve_lists *lists, tool_named_kind kind)
{
    const char *comma = "";

    serve_putf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < lists->n; i++)
        if (lists->items[i].kind == kind) {
            serve_puts(out, comma);
            put_name(out, lists->items[i].name);
            serve_putf(out, ",\"n\":%zu}", lists->items[i].lines.n);
            comma = ",";
        }
    serve_puts(out, "]");
}

/* The name of the server's own list where that is a built-in one; of a file
 * clients learn nothing. */
static const char *own_name(const serve_settings *settings,
                            const serve_model *model)
{
    const char *name = settings->labels ? settings->labels
                                        : tool_model_labels(model->model);

    return name && tool_named_is_built_in(TOOL_LABELS, name) ? name : NULL;
}

static void put_overview(serve_buffer *out, const serve_server *server,
                         const serve_model *model)
{
    const serve_settings *settings = server->settings;

    serve_puts(out, "{\"default\":");
    if (model && model->label_names.n) {
        put_name(out, own_name(settings, model));
        serve_putf(out, ",\"n\":%zu}", model->label_names.n);
    } else {
        serve_puts(out, "null");
    }
    put_names(out, "labels", &server->lists, TOOL_LABELS);
    put_names(out, "templates", &server->lists, TOOL_TEMPLATES);
    if (model) {
        serve_puts(out, ",\"model\":");
        serve_put_json_string(out, model->id);
        serve_putf(out, ",\"scoring\":\"%s\"", serve_model_scoring(model));
    }
    serve_putf(out, ",\"urls\":%s,\"max_body_bytes\":%zu}\n",
               settings->no_urls ? "false" : "true", settings->max_body);
}

void serve_lists_show(serve_request *request, serve_response *response)
{
    const serve_server *server = request->server;
    const serve_model *model = request->model;
    const serve_field *list = serve_query(request, "list");
    const serve_field *template = serve_query(request, "template");
    const char *name = list ? list->value : template ? template->value : NULL;
    const tool_lines *lines = NULL;

    if (name && *name)
        lines = serve_lists_find(&server->lists,
                                 list ? TOOL_LABELS : TOOL_TEMPLATES, name);
    else if (name && model)
        lines = list ? &model->label_names : &model->templates;
    response->content_type = "application/json";
    if (!name)
        put_overview(&response->body, server, model);
    else if (lines)
        put_texts(&response->body, list ? "labels" : "templates",
                  *name ? name : NULL, lines);
    else
        serve_fail(
            request, response, 404, "not_found",
            "%s is no list of this server; GET /v1/labels has the names",
            name);
}
