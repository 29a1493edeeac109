/* SPDX-License-Identifier: MIT
 *
 * encode.c - see encode.h.
 */
#include "serve/encode.h"

#include "common/model_labels.h"
#include "serve/server.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_TEMPLATES = 100 };

/* Of formats that cannot stream, for each picture that is decoded at once. */
#define MAX_DECODE_BYTES ((size_t)256 << 20)

/* ---- pictures ---------------------------------------------------------- */

static clipc_image_params params_of(const serve_request *request)
{
    const serve_settings *settings = request->server->settings;
    clipc_image_params params = settings->common.read.image;

    params.fit = request->model->model;
    params.auto_orient = params.auto_orient || request->upright;
    params.max_decode_bytes = MAX_DECODE_BYTES;
    return params;
}

/* A picture from bytes has no name; the library calls it "(memory)". It gets
 * the name, or none where that is NULL. */
static void rename_picture(const char *name, clipc_error *err)
{
    static const char library[] = "(memory): ";
    const size_t n = sizeof library - 1;
    char message[sizeof err->message];

    if (strncmp(err->message, library, n) != 0)
        return;
    memcpy(message, err->message, sizeof message);
    (void)serve_refuse_at(err, err->code, err->offset, "%s%s%s",
                          name ? name : "", name ? ": " : "", message + n);
}

/* Decodes behind the gate: each decoder may take MAX_DECODE_BYTES. fetch_us:
 * what the transfer took. */
static clipc_status decode(serve_request *request, const void *data,
                           size_t n_bytes, const clipc_image_params *params,
                           int64_t fetch_us, clipc_image **image,
                           clipc_error *err)
{
    serve_server *server = request->server;
    clipc_status status = serve_gate_enter(&server->decoding, request, err);

    if (status != CLIPC_OK)
        return status;
    int64_t begun = serve_now_us();
    status = clipc_image_read_memory(image, data, n_bytes, params, err);
    serve_gate_leave(&server->decoding);
    int64_t us = serve_now_us() - begun;
    request->timing.decode += us;
    serve_metrics_image(server->metrics, status, fetch_us + us);
    return status;
}

clipc_status serve_read_image(serve_request *request, const void *data,
                              size_t n_bytes, clipc_image **image,
                              clipc_error *err)
{
    serve_server *server = request->server;
    clipc_image_params params = params_of(request);

    *image = NULL;
    if (n_bytes == 0)
        return serve_refuse(err, CLIPC_ERR_FORMAT, "the picture is empty");
    params.max_bytes = server->settings->common.read.max_bytes;
    if (!params.max_bytes)
        params.max_bytes = server->settings->max_body;
    clipc_status status = decode(request, data, n_bytes, &params, 0, image,
                                 err);
    if (status != CLIPC_OK)
        rename_picture(NULL, err);
    return status;
}

/* ---- pictures at URLs -------------------------------------------------- */

static int on_transfer(void *user, const clipc_progress *progress)
{
    clipc_error err = CLIPC_ERROR_INIT;

    (void)progress;
    return serve_request_over(user, &err) != CLIPC_OK;
}

/* The bytes at the URL; free(). */
static clipc_status fetch(serve_request *request, const char *url,
                          clipc_image_params *params, void **data,
                          size_t *n_bytes, clipc_error *err)
{
    const serve_settings *settings = request->server->settings;

    params->max_bytes = settings->common.read.max_bytes;
    params->private_hosts = settings->allow_private ? CLIPC_PRIVATE_ALLOW
                                                    : CLIPC_PRIVATE_DENY;
    params->progress = on_transfer;
    params->progress_user = request;
    clipc_status status = clipc_image_fetch_url(data, n_bytes, url, params,
                                                err);
    if (status == CLIPC_ERR_URL_BLOCKED) /* the library names its parameter */
        return serve_refuse(err, status,
                            "the URL leads to a private, loopback or reserved "
                            "address; the server opens such URLs with "
                            "--allow-private");
    if (status == CLIPC_ERR_CANCELLED)
        status = serve_request_over(request, err); /* says which */
    return status;
}

/* Fetches and decodes, within the gate for URLs: the bytes are counted by its
 * places until they are decoded. */
static clipc_status read_url(serve_request *request, const char *url,
                             clipc_image **image, clipc_error *err)
{
    clipc_image_params params = params_of(request);
    int64_t begun = serve_now_us();
    size_t n_bytes;
    void *data;
    clipc_status status = fetch(request, url, &params, &data, &n_bytes, err);
    int64_t us = serve_now_us() - begun;

    request->timing.fetch += us;
    if (status != CLIPC_OK) {
        serve_metrics_image(request->server->metrics, status, us);
        return status;
    }
    status = decode(request, data, n_bytes, &params, us, image, err);
    if (status != CLIPC_OK) /* of a data: URL the text is the picture */
        rename_picture(strncasecmp(url, "data:", 5) == 0 ? NULL : url, err);
    free(data);
    return status;
}

clipc_status serve_read_url(serve_request *request, const char *url,
                            clipc_image **image, clipc_error *err)
{
    serve_server *server = request->server;

    *image = NULL;
    if (server->settings->no_urls)
        return serve_refuse(err, CLIPC_ERR_URL_BLOCKED,
                            "this server opens no URLs (--no-urls)");
    clipc_status status = serve_gate_enter(&server->fetching, request, err);
    if (status != CLIPC_OK)
        return status;
    status = read_url(request, url, image, err);
    serve_gate_leave(&server->fetching);
    return status;
}

/* ---- jobs -------------------------------------------------------------- */

/* Runs jobs, and forwards the first failure among them. */
static clipc_status run(serve_request *request, serve_job *jobs, size_t n,
                        size_t *failed, clipc_error *err)
{
    clipc_status status = serve_batcher_run(request->server->batcher, request,
                                            jobs, n, err);

    for (size_t i = 0; i < n && status == CLIPC_OK; i++) {
        status = jobs[i].err.code;
        if (status == CLIPC_OK)
            continue;
        *err = jobs[i].err;
        if (failed)
            *failed = i;
    }
    return status;
}

static serve_job *new_jobs(serve_request *request, serve_job_kind kind,
                           size_t n, float *embeddings, clipc_error *err)
{
    serve_job *jobs = calloc(n ? n : 1, sizeof *jobs);

    if (!jobs) {
        (void)serve_refuse(err, CLIPC_ERR_NOMEM, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        jobs[i].kind = kind;
        jobs[i].model = request->model;
        jobs[i].embedding = embeddings + i * request->model->info.dim;
    }
    return jobs;
}

clipc_status serve_encode_images(serve_request *request,
                                 clipc_image *const *images, size_t n,
                                 float *embeddings, size_t *failed,
                                 clipc_error *err)
{
    serve_job *jobs = new_jobs(request, SERVE_JOB_IMAGE, n, embeddings, err);

    if (!jobs)
        return err->code;
    for (size_t i = 0; i < n; i++)
        jobs[i].image = images[i];
    clipc_status status = run(request, jobs, n, failed, err);
    request->n_images += n;
    free(jobs);
    return status;
}

/* Counts tokens here, on the connection's thread: what is wrong with a text is
 * known before the text is queued. */
static clipc_status check_text(const serve_request *request, clipc_text text,
                               unsigned flags, size_t *n_tokens,
                               clipc_error *err)
{
    const serve_model *model = request->model;
    clipc_status status = clipc_tokenize(model->model, text, NULL, 0, n_tokens,
                                         flags, err);

    if (status != CLIPC_OK || *n_tokens <= model->context_length)
        return status;
    if (!(flags & CLIPC_TEXT_TRUNCATE))
        return serve_refuse(err, CLIPC_ERR_TOO_LONG,
                            "the text has %zu tokens, the model reads at "
                            "most %zu",
                            *n_tokens, model->context_length);
    *n_tokens = model->context_length;
    return CLIPC_OK;
}

clipc_status serve_encode_texts(serve_request *request,
                                const clipc_text *texts, size_t n,
                                unsigned flags, float *embeddings,
                                size_t *n_tokens, size_t *failed,
                                clipc_error *err)
{
    clipc_status status = CLIPC_OK;
    serve_job *jobs = new_jobs(request, SERVE_JOB_TEXT, n, embeddings, err);

    if (!jobs)
        return err->code;
    flags |= request->server->settings->common.text_flags;
    for (size_t i = 0; i < n && status == CLIPC_OK; i++) {
        size_t tokens = 0;
        jobs[i].text = texts[i];
        jobs[i].flags = flags;
        status = check_text(request, texts[i], flags, &tokens, err);
        if (n_tokens)
            n_tokens[i] = tokens;
        if (status != CLIPC_OK && failed)
            *failed = i;
    }
    if (status == CLIPC_OK)
        status = run(request, jobs, n, failed, err);
    request->n_texts += n;
    free(jobs);
    return status;
}

clipc_status serve_classify_image(serve_request *request, clipc_image *image,
                                  const serve_label_set *set, size_t k,
                                  clipc_result *results, clipc_error *err)
{
    serve_job job = { .kind = SERVE_JOB_IMAGE,
                      .model = request->model,
                      .image = image,
                      .labels = set->labels,
                      .k = k,
                      .results = results };

    request->n_images++;
    return run(request, &job, 1, NULL, err);
}

/* ---- labels ------------------------------------------------------------ */

static clipc_status check_templates(const clipc_text *templates, size_t n,
                                    clipc_error *err)
{
    if (n > MAX_TEMPLATES)
        return serve_refuse(err, CLIPC_ERR_LIMIT,
                            "%zu templates, at most %d are taken", n,
                            MAX_TEMPLATES);
    for (size_t i = 0; i < n; i++)
        if (!tool_template_good(templates[i].data, templates[i].len))
            return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                                "template %zu must have exactly one {}, "
                                "where the label goes",
                                i + 1);
    return CLIPC_OK;
}

clipc_status serve_labels(serve_request *request, const clipc_text *names,
                          size_t n_names, const clipc_text *templates,
                          size_t n_templates, serve_label_set **set,
                          clipc_error *err)
{
    const serve_settings *settings = request->server->settings;
    serve_model *model = request->model;
    serve_label_texts texts = { .names = names,
                                .n_names = n_names,
                                .templates = templates,
                                .n_templates = n_templates,
                                .text_flags = settings->common.text_flags };

    *set = NULL;
    if (!model->info.has_text)
        return serve_refuse(err, CLIPC_ERR_UNSUPPORTED,
                            "the model has no text tower: labels cannot "
                            "be encoded");
    if (n_names > settings->max_labels)
        return serve_refuse(err, CLIPC_ERR_LIMIT,
                            "%zu labels, --max-labels allows %zu", n_names,
                            settings->max_labels);
    clipc_status status = check_templates(templates, n_templates, err);
    if (status != CLIPC_OK)
        return status;
    if (n_names == 0 && n_templates == 0) {
        *set = &model->own;
        return CLIPC_OK;
    }
    if (n_names == 0) {
        texts.names = model->label_names.items;
        texts.n_names = model->label_names.n;
    }
    for (size_t i = 0; i < texts.n_names; i++)
        if (tool_is_white(texts.names[i].data, texts.names[i].len))
            return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                                "label %zu has no text", i + 1);
    return serve_label_set_get(request->server->label_cache, request, &texts,
                               set, err);
}

clipc_status serve_labels_named(serve_request *request, const char *name,
                                const clipc_text *templates,
                                size_t n_templates, serve_label_set **set,
                                clipc_error *err)
{
    const tool_lines *lines = serve_lists_find(&request->server->lists,
                                               TOOL_LABELS, name);

    *set = NULL;
    if (!lines)
        return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                            "no built-in list of labels has the name; "
                            "there are " TOOL_LABEL_LISTS);
    return serve_labels(request, lines->items, lines->n, templates,
                        n_templates, set, err);
}

/* ---- the end of the work ----------------------------------------------- */

void serve_leave(serve_request *request)
{
    if (request->admitted)
        serve_gate_leave(&request->server->admitted);
    request->admitted = false;
}
