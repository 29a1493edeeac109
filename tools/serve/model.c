/* SPDX-License-Identifier: MIT
 *
 * model.c - see model.h.
 */
#include "serve/model.h"

#include "common/model_labels.h"
#include "common/places.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct serve_models {
    const serve_settings *settings;
    clipc_progress_fn between;
    void *between_user;
    pthread_mutex_t mutex;
    serve_model *present;
    serve_model *opening; /* of the one thread that loads */
    uint64_t generation;
};

serve_models *serve_models_new(const serve_settings *settings,
                               clipc_progress_fn between, void *user)
{
    serve_models *models = calloc(1, sizeof *models);

    if (!models || pthread_mutex_init(&models->mutex, NULL) != 0) {
        free(models);
        return NULL;
    }
    models->settings = settings;
    models->between = between;
    models->between_user = user;
    return models;
}

static void free_model(serve_model *m)
{
    if (!m)
        return;
    clipc_labels_free(m->own.labels);
    clipc_ctx_free(m->labels_ctx);
    clipc_ctx_free(m->ctx);
    clipc_model_free(m->model);
    tool_lines_free(&m->label_names);
    tool_lines_free(&m->templates);
    free(m->id);
    free(m);
}

void serve_models_free(serve_models *models)
{
    if (!models)
        return;
    free_model(models->present);
    pthread_mutex_destroy(&models->mutex);
    free(models);
}

/* ---- names ------------------------------------------------------------- */

/* A path is known by its last part without ".clipc" and the like; an id as it
 * is, without its revision. */
static char *id_of(const serve_settings *settings)
{
    const char *name = settings->common.model;

    if (settings->served_name)
        return strdup(settings->served_name);
    if (!name)
        return strdup(TOOL_DEFAULT_MODEL);
    size_t n = strlen(name);
    while (n > 1 && name[n - 1] == '/')
        n--;
    char *id = malloc(n + 1);
    if (!id)
        return NULL;
    memcpy(id, name, n);
    id[n] = '\0';
    const char *slash = strchr(id, '/');
    bool is_path = id[0] == '/' || id[0] == '.' || access(name, F_OK) == 0 ||
                   (slash && strchr(slash + 1, '/'));
    if (!is_path) {
        id[strcspn(id, "@")] = '\0';
        return id;
    }
    const char *last = strrchr(id, '/');
    if (last && last[1])
        memmove(id, last + 1, strlen(last + 1) + 1);
    char *dot = strrchr(id, '.');
    if (dot && dot > id &&
        (strcmp(dot, ".clipc") == 0 || strcmp(dot, ".safetensors") == 0 ||
         strcmp(dot, ".bin") == 0))
        *dot = '\0';
    return id;
}

bool serve_model_is(const serve_model *model, const char *name, size_t n)
{
    const char *last = strrchr(model->id, '/');

    if (strlen(model->id) == n && memcmp(model->id, name, n) == 0)
        return true;
    return last && strlen(last + 1) == n && memcmp(last + 1, name, n) == 0;
}

const char *serve_model_scoring(const serve_model *model)
{
    return model->info.scoring == CLIPC_SCORING_SIGMOID ? "sigmoid"
                                                        : "softmax";
}

static const char *precision_of(const serve_model *m,
                                const serve_settings *settings)
{
    static const char packed[] = "packed ";

    switch (settings->common.ctx.precision) {
    case CLIPC_PRECISION_BF16: return "bf16";
    case CLIPC_PRECISION_INT8: return "int8";
    default: break;
    }
    return strncmp(m->info.dtype, packed, sizeof packed - 1) == 0
               ? m->info.dtype + sizeof packed - 1
               : "f32";
}

/* ---- loading ----------------------------------------------------------- */

static bool load_texts(serve_model *m, const serve_settings *settings)
{
    const char *labels = settings->labels;

    if (!labels)
        labels = tool_model_labels(m->model);
    return labels &&
           tool_named_read(&m->label_names, TOOL_LABELS, "--labels", labels,
                           settings->common.data_dir) &&
           (!settings->templates_file ||
            tool_templates_read(&m->templates, settings->templates_file,
                                settings->common.data_dir));
}

static bool make_labels(serve_model *m, const serve_settings *settings)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_labels_params params = clipc_labels_params_default();
    char *cache = tool_label_cache();

    params.templates = m->templates.items;
    params.n_templates = m->templates.n;
    params.cache_dir = cache;
    params.text_flags = settings->common.text_flags;
    if (clipc_labels_create(&m->own.labels, m->ctx, m->label_names.items,
                            m->label_names.n, &params, &err) != CLIPC_OK)
        tool_say("%s", err.message);
    m->own.n = m->label_names.n;
    free(cache);
    return m->own.labels;
}

/* Computes once: weights are packed, memory is there, and a machine that
 * cannot compute says so before the first request. */
static bool warm_up(serve_model *m)
{
    static const uint8_t grey[3] = { 128, 128, 128 };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image_params params = clipc_image_params_default();
    clipc_image *image = NULL;
    float *embedding = malloc(m->info.dim * sizeof *embedding);
    const clipc_text text = CLIPC_TEXT("a");
    clipc_status status = CLIPC_OK;

    params.fit = m->model;
    if (!embedding) {
        tool_say("out of memory");
        return false;
    }
    if (m->info.has_vision) {
        status = clipc_image_from_rgb(&image, grey, 1, 1, 3, &params, &err);
        if (status == CLIPC_OK)
            status = clipc_encode_images(m->ctx, &image, 1, embedding, 0,
                                         &err);
    }
    if (status == CLIPC_OK && m->info.has_text)
        status = clipc_encode_texts(m->ctx, &text, 1, embedding, 0, &err);
    /* A model of random numbers may give a zero vector to a grey picture. */
    if (status == CLIPC_ERR_NUMERIC)
        status = CLIPC_OK;
    if (status != CLIPC_OK)
        tool_say("%s", err.message);
    clipc_image_free(image);
    free(embedding);
    return status == CLIPC_OK;
}

static serve_model *open_model(serve_models *models)
{
    const serve_settings *settings = models->settings;
    const tool_common *common = &settings->common;
    clipc_ctx_params params = common->ctx;
    serve_model *m = calloc(1, sizeof *m);

    models->opening = m;
    if (!m) {
        tool_say("out of memory");
        return NULL;
    }
    m->info.struct_size = sizeof m->info;
    m->model = tool_model_open(common->model, common->data_dir,
                               common->image_size, common->adapter);
    params.packing = CLIPC_PACKING_ALWAYS;
    if (m->model)
        m->ctx = tool_ctx_create(m->model, &params);
    params.progress = models->between;
    params.progress_user = models->between_user;
    if (m->ctx)
        m->labels_ctx = tool_ctx_create(m->model, &params);
    if (m->labels_ctx) {
        (void)clipc_model_get_info(m->model, &m->info, NULL);
        m->precision = precision_of(m, settings);
        m->context_length = params.context_length ? params.context_length
                                                  : m->info.context_length;
        m->id = id_of(settings);
        m->opened_s = (int64_t)time(NULL);
        if (m->id &&
            (!m->info.has_text ||
             (load_texts(m, settings) && make_labels(m, settings))) &&
            warm_up(m))
            return m;
    }
    return NULL;
}

/* The programs' helpers end the program when they have no memory for a name or
 * a list. A server goes on with the model it has: what a helper had in its
 * hands is lost. */
static _Thread_local jmp_buf out_of_helpers;

static void leave_helpers(void)
{
    longjmp(out_of_helpers, 1);
}

bool serve_models_load(serve_models *models)
{
    serve_model *m = NULL, *before;

    tool_on_no_memory(leave_helpers);
    if (setjmp(out_of_helpers) == 0)
        m = open_model(models);
    else
        m = NULL;
    tool_on_no_memory(NULL);
    if (!m) {
        free_model(models->opening);
        return false;
    }
    pthread_mutex_lock(&models->mutex);
    before = models->present;
    m->generation = ++models->generation;
    m->references = 1; /* the holder's */
    models->present = m;
    pthread_mutex_unlock(&models->mutex);
    serve_model_drop(models, before);
    return true;
}

serve_model *serve_model_take(serve_models *models)
{
    pthread_mutex_lock(&models->mutex);
    serve_model *m = models->present;
    if (m)
        m->references++;
    pthread_mutex_unlock(&models->mutex);
    return m;
}

void serve_model_drop(serve_models *models, serve_model *m)
{
    if (!m)
        return;
    pthread_mutex_lock(&models->mutex);
    bool last = --m->references == 0;
    pthread_mutex_unlock(&models->mutex);
    if (last)
        free_model(m);
}
