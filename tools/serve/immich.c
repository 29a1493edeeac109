/* SPDX-License-Identifier: MIT
 *
 * immich.c - see immich.h. The body is multipart/form-data:
 *
 *     entries  {"clip": {"visual": {"modelName": "ViT-B-32__openai"}}}
 *     image    the picture's bytes
 * or
 *     entries  {"clip": {"textual": {"modelName": "ViT-B-32__openai"}}}
 *     text     a red car
 *
 * and the answer {"clip": "[0.1,...]", "imageHeight": 1080, "imageWidth": 1440}
 * without the sizes for a text. "clip" is a string: immich gives it to its
 * database as it is.
 */
#include "serve/immich.h"

#include "common/text.h"
#include "serve/inputs.h"
#include "serve/multipart.h"
#include "serve/server.h"
#include "serve/upstream.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES_BYTES = 65536 };

/* ---- names of models --------------------------------------------------- */

/* immich's names are open_clip's architecture and weights. Left out is
 * ViT-B-32__laion400m_*: immich runs these weights with GELU, they were
 * trained with QuickGELU, and the published configuration has the latter. */
static const struct {
    const char *name, *id;
} names[] = {
    { "ViT-B-32__openai", "openai/clip-vit-base-patch32" },
    { "ViT-B-32__openai", "timm/vit_base_patch32_clip_224.openai" },
    { "ViT-B-16__openai", "openai/clip-vit-base-patch16" },
    { "ViT-B-16__openai", "timm/vit_base_patch16_clip_224.openai" },
    { "ViT-L-14__openai", "openai/clip-vit-large-patch14" },
    { "ViT-L-14__openai", "timm/vit_large_patch14_clip_224.openai" },
    { "ViT-L-14-336__openai", "openai/clip-vit-large-patch14-336" },
    { "ViT-L-14-336__openai", "timm/vit_large_patch14_clip_336.openai" },
    { "ViT-B-32__laion2b-s34b-b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K" },
    { "ViT-L-14__laion2b-s32b-b82k", "laion/CLIP-ViT-L-14-laion2B-s32B-b82K" },
    { "ViT-H-14__laion2b-s32b-b79k", "laion/CLIP-ViT-H-14-laion2B-s32B-b79K" },
    { "ViT-g-14__laion2b-s12b-b42k", "laion/CLIP-ViT-g-14-laion2B-s12B-b42K" },
    { "ViT-B-16__laion400m_e31",
      "timm/vit_base_patch16_clip_224.laion400m_e31" },
    { "ViT-B-16__laion400m_e32",
      "timm/vit_base_patch16_clip_224.laion400m_e32" },
    { "ViT-L-14__laion400m_e31",
      "timm/vit_large_patch14_clip_224.laion400m_e31" },
    { "ViT-L-14__laion400m_e32",
      "timm/vit_large_patch14_clip_224.laion400m_e32" },
    { "ViT-L-14-quickgelu__dfn2b", "apple/DFN2B-CLIP-ViT-L-14" },
    { "ViT-H-14-quickgelu__dfn5b", "apple/DFN5B-CLIP-ViT-H-14" },
    { "ViT-H-14-378-quickgelu__dfn5b", "apple/DFN5B-CLIP-ViT-H-14-378" },
};

/* The name as immich's service cleans it: the last part of a path, ':' and
 * '\' as '_', no dots. false: too long for a name. */
static bool clean_name(char *out, size_t room, clipc_text name)
{
    size_t n = 0;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (c == '/') {
            n = 0;
            continue;
        }
        if (c == '.')
            continue;
        if (n + 1 == room || c == '\0')
            return false;
        out[n++] = (char)(c == ':' || c == '\\' ? '_' : c);
    }
    out[n] = '\0';
    return n > 0;
}

bool serve_immich_model_is(const char *id, clipc_text name)
{
    char clean[128];

    if (!clean_name(clean, sizeof clean, name))
        return false;
    if (strcmp(id, clean) == 0)
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, clean) == 0 && strcmp(names[i].id, id) == 0)
            return true;
    return false;
}

/* ---- the request ------------------------------------------------------- */

typedef struct parts {
    clipc_text entries, image, text; /* data NULL: absent */
} parts;

static clipc_status take_part(clipc_text *place, const serve_part *part,
                              clipc_error *err)
{
    if (place->data)
        return serve_refuse(err, CLIPC_ERR_FORMAT, "two parts \"%s\"",
                            part->name);
    *place = part->data;
    return CLIPC_OK;
}

static clipc_status read_parts(parts *p, const serve_request *request,
                               clipc_error *err)
{
    serve_media_type type;
    serve_part part;

    SERVE_TRY(serve_media_type_parse(&type, request->content_type, err));
    if (strcmp(type.name, "multipart/form-data") != 0)
        return serve_refuse(err, CLIPC_ERR_UNSUPPORTED,
                            "the Content-Type must be multipart/form-data");
    serve_multipart reader = {
        .body = { request->body, request->body_bytes },
        .boundary = type.boundary,
    };
    for (bool more = true; more;) {
        SERVE_TRY(serve_multipart_next(&reader, &part, &more, err));
        if (strcmp(part.name, "entries") == 0)
            SERVE_TRY(take_part(&p->entries, &part, err));
        else if (strcmp(part.name, "image") == 0)
            SERVE_TRY(take_part(&p->image, &part, err));
        else if (strcmp(part.name, "text") == 0)
            SERVE_TRY(take_part(&p->text, &part, err));
    }
    if (!p->entries.data)
        return serve_refuse(err, CLIPC_ERR_FORMAT, "no part \"entries\"");
    return CLIPC_OK;
}

/* What the entries ask for. */
typedef struct wish {
    bool clip;   /* a vector of a CLIP model, and nothing else */
    bool ours;   /* of the served one */
    bool visual; /* of a picture */
} wish;

static clipc_status read_wish(wish *w, const serve_json *tasks,
                              const serve_request *request, clipc_error *err)
{
    const serve_json *clip = serve_json_get(tasks, "clip");
    const serve_json *visual = serve_json_get(clip, "visual");
    const serve_json *textual = serve_json_get(clip, "textual");
    const serve_json *one = visual ? visual : textual;

    *w = (wish){ false };
    if (tasks->kind != SERVE_JSON_OBJECT || tasks->n == 0)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"entries\" must be an object of tasks");
    if (tasks->n > 1 || !clip)
        return CLIPC_OK;
    const serve_json *name = serve_json_get(one, "modelName");
    if (clip->n != 1 || !name || name->kind != SERVE_JSON_STRING)
        return serve_refuse(
            err, CLIPC_ERR_FORMAT,
            "\"clip\" must have \"visual\" or \"textual\" with "
            "a \"modelName\"");
    w->clip = true;
    w->visual = visual != NULL;
    w->ours = serve_immich_model_is(request->model->id, name->text);
    return CLIPC_OK;
}

/* The entries are parsed in a copy: the body may have to be passed on. */
static clipc_status read_entries(wish *w, clipc_text entries,
                                 const serve_request *request,
                                 clipc_error *err)
{
    serve_json *root;

    if (entries.len > ENTRIES_BYTES)
        return serve_refuse(err, CLIPC_ERR_LIMIT,
                            "\"entries\" has more than %d bytes",
                            ENTRIES_BYTES);
    char *copy = malloc(entries.len + 1);
    if (!copy)
        return serve_refuse_nomem(err);
    memcpy(copy, entries.data, entries.len);
    clipc_status status = serve_json_parse(&root, copy, entries.len, err);
    if (status == CLIPC_OK)
        status = read_wish(w, root, request, err);
    free(root);
    free(copy);
    return status;
}

/* ---- answers ----------------------------------------------------------- */

/* Python's str.split() and " ".join(): one blank for white space between
 * words. In place. */
static size_t join_words(char *s, size_t n)
{
    size_t used = 0;
    bool blank = false;

    for (size_t i = 0; i < n;) {
        size_t len = tool_utf8(s + i, n - i, NULL);
        if (len == 0)
            len = 1; /* the tokenizer refuses the text */
        if (tool_is_white(s + i, len) || (s[i] >= 0x1C && s[i] <= 0x1F)) {
            blank = used > 0;
        } else {
            if (blank)
                s[used++] = ' ';
            blank = false;
            memmove(s + used, s + i, len);
            used += len;
        }
        i += len;
    }
    return used;
}

static void put_clip(serve_buffer *out, const float *vector, size_t dim)
{
    serve_puts(out, "{\"clip\":\"");
    serve_put_floats(out, vector, dim);
    serve_puts(out, "\"");
}

static clipc_status answer_text(serve_request *request, clipc_text text,
                                float *vector, serve_buffer *out,
                                clipc_error *err)
{
    char *s = request->body + (text.data - request->body);
    const clipc_text words = { s, join_words(s, text.len) };

    SERVE_TRY(serve_encode_texts(request, &words, 1, CLIPC_TEXT_TRUNCATE,
                                 vector, NULL, NULL, err));
    put_clip(out, vector, request->model->info.dim);
    serve_puts(out, "}");
    return CLIPC_OK;
}

static clipc_status answer_image(serve_request *request, clipc_text bytes,
                                 float *vector, serve_buffer *out,
                                 clipc_error *err)
{
    clipc_image_info info = { .struct_size = sizeof info };
    clipc_image *image;

    SERVE_TRY(serve_read_image(request, bytes.data, bytes.len, &image, err));
    clipc_status status = clipc_image_get_info(image, &info, err);
    if (status == CLIPC_OK)
        status = serve_encode_images(request, &image, 1, vector, NULL, err);
    if (status == CLIPC_OK) {
        put_clip(out, vector, request->model->info.dim);
        serve_putf(out, ",\"imageHeight\":%zu,\"imageWidth\":%zu}",
                   info.height, info.width);
    }
    clipc_image_free(image);
    return status;
}

static clipc_status answer(serve_request *request, const parts *p,
                           const wish *w, serve_buffer *out, clipc_error *err)
{
    float *vector = malloc(request->model->info.dim * sizeof *vector);

    if (!vector)
        return serve_refuse_nomem(err);
    clipc_status status =
        w->visual ? answer_image(request, p->image, vector, out, err)
                  : answer_text(request, p->text, vector, out, err);
    free(vector);
    return status;
}

void serve_predict(serve_request *request, serve_response *response)
{
    clipc_error err = CLIPC_ERROR_INIT;
    parts p = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
    wish w = { 0 };
    clipc_status status = read_parts(&p, request, &err);

    if (status == CLIPC_OK)
        status = read_entries(&w, p.entries, request, &err);
    if (status != CLIPC_OK) {
        serve_fail_error(request, response, &err);
        return;
    }
    if (!w.ours && request->server->settings->immich_upstream) {
        serve_upstream_forward(request, "/predict", response);
    } else if (!w.clip) {
        serve_fail(request, response, 501, "unsupported",
                   "only the task clip is done here; --immich-upstream passes "
                   "others on");
    } else if (!w.ours) {
        serve_fail(
            request, response, 409, "not_found",
            "another model is served here: %s; --immich-upstream passes "
            "requests for others on",
            request->model->id);
    } else if (w.visual ? !p.image.data : !p.text.data) {
        serve_fail(request, response, 400, "argument", "no part \"%s\"",
                   w.visual ? "image" : "text");
    } else {
        response->content_type = "application/json";
        if (answer(request, &p, &w, &response->body, &err) != CLIPC_OK)
            serve_fail_error(request, response, &err);
    }
}

void serve_write_problem_immich(serve_response *response,
                                const serve_problem *problem)
{
    static const char *const inputs[] = { "format", "truncated", "utf8", "url",
                                          "too_long" };
    serve_problem p = *problem;

    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (p.status == 400 && strcmp(p.code, inputs[i]) == 0)
            p.status = 422;
    serve_write_problem_json(response, &p);
}
