/* SPDX-License-Identifier: MIT
 *
 * inputs.c - see inputs.h.
 */
#include "serve/inputs.h"

#include "serve/base64.h"

#include <stdlib.h>
#include <string.h>

/* ---- JSON -------------------------------------------------------------- */

bool serve_is_json(const serve_request *request)
{
    const char *type = request->media_type, *plus = strrchr(type, '+');

    return request->content_type[0] == '\0' ||
           strcmp(type, "application/json") == 0 ||
           (plus && strcmp(plus, "+json") == 0);
}

clipc_status serve_read_json(serve_request *request, serve_json **root,
                             clipc_error *err)
{
    serve_media_type type;

    *root = NULL;
    if (!serve_is_json(request))
        return serve_refuse(err, CLIPC_ERR_UNSUPPORTED,
                            "the Content-Type must be application/json");
    if (request->content_type[0])
        SERVE_TRY(serve_media_type_parse(&type, request->content_type, err));
    return serve_json_parse(root, request->body, request->body_bytes, err);
}

char *serve_terminate(serve_request *request, clipc_text text)
{
    char *s = request->body + (text.data - request->body);

    s[text.len] = '\0';
    return s;
}

/* ---- members ----------------------------------------------------------- */

bool serve_model_asked(const serve_request *request, const serve_json *body,
                       serve_response *response)
{
    const serve_json *name = serve_json_get(body, "model");

    if (!name || serve_json_is(name, "default/not-specified"))
        return true;
    if (name->kind != SERVE_JSON_STRING) {
        serve_fail(request, response, 400, "format",
                   "\"model\" must be a string");
        return false;
    }
    if (serve_model_is(request->model, name->text.data, name->text.len))
        return true;
    serve_fail(request, response, 404, "not_found",
               "another model is served here: %s", request->model->id);
    return false;
}

clipc_status serve_read_texts(const serve_json *value, const char *key,
                              clipc_text **texts, size_t *n, clipc_error *err)
{
    *texts = NULL;
    *n = 0;
    if (!value)
        return CLIPC_OK;
    if (value->kind != SERVE_JSON_ARRAY)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"%s\" must be an array of strings", key);
    clipc_text *list = malloc((value->n ? value->n : 1) * sizeof *list);
    if (!list)
        return serve_refuse_nomem(err);
    SERVE_JSON_EACH(element, value)
    {
        if (element->kind != SERVE_JSON_STRING) {
            free(list);
            return serve_refuse(err, CLIPC_ERR_FORMAT,
                                "element %zu of \"%s\" must be a string", *n,
                                key);
        }
        list[(*n)++] = element->text;
    }
    *texts = list;
    return CLIPC_OK;
}

/* ---- pictures ---------------------------------------------------------- */

static bool begins_with(clipc_text text, const char *word)
{
    size_t n = strlen(word);

    return text.len >= n &&
           serve_equal_caseless((clipc_text){ text.data, n }, word);
}

bool serve_is_url(clipc_text text)
{
    return begins_with(text, "http://") || begins_with(text, "https://");
}

clipc_status serve_read_picture(serve_request *request, clipc_text text,
                                clipc_image **image, clipc_error *err)
{
    *image = NULL;
    if (serve_is_url(text)) {
        if (memchr(text.data, '\0', text.len))
            return serve_refuse(err, CLIPC_ERR_URL, "a URL with a NUL byte");
        return serve_read_url(request, serve_terminate(request, text), image,
                              err);
    }
    size_t n;
    unsigned char *bytes = (unsigned char *)request->body +
                           (text.data - request->body);
    SERVE_TRY(serve_picture_decode(bytes, &n, text, err));
    return serve_read_image(request, bytes, n, image, err);
}

/* ---- embeddings -------------------------------------------------------- */

/* Puts "input 3: " before the message of the error. */
static void name_error(const serve_inputs *inputs, size_t i, clipc_error *err)
{
    char message[sizeof err->message];

    memcpy(message, err->message, sizeof message);
    (void)serve_refuse_at(err, err->code, err->offset, "%s %zu: %s",
                          inputs->what, inputs->places ? inputs->places[i] : i,
                          message);
}

clipc_status serve_embed_texts(serve_request *request,
                               const serve_inputs *texts, float *vectors,
                               size_t *n_tokens, clipc_error *err)
{
    size_t *tokens = calloc(texts->n + 1, sizeof *tokens);
    size_t failed = SIZE_MAX;

    if (!tokens)
        return serve_refuse_nomem(err);
    clipc_status status = serve_encode_texts(request, texts->items, texts->n,
                                             0, vectors, tokens, &failed, err);
    if (status != CLIPC_OK && failed < texts->n)
        name_error(texts, failed, err);
    if (n_tokens) {
        *n_tokens = 0;
        for (size_t i = 0; i < texts->n; i++)
            *n_tokens += tokens[i];
    }
    free(tokens);
    return status;
}

clipc_status serve_embed_pictures(serve_request *request,
                                  const serve_inputs *pictures, float *vectors,
                                  clipc_error *err)
{
    clipc_image **images = calloc(pictures->n + 1, sizeof *images);
    clipc_status status = CLIPC_OK;
    size_t failed = SIZE_MAX;

    if (!images)
        return serve_refuse_nomem(err);
    for (size_t i = 0; i < pictures->n && status == CLIPC_OK; i++) {
        status = serve_request_over(request, err);
        if (status != CLIPC_OK)
            break;
        status = serve_read_picture(request, pictures->items[i], &images[i],
                                    err);
        if (status != CLIPC_OK)
            name_error(pictures, i, err);
    }
    if (status == CLIPC_OK) {
        status = serve_encode_images(request, images, pictures->n, vectors,
                                     &failed, err);
        if (status != CLIPC_OK && failed < pictures->n)
            name_error(pictures, failed, err);
    }
    for (size_t i = 0; i < pictures->n; i++)
        clipc_image_free(images[i]);
    free(images);
    return status;
}
