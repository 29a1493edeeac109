/* SPDX-License-Identifier: MIT
 *
 * module.c - see module.h.
 */
#include "wasm/module.h"

#include <stdlib.h>

enum { ALIGNMENT = 64 }; /* of the tensors in a packed file */

struct module_session {
    void *files[MODULE_N_FILES]; /* the session's: the model refers to them */
    size_t bytes[MODULE_N_FILES];
    clipc_model *model;   /* NULL until module_open() */
    clipc_ctx *ctx;       /* the same */
    clipc_labels *labels; /* NULL until module_set_labels() */
};

static clipc_error failure = CLIPC_ERROR_INIT;

/* ---- memory -------------------------------------------------------------- */

void *module_alloc(size_t n_bytes)
{
    if (n_bytes > SIZE_MAX - ALIGNMENT)
        return NULL;
    return aligned_alloc(ALIGNMENT, (n_bytes / ALIGNMENT + 1) * ALIGNMENT);
}

void module_release(void *p)
{
    free(p);
}

const char *module_message(void)
{
    return failure.message;
}

/* ---- models -------------------------------------------------------------- */

module_session *module_create(void)
{
    return calloc(1, sizeof(module_session));
}

void module_destroy(module_session *s)
{
    if (!s)
        return;
    clipc_labels_free(s->labels);
    clipc_ctx_free(s->ctx);
    clipc_model_free(s->model);
    for (int i = 0; i < MODULE_N_FILES; i++)
        free(s->files[i]);
    free(s);
}

void module_put_file(module_session *s, unsigned file, void *data,
                     size_t n_bytes)
{
    if (s->model || file >= MODULE_N_FILES) {
        free(data);
        return;
    }
    free(s->files[file]);
    s->files[file] = data;
    s->bytes[file] = n_bytes;
}

int module_open(module_session *s, clipc_precision precision,
                size_t image_size)
{
    const clipc_model_files files = {
        .struct_size = sizeof files,
        .config = s->files[MODULE_CONFIG],
        .config_bytes = s->bytes[MODULE_CONFIG],
        .preprocessor_config = s->files[MODULE_PREPROCESSOR_CONFIG],
        .preprocessor_config_bytes = s->bytes[MODULE_PREPROCESSOR_CONFIG],
        .tokenizer_json = s->files[MODULE_TOKENIZER_JSON],
        .tokenizer_json_bytes = s->bytes[MODULE_TOKENIZER_JSON],
        .tokenizer_config = s->files[MODULE_TOKENIZER_CONFIG],
        .tokenizer_config_bytes = s->bytes[MODULE_TOKENIZER_CONFIG],
        .vocab_json = s->files[MODULE_VOCAB_JSON],
        .vocab_json_bytes = s->bytes[MODULE_VOCAB_JSON],
        .merges_txt = s->files[MODULE_MERGES_TXT],
        .merges_txt_bytes = s->bytes[MODULE_MERGES_TXT],
        .weights = s->files[MODULE_WEIGHTS],
        .weights_bytes = s->bytes[MODULE_WEIGHTS],
        .spiece_model = s->files[MODULE_SPIECE_MODEL],
        .spiece_model_bytes = s->bytes[MODULE_SPIECE_MODEL],
        .special_tokens_map = s->files[MODULE_SPECIAL_TOKENS_MAP],
        .special_tokens_map_bytes = s->bytes[MODULE_SPECIAL_TOKENS_MAP],
        .added_tokens = s->files[MODULE_ADDED_TOKENS],
        .added_tokens_bytes = s->bytes[MODULE_ADDED_TOKENS],
    };
    clipc_model_params model_params = clipc_model_params_default();
    clipc_ctx_params ctx_params = clipc_ctx_params_default();

    model_params.image_size = image_size;
    ctx_params.precision = precision;
    ctx_params.threads = 1;
    if (clipc_model_open_memory(&s->model, &files, &model_params, &failure))
        return 0;
    if (clipc_ctx_create(&s->ctx, s->model, &ctx_params, &failure)) {
        clipc_model_free(s->model);
        s->model = NULL;
        return 0;
    }
    return 1;
}

size_t module_dim(const module_session *s)
{
    return clipc_model_dim(s->model);
}

/* ---- texts --------------------------------------------------------------- */

int module_set_labels(module_session *s, const clipc_text *names, size_t n,
                      const clipc_text *templates, size_t n_templates,
                      unsigned text_flags)
{
    clipc_labels_params params = clipc_labels_params_default();
    clipc_labels *labels;

    params.templates = templates;
    params.n_templates = n_templates;
    params.text_flags = text_flags;
    if (clipc_labels_create(&labels, s->ctx, names, n, &params, &failure))
        return 0;
    clipc_labels_free(s->labels);
    s->labels = labels;
    return 1;
}

int module_embed_texts(module_session *s, const clipc_text *texts, size_t n,
                       float *embeddings, unsigned flags)
{
    return clipc_encode_texts(s->ctx, texts, n, embeddings, flags, &failure) ==
           CLIPC_OK;
}

/* ---- pictures ------------------------------------------------------------ */

/* An image for the session's model of [height, width, channels]: 3 are RGB; 4
 * are RGBA, of which A is dropped, in place. */
static clipc_status image_of(clipc_image **image, module_session *s,
                             uint8_t *pixels, size_t width, size_t height,
                             unsigned channels)
{
    clipc_image_params params = clipc_image_params_default();

    params.fit = s->model;
    for (size_t i = 1; channels == 4 && i < width * height; i++) {
        pixels[3 * i] = pixels[4 * i];
        pixels[3 * i + 1] = pixels[4 * i + 1];
        pixels[3 * i + 2] = pixels[4 * i + 2];
    }
    return clipc_image_from_rgb(image, pixels, width, height, 3 * width,
                                &params, &failure);
}

int module_embed_pixels(module_session *s, uint8_t *pixels, size_t width,
                        size_t height, unsigned channels, float *embedding,
                        unsigned flags)
{
    clipc_image *image;

    if (image_of(&image, s, pixels, width, height, channels))
        return 0;
    const clipc_status status =
        clipc_encode_images(s->ctx, &image, 1, embedding, flags, &failure);
    clipc_image_free(image);
    return status == CLIPC_OK;
}

int module_classify(module_session *s, uint8_t *pixels, size_t width,
                    size_t height, unsigned channels, size_t k,
                    clipc_result *results)
{
    clipc_image *image;

    if (image_of(&image, s, pixels, width, height, channels))
        return 0;
    const clipc_status status = clipc_classify(s->ctx, s->labels, &image, 1, k,
                                               results, &failure);
    clipc_image_free(image);
    return status == CLIPC_OK;
}
