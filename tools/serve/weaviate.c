/* SPDX-License-Identifier: MIT
 *
 * weaviate.c - see weaviate.h.
 *
 *     {"texts": ["a"] | null, "images": ["base64"] | null}
 *     {"textVectors": [[...]], "imageVectors": [[...]]}
 */
#include "serve/weaviate.h"

#include "serve/inputs.h"
#include "serve/server.h"

#include <stdlib.h>

static void put_vectors(serve_buffer *out, const char *key,
                        const float *vectors, size_t n, size_t dim)
{
    serve_putf(out, "\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        if (i)
            serve_puts(out, ",");
        serve_put_floats(out, vectors + i * dim, dim);
    }
    serve_puts(out, "]");
}

static clipc_status answer(serve_request *request, const serve_json *body,
                           serve_buffer *out, clipc_error *err)
{
    const size_t most = request->server->settings->max_inputs;
    const size_t dim = request->model->info.dim;
    serve_inputs texts = { .what = "text" }, images = { .what = "image" };
    float *vectors = NULL;

    if (body->kind != SERVE_JSON_OBJECT)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "the body must be a JSON object");
    clipc_status status = serve_read_texts(serve_json_get(body, "texts"),
                                           "texts", &texts.items, &texts.n,
                                           err);
    if (status == CLIPC_OK)
        status = serve_read_texts(serve_json_get(body, "images"), "images",
                                  &images.items, &images.n, err);
    if (status == CLIPC_OK && texts.n + images.n > most)
        status = serve_refuse(err, CLIPC_ERR_LIMIT,
                              "more than %zu inputs (--max-inputs)", most);
    if (status == CLIPC_OK) {
        vectors = calloc((texts.n + images.n) * dim + 1, sizeof *vectors);
        if (!vectors)
            status = serve_refuse_nomem(err);
    }
    if (status == CLIPC_OK && texts.n)
        status = serve_embed_texts(request, &texts, vectors, NULL, err);
    if (status == CLIPC_OK && images.n)
        status = serve_embed_pictures(request, &images,
                                      vectors + texts.n * dim, err);
    if (status == CLIPC_OK) {
        serve_puts(out, "{");
        put_vectors(out, "textVectors", vectors, texts.n, dim);
        serve_puts(out, ",");
        put_vectors(out, "imageVectors", vectors + texts.n * dim, images.n,
                    dim);
        serve_puts(out, "}\n");
    }
    free(vectors);
    free(images.items);
    free(texts.items);
    return status;
}

void serve_vectorize(serve_request *request, serve_response *response)
{
    clipc_error err = CLIPC_ERROR_INIT;
    serve_json *body;
    clipc_status status = serve_read_json(request, &body, &err);

    if (status == CLIPC_OK) {
        response->content_type = "application/json";
        status = answer(request, body, &response->body, &err);
    }
    if (status != CLIPC_OK)
        serve_fail_error(request, response, &err);
    free(body);
}

void serve_meta(serve_request *request, serve_response *response)
{
    const serve_model *model = request->model;
    serve_buffer *out = &response->body;

    response->content_type = "application/json";
    serve_puts(out, "{\"server\":\"clipc-serve ");
    serve_puts(out, clipc_version());
    serve_puts(out, "\"");
    if (model) {
        serve_puts(out, ",\"model\":");
        serve_put_json_string(out, model->id);
        serve_putf(out, ",\"precision\":\"%s\",\"dim\":%zu,\"image_size\":%zu",
                   model->precision, model->info.dim, model->info.image_size);
    }
    serve_puts(out, "}\n");
}

void serve_well_known_ready(serve_request *request, serve_response *response)
{
    if (atomic_load(&request->server->state) == SERVE_READY)
        response->status = 204;
    else
        serve_fail(request, response, 503, "starting", "no work is taken now");
}

void serve_well_known_live(serve_request *request, serve_response *response)
{
    (void)request;
    response->status = 204;
}
