/* SPDX-License-Identifier: MIT
 *
 * encode.c - token ids and embeddings: check the arguments, cut the work in
 * chunks that bound the scratch memory, call the towers, scale to unit length.
 */
#include "api/encode.h"
#include "api/scores.h"
#include "image/normalize.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    IMAGE_CHUNK = 8, /* images preprocessed and encoded at a time, at least */
    THREAD_IMAGES = 4, /* for each thread: rows for a lane of its own */
    TEXT_CHUNK = 256   /* texts tokenised and encoded at a time */
};

/* Pixels of a chunk, at most, unless one image has more. */
#define CHUNK_BYTES ((size_t)128 << 20)

/* Images of a call of n that are encoded together. */
static size_t image_chunk(const clipc_ctx *ctx, size_t n, size_t pixel_floats)
{
    const size_t most = CHUNK_BYTES / (pixel_floats * sizeof(float));
    size_t chunk = IMAGE_CHUNK;

    if (n > chunk && THREAD_IMAGES * clipc_pool_size(ctx->engine.pool) > chunk)
        chunk = THREAD_IMAGES * clipc_pool_size(ctx->engine.pool);
    return most == 0 ? 1 : most < chunk ? most : chunk;
}

/* ---- texts ------------------------------------------------------------- */

clipc_text clipc_text_from(const char *string)
{
    return (clipc_text){ string, string ? strlen(string) : 0 };
}

/* ---- tokens ------------------------------------------------------------ */

/* Unknown bits are refused; known bits that a call does not use are
 * ignored. */
static clipc_status check_flags(unsigned flags, clipc_error *err)
{
    const unsigned known = CLIPC_TEXT_TRUNCATE | CLIPC_TEXT_SPECIALS_PLAIN |
                           CLIPC_EMBED_RAW | CLIPC_TEXT_LOWERCASE;
    if (flags & ~known)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "flags 0x%x: no such bits", flags & ~known);
    return CLIPC_OK;
}

clipc_status clipc_tokenize(const clipc_model *model, clipc_text text,
                            int32_t *ids, size_t capacity, size_t *n_ids,
                            unsigned flags, clipc_error *err)
{
    const clipc_tokenizer *tokenizer;
    clipc_ids list = { 0 };

    if (n_ids)
        *n_ids = 0;
    if (!model || !n_ids || (!ids && capacity) || (!text.data && text.len))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "clipc_tokenize: an argument is NULL");
    CLIPC_TRY(check_flags(flags, err));
    CLIPC_TRY(clipc_model_need_text(model, err));
    CLIPC_TRY(
        clipc_model_tokenizer(clipc_model_shared(model), &tokenizer, err));
    size_t max_ids = flags & CLIPC_TEXT_TRUNCATE ? model->config.context_length
                                                 : 0;
    clipc_status status = clipc_tokenizer_encode(tokenizer, text, max_ids,
                                                 flags, &list, err);
    if (status == CLIPC_OK && clipc_config_pads_texts(&model->config))
        status =
            clipc_tokenizer_pad(tokenizer, &list, 0,
                                clipc_tokenizer_padded(tokenizer,
                                                       model->config
                                                           .context_length),
                                err);
    if (status == CLIPC_OK) {
        size_t copied = list.n < capacity ? list.n : capacity;
        if (copied)
            memcpy(ids, list.ids, copied * sizeof *ids);
        *n_ids = list.n;
    }
    free(list.ids);
    return status;
}

/* ---- embeddings -------------------------------------------------------- */

static bool finite_not_zero(const float *v, size_t dim)
{
    bool any = false;
    for (size_t i = 0; i < dim; i++) {
        if (!isfinite(v[i]))
            return false;
        any = any || v[i] != 0.0f;
    }
    return any;
}

/* Scales rows to unit length, or checks them alone (CLIPC_EMBED_RAW). *bad:
 * the row that fails, else n. */
static clipc_status finish_embeddings(float *embeddings, size_t n, size_t dim,
                                      size_t first, unsigned flags,
                                      const char *what, size_t *bad,
                                      clipc_error *err)
{
    for (*bad = 0; *bad < n; ++*bad) {
        float *v = embeddings + *bad * dim;
        if (!(flags & CLIPC_EMBED_RAW ? finite_not_zero(v, dim)
                                      : clipc_unit(v, dim)))
            return clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                              "%s %zu: the embedding is zero or not finite: "
                              "the model's weights are damaged, or its "
                              "numbers overflow",
                              what, first + *bad);
    }
    return CLIPC_OK;
}

/* The tower's weights for the next pass: as they are stored, or packed in
 * memory where ctx->packing says so. */
static const clipc_tower_weights *
packed_tower(clipc_ctx *ctx, const clipc_tower_weights *weights, bool text)
{
    clipc_model *model = ctx->model;
    bool made;

    if (ctx->engine.linear.gemm != CLIPC_GEMM_NATIVE)
        return weights;
    const clipc_tower_weights *packed =
        clipc_prepack_use(text ? &model->packed_text : &model->packed_vision,
                          weights,
                          text ? model->config.text.n_layers
                               : model->config.vision.n_layers,
                          ctx->engine.precision, ctx->packing,
                          model->checkpoint, &ctx->engine.linear.kernels,
                          ctx->engine.pool, &ctx->engine.cancel, &made);
    if (made)
        clipc_checkpoint_forget(model->checkpoint, text);
    return packed;
}

/* An embedding of no use comes from such pixels, or from the model. */
static clipc_status check_pixels(const float *pixels, size_t n, size_t image,
                                 clipc_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(pixels[i]))
            return clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                              "the pixels of image %zu are not finite", image);
    return CLIPC_OK;
}

static clipc_status encode_pixels(clipc_ctx *ctx, const float *pixels,
                                  size_t n, float *embeddings, size_t first,
                                  unsigned flags, clipc_error *err)
{
    const clipc_vision_weights *stored;
    size_t bad;

    CLIPC_TRY(clipc_checkpoint_vision(ctx->model->checkpoint, &stored, err));
    clipc_vision_weights weights = *stored;
    weights.tower = *packed_tower(ctx, &stored->tower, false);
    clipc_status status = clipc_vision_forward(&ctx->engine,
                                               &ctx->model->config, &weights,
                                               pixels, n, embeddings, err);
    if (status == CLIPC_ERR_CANCELLED)
        return clipc_ctx_cancelled(ctx, err);
    CLIPC_TRY(status);
    status = finish_embeddings(embeddings, n,
                               ctx->model->config.projection_dim, first, flags,
                               "image", &bad, err);
    if (status == CLIPC_ERR_NUMERIC) {
        const size_t side = ctx->model->config.image_size;
        CLIPC_TRY(check_pixels(pixels + bad * 3 * side * side, 3 * side * side,
                               first + bad, err));
    }
    return status;
}

clipc_status clipc_encode_pixels(clipc_ctx *ctx, const float *pixels, size_t n,
                                 float *embeddings, unsigned flags,
                                 clipc_error *err)
{
    CLIPC_TRY(clipc_ctx_check(ctx, err));
    if (n && (!pixels || !embeddings))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "clipc_encode_pixels: an argument is NULL");
    CLIPC_TRY(check_flags(flags, err));
    CLIPC_TRY(clipc_model_need_vision(ctx->model, err));
    const clipc_config *config = &ctx->model->config;
    size_t pixel_floats = 3 * config->image_size * config->image_size;
    const size_t chunk = image_chunk(ctx, n, pixel_floats);

    clipc_ctx_begin(ctx, "images", n);
    for (size_t done = 0; done < n;) {
        size_t count = n - done < chunk ? n - done : chunk;
        CLIPC_TRY(encode_pixels(ctx, pixels + done * pixel_floats, count,
                                embeddings + done * config->projection_dim,
                                done, flags, err));
        done += count;
        CLIPC_TRY(clipc_ctx_report(ctx, done, err));
    }
    return CLIPC_OK;
}

/* Images to ctx->pixels, split over the pool. */
typedef struct pixel_task {
    const clipc_ctx *ctx;
    clipc_image *const *images; /* [n] */
    size_t n, pixel_floats;
    atomic_bool failed;
} pixel_task;

static clipc_status preprocess(const pixel_task *task, size_t i,
                               clipc_error *err)
{
    const clipc_model *model = task->ctx->model;
    return clipc_preprocess_image(&model->preprocess, &model->normalizer,
                                  task->images[i],
                                  task->ctx->pixels + i * task->pixel_floats,
                                  err);
}

static void preprocess_part(void *arg, unsigned thread, unsigned n_threads)
{
    pixel_task *task = arg;
    size_t begin, end;

    clipc_split(task->n, thread, n_threads, &begin, &end);
    for (size_t i = begin; i < end; i++)
        if (preprocess(task, i, NULL) != CLIPC_OK)
            atomic_store(&task->failed, true);
}

static clipc_status preprocess_all(pixel_task *task, clipc_error *err)
{
    if (task->n > 1) {
        clipc_pool_run(task->ctx->engine.pool, preprocess_part, task);
        if (!atomic_load(&task->failed))
            return CLIPC_OK;
    }
    for (size_t i = 0; i < task->n; i++) /* the first failure is reported */
        CLIPC_TRY(preprocess(task, i, err));
    return CLIPC_OK;
}

clipc_status clipc_encode_images(clipc_ctx *ctx, clipc_image *const *images,
                                 size_t n, float *embeddings, unsigned flags,
                                 clipc_error *err)
{
    CLIPC_TRY(clipc_ctx_check(ctx, err));
    if (n && (!images || !embeddings))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "clipc_encode_images: an argument is NULL");
    CLIPC_TRY(check_flags(flags, err));
    CLIPC_TRY(clipc_model_need_vision(ctx->model, err));
    const clipc_model *model = ctx->model;
    size_t image_size = model->config.image_size;
    size_t pixel_floats = 3 * image_size * image_size;

    for (size_t i = 0; i < n; i++) {
        if (!images[i])
            return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                              "images[%zu] is NULL", i);
        CLIPC_TRY(clipc_preprocess_check(&model->preprocess, images[i],
                                         image_size, model->preprocess_source,
                                         err));
    }
    if (n == 0)
        return CLIPC_OK;
    const size_t chunk = image_chunk(ctx, n, pixel_floats);
    CLIPC_TRY(clipc_scratch_grow(&ctx->pixels, &ctx->pixels_capacity,
                                 (n < chunk ? n : chunk) * pixel_floats, err));
    clipc_ctx_begin(ctx, "images", n);
    for (size_t done = 0; done < n;) {
        size_t count = n - done < chunk ? n - done : chunk;
        pixel_task task = { ctx, images + done, count, pixel_floats, false };
        CLIPC_TRY(preprocess_all(&task, err));
        CLIPC_TRY(
            encode_pixels(ctx, ctx->pixels, count,
                          embeddings + done * model->config.projection_dim,
                          done, flags, err));
        done += count;
        CLIPC_TRY(clipc_ctx_report(ctx, done, err));
    }
    return CLIPC_OK;
}

/* Adds the text's number to the message of an error. */
static clipc_status name_text(clipc_status status, size_t i, clipc_error *err)
{
    char message[sizeof err->message];

    if (!err || err->struct_size < sizeof *err ||
        (status != CLIPC_ERR_UTF8 && status != CLIPC_ERR_LIMIT))
        return status;
    memcpy(message, err->message, sizeof message);
    return clipc_fail(err, status, err->offset, "text %zu: %s", i, message);
}

/* Writes the ids of texts [first, first + n) of the batch to ctx->ids, and the
 * place where each text's begin to ctx->starts. */
static clipc_status tokenize_chunk(clipc_ctx *ctx,
                                   const clipc_tokenizer *tokenizer,
                                   const clipc_text_batch *batch, size_t first,
                                   size_t n, clipc_text_fault *fault,
                                   clipc_error *err)
{
    const clipc_config *config = &ctx->model->config;
    const size_t context = ctx->context_length;
    const size_t most = batch->flags & CLIPC_TEXT_TRUNCATE ? context : 0;

    ctx->ids.n = 0;
    for (size_t i = 0; i < n && !clipc_cancelled(&ctx->engine.cancel); i++) {
        const clipc_text text = batch->texts[first + i];
        const size_t number = batch->n_before + first + i;
        ctx->starts[i] = ctx->ids.n;
        fault->text = first + i;
        if (!text.data && text.len)
            return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                              "texts[%zu].data is NULL", number);
        clipc_status status = clipc_tokenizer_encode(tokenizer, text, most,
                                                     batch->flags, &ctx->ids,
                                                     err);
        if (status != CLIPC_OK)
            return name_text(status, number, err);
        fault->n_tokens = ctx->ids.n - ctx->starts[i];
        if (fault->n_tokens > context)
            return clipc_fail(err, CLIPC_ERR_TOO_LONG, -1,
                              "text %zu (\"%s\") has %zu tokens, the "
                              "context length is %zu",
                              number, clipc_quote_start(text).text,
                              fault->n_tokens, context);
        if (clipc_config_pads_texts(config))
            CLIPC_TRY(clipc_tokenizer_pad(
                tokenizer, &ctx->ids, ctx->starts[i],
                clipc_tokenizer_padded(tokenizer, config->context_length),
                err));
    }
    fault->text = batch->n;
    if (clipc_cancelled(&ctx->engine.cancel))
        return clipc_ctx_cancelled(ctx, err);
    ctx->starts[n] = ctx->ids.n;
    return CLIPC_OK;
}

clipc_status clipc_encode_batch(clipc_ctx *ctx, const clipc_text_batch *batch,
                                float *embeddings, clipc_text_fault *fault,
                                clipc_error *err)
{
    const clipc_config *config = &ctx->model->config;
    const size_t dim = config->projection_dim;
    const clipc_tokenizer *tokenizer;
    const clipc_text_weights *stored;

    *fault = (clipc_text_fault){ .text = batch->n };
    CLIPC_TRY(clipc_model_tokenizer(ctx->model, &tokenizer, err));
    CLIPC_TRY(clipc_checkpoint_text(ctx->model->checkpoint, &stored, err));
    if (!ctx->starts &&
        !(ctx->starts = clipc_alloc(TEXT_CHUNK + 1, sizeof *ctx->starts)))
        return clipc_fail_nomem(err, "scratch of a context");
    for (size_t done = 0; done < batch->n;) {
        const size_t left = batch->n - done;
        const size_t count = left < TEXT_CHUNK ? left : TEXT_CHUNK;
        float *out = embeddings + done * dim; /* [count, dim] */
        size_t bad;
        CLIPC_TRY(
            tokenize_chunk(ctx, tokenizer, batch, done, count, fault, err));
        clipc_text_weights weights = *stored;
        weights.tower = *packed_tower(ctx, &stored->tower, true);
        clipc_status status = clipc_text_forward(&ctx->engine, config,
                                                 &weights, ctx->ids.ids,
                                                 ctx->starts, count, out, err);
        if (status == CLIPC_ERR_CANCELLED)
            return clipc_ctx_cancelled(ctx, err);
        CLIPC_TRY(status);
        status = finish_embeddings(out, count, dim, batch->n_before + done,
                                   batch->flags, "text", &bad, err);
        if (status != CLIPC_OK) {
            fault->text = done + bad;
            return status;
        }
        done += count;
        CLIPC_TRY(clipc_ctx_report(ctx, batch->n_before + done, err));
    }
    return CLIPC_OK;
}

clipc_status clipc_encode_texts(clipc_ctx *ctx, const clipc_text *texts,
                                size_t n, float *embeddings, unsigned flags,
                                clipc_error *err)
{
    const clipc_text_batch batch = { .texts = texts, .n = n, .flags = flags };
    clipc_text_fault fault;

    CLIPC_TRY(clipc_ctx_check(ctx, err));
    if (n && (!texts || !embeddings))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "clipc_encode_texts: an argument is NULL");
    CLIPC_TRY(check_flags(flags, err));
    CLIPC_TRY(clipc_model_need_text(ctx->model, err));
    if (n == 0)
        return CLIPC_OK;
    clipc_ctx_begin(ctx, "texts", n);
    return clipc_encode_batch(ctx, &batch, embeddings, &fault, err);
}
