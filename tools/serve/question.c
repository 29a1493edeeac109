/* SPDX-License-Identifier: MIT
 *
 * question.c - see question.h.
 */
#include "serve/question.h"

#include "serve/base64.h"
#include "serve/inputs.h"
#include "serve/multipart.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_K = 1000000 };

void serve_question_free(serve_question *q)
{
    free(q->names);
    free(q->templates);
    free(q->owned[0]);
    free(q->owned[1]);
    free(q->body);
    *q = (serve_question){ 0 };
}

/* ---- values ------------------------------------------------------------ */

/* Adds to a list that has room for a power of two. */
static clipc_status add(clipc_text **texts, size_t *n, clipc_text text,
                        clipc_error *err)
{
    if ((*n & (*n - 1)) == 0) {
        clipc_text *larger = realloc(*texts,
                                     (*n ? 2 * *n : 1) * sizeof *larger);
        if (!larger)
            return serve_refuse_nomem(err);
        *texts = larger;
    }
    (*texts)[(*n)++] = text;
    return CLIPC_OK;
}

static clipc_status add_name(serve_question *q, clipc_text text,
                             clipc_error *err)
{
    return add(&q->names, &q->n_names, text, err);
}

static clipc_status read_k(serve_question *q, const serve_field *field,
                           clipc_error *err)
{
    size_t n = strspn(field->value, "0123456789"), k = 0;

    for (size_t i = 0; i < n && k <= MAX_K; i++)
        k = 10 * k + (size_t)(field->value[i] - '0');
    if (n == 0 || n != field->value_bytes || k < 1 || k > MAX_K)
        return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                            "%s must be a number from 1 to %d", field->name,
                            MAX_K);
    q->k = k;
    return CLIPC_OK;
}

static bool is_separator(char c)
{
    return c == ',' || c == '\n' || c == '\r';
}

/* "a red car, a dog": texts between commas or line ends, without the blanks
 * around them. */
static clipc_status add_separated(serve_question *q, clipc_text all,
                                  clipc_error *err)
{
    size_t i = 0;

    while (i < all.len) {
        size_t begin = i;
        while (i < all.len && !is_separator(all.data[i]))
            i++;
        const clipc_text one = serve_trim(
            (clipc_text){ all.data + begin, i - begin });
        i++;
        if (one.len)
            SERVE_TRY(add_name(q, one, err));
    }
    return CLIPC_OK;
}

static clipc_status add_array(clipc_text **texts, size_t *n,
                              const serve_json *array, const char *key,
                              clipc_error *err)
{
    SERVE_JSON_EACH(element, array)
    {
        if (element->kind != SERVE_JSON_STRING)
            return serve_refuse(err, CLIPC_ERR_FORMAT, "%s must be strings",
                                key);
        SERVE_TRY(add(texts, n, element->text, err));
    }
    return CLIPC_OK;
}

/* The texts of '["a", "b"]'. They are decoded in a copy, *owned, for a
 * parameter is not the handler's to change. */
static clipc_status add_json_text(clipc_text **texts, size_t *n, char **owned,
                                  const serve_field *field, clipc_error *err)
{
    serve_json *root;

    if (*owned)
        return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                            "two arrays of %s: one of them", field->name);
    *owned = malloc(field->value_bytes);
    if (!*owned)
        return serve_refuse_nomem(err);
    memcpy(*owned, field->value, field->value_bytes);
    SERVE_TRY(serve_json_parse(&root, *owned, field->value_bytes, err));
    clipc_status status = add_array(texts, n, root, field->name, err);
    free(root);
    return status;
}

static clipc_status add_labels(serve_question *q, const serve_field *field,
                               clipc_error *err)
{
    const clipc_text text = { field->value, field->value_bytes };
    size_t i = 0;

    if (text.len == 0)
        return CLIPC_OK;
    if (text.data[0] == '[')
        return add_json_text(&q->names, &q->n_names, &q->owned[0], field, err);
    while (i < text.len && !is_separator(text.data[i]))
        i++;
    if (i < text.len)
        return add_separated(q, text, err);
    q->list = field->value;
    return CLIPC_OK;
}

/* Checks what dialects have in common. */
static clipc_status check(const serve_question *q, clipc_error *err)
{
    if (q->list && q->n_names)
        return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                            "labels as the name of a list and as texts: one "
                            "of them");
    if (q->template_list && q->n_templates)
        return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                            "templates as the name of a list and as texts: "
                            "one of them");
    if (q->url && q->image)
        return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                            "a picture and a URL: one of them");
    return CLIPC_OK;
}

/* ---- parameters -------------------------------------------------------- */

static clipc_status read_flag(bool *flag, const serve_field *field,
                              clipc_error *err)
{
    const char *value = field->value;

    *flag = strcmp(value, "1") == 0 || strcmp(value, "true") == 0;
    if (!*flag && strcmp(value, "0") != 0 && strcmp(value, "false") != 0)
        return serve_refuse(err, CLIPC_ERR_ARGUMENT, "%s must be 1 or 0",
                            field->name);
    return CLIPC_OK;
}

static clipc_status read_field(serve_question *q, const serve_field *field,
                               clipc_error *err)
{
    const clipc_text value = { field->value, field->value_bytes };

    if (strcmp(field->name, "k") == 0 || strcmp(field->name, "top_k") == 0)
        return read_k(q, field, err);
    if (strcmp(field->name, "labels") == 0)
        return add_labels(q, field, err);
    if (strcmp(field->name, "label") == 0)
        return add_name(q, value, err);
    if (strcmp(field->name, "template") == 0)
        return add(&q->templates, &q->n_templates, value, err);
    if (strcmp(field->name, "crop") == 0)
        return read_flag(&q->crop, field, err);
    if (strcmp(field->name, "exif") == 0)
        return read_flag(&q->upright, field, err);
    if (strcmp(field->name, "templates") == 0) {
        if (value.len && value.data[0] == '[')
            return add_json_text(&q->templates, &q->n_templates, &q->owned[1],
                                 field, err);
        q->template_list = value.len ? field->value : NULL;
        return CLIPC_OK;
    }
    if (strcmp(field->name, "url") != 0 || value.len == 0)
        return CLIPC_OK;
    if (q->url || memchr(value.data, '\0', value.len))
        return serve_refuse(err, CLIPC_ERR_URL,
                            q->url ? "two URLs: one of them"
                                   : "a URL with a NUL byte");
    q->url = field->value;
    return CLIPC_OK;
}

clipc_status serve_question_read(serve_question *q, const serve_field *fields,
                                 size_t n, clipc_error *err)
{
    for (size_t i = 0; i < n; i++)
        SERVE_TRY(read_field(q, &fields[i], err));
    return check(q, err);
}

/* ---- multipart --------------------------------------------------------- */

static clipc_status read_part(serve_question *q, serve_request *request,
                              const serve_part *part, clipc_error *err)
{
    const serve_field field = { .name = part->name,
                                .name_bytes = strlen(part->name),
                                .value = part->data.data,
                                .value_bytes = part->data.len };

    if (strcmp(part->name, "image") != 0) {
        /* Behind the data is a line end, which the reader has passed. */
        (void)serve_terminate(request, part->data);
        return read_field(q, &field, err);
    }
    if (part->data.len == 0)
        return CLIPC_OK;
    if (q->image)
        return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                            "two parts \"image\": one of them");
    q->image = part->data.data;
    q->image_bytes = part->data.len;
    return CLIPC_OK;
}

clipc_status serve_question_read_parts(serve_question *q,
                                       serve_request *request,
                                       clipc_error *err)
{
    serve_media_type type;
    serve_part part;

    SERVE_TRY(serve_media_type_parse(&type, request->content_type, err));
    if (strcmp(type.name, "multipart/form-data") != 0)
        return serve_refuse(err, CLIPC_ERR_UNSUPPORTED,
                            "of multipart types only form-data is read");
    serve_multipart reader = {
        .body = { request->body, request->body_bytes },
        .boundary = type.boundary,
    };
    for (bool more = true; more;) {
        SERVE_TRY(serve_multipart_next(&reader, &part, &more, err));
        if (more)
            SERVE_TRY(read_part(q, request, &part, err));
    }
    SERVE_TRY(check(q, err));
    if (!q->url && !q->image)
        return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                            "neither a part \"image\" nor a part \"url\"");
    return CLIPC_OK;
}

/* ---- JSON -------------------------------------------------------------- */

/* A picture as {"url": ...}, {"data": ...} or a string of either kind. */
static clipc_status read_image(serve_question *q, serve_request *request,
                               const serve_json *image, clipc_error *err)
{
    const serve_json *url = serve_json_get(image, "url");
    const serve_json *data = serve_json_get(image, "data");
    size_t n;

    if (image && image->kind == SERVE_JSON_STRING)
        *(serve_is_url(image->text) ? &url : &data) = image;
    const serve_json *one = url ? url : data;
    if (!one || (url && data) || one->kind != SERVE_JSON_STRING)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"image\" must be {\"url\": STRING} or "
                            "{\"data\": BASE64}");
    if (url) {
        if (memchr(url->text.data, '\0', url->text.len))
            return serve_refuse(err, CLIPC_ERR_URL, "a URL with a NUL byte");
        q->url = serve_terminate(request, url->text);
        return CLIPC_OK;
    }
    unsigned char *bytes = (unsigned char *)request->body +
                           (data->text.data - request->body);
    SERVE_TRY(serve_picture_decode(bytes, &n, data->text, err));
    q->image = bytes;
    q->image_bytes = n;
    return CLIPC_OK;
}

clipc_status serve_question_read_json(serve_question *q,
                                      serve_request *request, clipc_error *err)
{
    uint64_t k = q->k;

    SERVE_TRY(serve_read_json(request, &q->body, err));
    if (q->body->kind != SERVE_JSON_OBJECT)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "the body must be a JSON object");
    SERVE_TRY(serve_json_read_whole(q->body, "k", 1, MAX_K, &k, err));
    SERVE_TRY(serve_json_read_whole(q->body, "top_k", 1, MAX_K, &k, err));
    q->k = (size_t)k;
    SERVE_TRY(serve_json_read_bool(q->body, "crop", &q->crop, err));
    SERVE_TRY(serve_json_read_bool(q->body, "exif", &q->upright, err));
    const serve_json *labels = serve_json_get(q->body, "labels");
    const serve_json *templates = serve_json_get(q->body, "templates");
    if (labels && labels->kind == SERVE_JSON_STRING) {
        if (memchr(labels->text.data, '\0', labels->text.len))
            return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                                "the name of a list with a NUL byte");
        q->list = serve_terminate(request, labels->text);
    } else if (labels && (labels->kind != SERVE_JSON_ARRAY || !labels->n)) {
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"labels\" must be an array of at least one "
                            "string, or the name of a built-in list");
    }
    SERVE_TRY(add_array(&q->names, &q->n_names, labels, "labels", err));
    if (templates && templates->kind == SERVE_JSON_STRING) {
        if (memchr(templates->text.data, '\0', templates->text.len))
            return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                                "the name of a list with a NUL byte");
        q->template_list = serve_terminate(request, templates->text);
        templates = NULL;
    }
    if (templates && templates->kind != SERVE_JSON_ARRAY)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"templates\" must be an array of strings, or "
                            "the name of a built-in list");
    SERVE_TRY(add_array(&q->templates, &q->n_templates, templates, "templates",
                        err));
    SERVE_TRY(read_image(q, request, serve_json_get(q->body, "image"), err));
    return check(q, err);
}
