/* SPDX-License-Identifier: MIT
 *
 * inspect_arrays.c - `clipc-inspect pixels` and `embed`: NumPy arrays of
 * the image tower's input and of embeddings.
 */
#include "common/npy.h"
#include "inspect/inspect.h"
#include "pictures/sources.h"

#include <stdlib.h>
#include <string.h>

static int write_array(const tool_inspection *set, const tool_array *array)
{
    char message[256];

    if (tool_npy_write(set->out, array, message))
        return TOOL_OK;
    if (message[0])
        tool_say("%s: %s",
                 set->out ? tool_shown_name(set->out).text : "standard output",
                 message);
    return TOOL_FAILED;
}

static int stop_on_signal(void *user, const clipc_progress *progress)
{
    (void)user, (void)progress;
    return tool_interrupted();
}

static clipc_image *read_image(const char *name, bool listed,
                               const clipc_model *fit,
                               const tool_inspection *set)
{
    clipc_error err = CLIPC_ERROR_INIT;
    tool_read_params params = set->common.read;
    char *copy = tool_format("%s", name);
    tool_source source = { .name = copy, .listed = listed };
    clipc_image *image;

    params.image.fit = fit;
    params.image.fit_published = 1; /* without a model */
    params.image.progress = stop_on_signal;
    if (tool_source_read(&image, &source, &params, &err) != CLIPC_OK)
        tool_say_failure(name, err.message);
    free(copy);
    return image;
}

/* ---- pixels ------------------------------------------------------------ */

int tool_inspect_pixels(const clipc_model *model, const tool_inspection *set)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_info properties = { .struct_size = sizeof properties,
                                    .image_size = 224 };
    clipc_image *image = read_image(set->images.items[0], false, model, set);
    clipc_status status;

    if (!image)
        return TOOL_FAILED;
    if (model)
        (void)clipc_model_get_info(model, &properties, NULL);
    size_t side = properties.image_size;
    tool_array array = { .descr = set->u8 ? "|u1" : "<f4",
                         .element_bytes = set->u8 ? 1 : 4,
                         .rank = 3,
                         .shape = { 3, side, side } };
    void *pixels = tool_grow(NULL, 3 * side * side, array.element_bytes);
    if (set->u8)
        status = clipc_preprocess_u8(model, &image, 1, pixels, &err);
    else
        status = clipc_preprocess(model, &image, 1, pixels, &err);
    array.data = pixels;
    int result = TOOL_FAILED;
    if (status == CLIPC_OK)
        result = write_array(set, &array);
    else
        tool_say_failure(set->images.items[0], err.message);
    free(pixels);
    clipc_image_free(image);
    return result;
}

/* ---- embeddings -------------------------------------------------------- */

clipc_ctx *tool_inspect_ctx(const clipc_model *model,
                            const tool_inspection *set)
{
    clipc_ctx_params params = set->common.ctx;

    params.progress = stop_on_signal;
    return tool_ctx_create(model, &params);
}

bool tool_inspect_images(clipc_ctx *ctx, const clipc_model *model,
                         const tool_inspection *set, const tool_list *names,
                         size_t n_typed, float *embeddings, unsigned flags)
{
    size_t n = names->n, n_read = 0;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image **images = tool_grow(NULL, n, sizeof *images);
    bool good = true;

    for (; n_read < n && !tool_interrupted(); n_read++) {
        images[n_read] = read_image(names->items[n_read], n_read >= n_typed,
                                    model, set);
        good &= images[n_read] != NULL;
    }
    if (good && n_read == n &&
        clipc_encode_images(ctx, images, n, embeddings, flags, &err) !=
            CLIPC_OK) {
        if (!tool_interrupted())
            tool_say("%s", err.message);
        good = false;
    }
    for (size_t i = 0; i < n_read; i++)
        clipc_image_free(images[i]);
    free(images);
    return good && n_read == n;
}

bool tool_inspect_texts(clipc_ctx *ctx, const tool_inspection *set,
                        const clipc_text *texts, size_t n, float *embeddings,
                        unsigned flags)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_status status = clipc_encode_texts(ctx, texts, n, embeddings,
                                             flags | set->common.text_flags,
                                             &err);

    if (status != CLIPC_OK && !tool_interrupted()) {
        tool_say("%s", err.message);
        if (status == CLIPC_ERR_TOO_LONG)
            tool_say("--truncate cuts texts that are too long");
    }
    return status == CLIPC_OK;
}

static bool embed_texts(clipc_ctx *ctx, const tool_inspection *set,
                        float *embeddings, unsigned flags)
{
    size_t n = set->texts.n;
    clipc_text *texts = tool_grow(NULL, n, sizeof *texts);

    for (size_t i = 0; i < n; i++) {
        texts[i].data = set->texts.items[i];
        texts[i].len = strlen(texts[i].data);
    }
    bool good = tool_inspect_texts(ctx, set, texts, n, embeddings, flags);
    free(texts);
    return good;
}

int tool_inspect_embed(const clipc_model *model, const tool_inspection *set)
{
    clipc_model_info properties = { .struct_size = sizeof properties };
    size_t n = set->images.n ? set->images.n : set->texts.n;
    unsigned flags = set->raw ? CLIPC_EMBED_RAW : 0;

    (void)clipc_model_get_info(model, &properties, NULL);
    clipc_ctx *ctx = tool_inspect_ctx(model, set);
    if (!ctx)
        return TOOL_NO_MODEL;
    tool_array array = { .descr = "<f4",
                         .element_bytes = 4,
                         .rank = 2,
                         .shape = { n, properties.dim } };
    float *embeddings = tool_grow(NULL, n, properties.dim * sizeof(float));
    bool good = set->images.n
                    ? tool_inspect_images(ctx, model, set, &set->images,
                                          set->images.n, embeddings, flags)
                    : embed_texts(ctx, set, embeddings, flags);
    array.data = embeddings;
    int status = good ? write_array(set, &array) : TOOL_FAILED;
    free(embeddings);
    clipc_ctx_free(ctx);
    return status;
}
