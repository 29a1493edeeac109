/* SPDX-License-Identifier: MIT
 *
 * clipc.c - public entry points of contexts and embeddings: check the
 * arguments, cut the work in chunks that bound the scratch memory, call the
 * towers, scale to unit length. Models are in model.c, images in image.c,
 * labels in labels.c, scores in classify.c.
 */
#include "cpu.h"
#include "fetch.h"
#include "gemm.h"
#include "image.h"
#include "internal.h"
#include "preprocess.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

enum {
    IMAGE_CHUNK = 8,    /* images preprocessed at a time */
    TEXT_CHUNK = 256,   /* texts tokenised and encoded at a time */
    MAX_THREADS = 1024,
    MIN_CONTEXT = 3     /* both ends and one token between them */
};

#define STRING_(x) #x
#define STRING(x) STRING_(x)

const char *clipc_version(void)
{
    return STRING(CLIPC_VERSION_MAJOR) "." STRING(CLIPC_VERSION_MINOR) "."
           STRING(CLIPC_VERSION_PATCH);
}

/* ---- description ------------------------------------------------------- */

/* The CPU's features, composed once; a static string. */
static char features_text[80];

static void compose_features(void)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        { CLIPC_CPU_HAS_AVX2, "avx2" },
        { CLIPC_CPU_HAS_AVXVNNI, "avxvnni" },
        { CLIPC_CPU_HAS_AVX512, "avx512" },
        { CLIPC_CPU_HAS_VNNI, "vnni" },
        { CLIPC_CPU_HAS_BF16, "bf16" },
        { CLIPC_CPU_HAS_AMX_INT8, "amx-int8" },
        { CLIPC_CPU_HAS_AMX_BF16, "amx-bf16" },
    };
    const unsigned features = clipc_cpu_features();
    size_t n = 0;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (features & names[i].bit)
            n += (size_t)snprintf(features_text + n, sizeof features_text - n,
                                  "%s%s", n ? " " : "", names[i].name);
}

static const char *feature_text(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, compose_features);
    return features_text;
}

#if defined(LIBJPEG_TURBO_VERSION)
#define JPEG_VERSION STRING(LIBJPEG_TURBO_VERSION)
#else
#define JPEG_VERSION "(not turbo) " STRING(JPEG_LIB_VERSION)
#endif

clipc_status clipc_cpu_describe(clipc_cpu_description *description,
                                clipc_error *err)
{
    clipc_kernels kernels;
    unsigned features = clipc_cpu_features();

    clipc_kernels_init(&kernels, features);
    clipc_cpu_description d = {
        .features = feature_text(),
        .isa = kernels.name,
        .gemm = strcmp(kernels.name, "c") != 0 || !clipc_openblas_version()
                    ? "native" : "openblas",
        .openblas = clipc_openblas_version(),
        .openblas_core = clipc_openblas_core(),
        .openblas_core_better = clipc_openblas_core_better(),
        .n_cpus = clipc_cpu_count(),
        .libjpeg = JPEG_VERSION,
        .libpng = png_get_libpng_ver(NULL),
        .libcurl = clipc_fetch_version(),
        .libwebp = clipc_webp_version(),
        .kernel_f32 = kernels.f32.name,
        .kernel_bf16 = kernels.bf16.run ? kernels.bf16.name : kernels.f32.name,
        .kernel_int8 = kernels.s8.name,
    };
    return clipc_info_fill(description, &d, sizeof d, "description", err);
}

/* ---- contexts ---------------------------------------------------------- */

clipc_ctx_params clipc_ctx_params_default(void)
{
    clipc_ctx_params params = { .struct_size = sizeof params };
    return params;
}

/* Feature bits that params->cpu leaves. */
static clipc_status allowed_features(unsigned *features, clipc_cpu cpu,
                                     clipc_error *err)
{
    static const struct {
        unsigned need, may_use;
        const char *name;
    } levels[] = {
        [CLIPC_CPU_AUTO] = { 0, ~0u, "" },
        [CLIPC_CPU_C] = { 0, 0, "" },
        [CLIPC_CPU_AVX2] = { CLIPC_CPU_HAS_AVX2,
                             CLIPC_CPU_HAS_AVX2 | CLIPC_CPU_HAS_AVXVNNI,
                             "AVX2" },
        [CLIPC_CPU_AVX512] = { CLIPC_CPU_HAS_AVX512,
                               ~(CLIPC_CPU_HAS_AMX_INT8 |
                                 CLIPC_CPU_HAS_AMX_BF16), "AVX-512" },
        [CLIPC_CPU_AMX] = { CLIPC_CPU_HAS_AMX_INT8, ~0u, "AMX" },
    };
    const unsigned all = clipc_cpu_features();

    if ((unsigned)cpu >= sizeof levels / sizeof levels[0])
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->cpu is %d, not a clipc_cpu", (int)cpu);
    if ((all & levels[cpu].need) != levels[cpu].need)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "this CPU lacks %s (it has: %s)", levels[cpu].name,
                          *feature_text() ? feature_text() : "none");
    *features = all & levels[cpu].may_use;
    return CLIPC_OK;
}

/* A model changes its reference count and its lazy parts behind const. */
static clipc_model *shared_model(const clipc_model *model)
{
    return (clipc_model *)(uintptr_t)model;
}

/* The backend and the precision of params. */
static clipc_status choose_arithmetic(clipc_engine *engine,
                                      const clipc_ctx_params *params,
                                      clipc_precision packed,
                                      clipc_error *err)
{
    const bool vector = strcmp(engine->kernels.name, "c") != 0;
    clipc_gemm gemm = params->gemm;

    if ((unsigned)params->precision > CLIPC_PRECISION_INT8 ||
        (unsigned)params->packing > CLIPC_PACKING_ALWAYS)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->precision or packing is not one of its "
                          "enum's values");
    engine->precision = params->precision   ? params->precision
                        : packed            ? packed
                                            : CLIPC_PRECISION_F32;
    if (packed && engine->precision != packed)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "the model was packed for %s and has no weights for "
                          "%s", clipc_precision_name(packed),
                          clipc_precision_name(engine->precision));
    if (engine->precision != CLIPC_PRECISION_F32) {
        if (gemm == CLIPC_GEMM_OPENBLAS)
            return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                              "OpenBLAS computes in f32 only; bf16 and int8 "
                              "need the native kernels");
        gemm = CLIPC_GEMM_NATIVE;
    }
    engine->cache_bytes = clipc_cpu_cache_bytes();
    return clipc_gemm_select(&engine->gemm, gemm, vector,
                             params->keep_blas_threads != 0, err);
}

clipc_status clipc_ctx_create(clipc_ctx **out, const clipc_model *model,
                              const clipc_ctx_params *given, clipc_error *err)
{
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_status status;
    unsigned features = 0;

    if (out)
        *out = NULL;
    if (!out || !model)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s is NULL",
                          out ? "model" : "ctx");
    CLIPC_TRY(clipc_params_merge(&params, sizeof params, given,
                                 "clipc_ctx_params", err));
    CLIPC_TRY(allowed_features(&features, params.cpu, err));
    if (params.threads > MAX_THREADS)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->threads is %u, the limit is %d",
                          params.threads, (int)MAX_THREADS);
    if (params.context_length &&
        (params.context_length < MIN_CONTEXT ||
         params.context_length > model->config.context_length))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->context_length is %zu, must be %d to the "
                          "model's, %zu", params.context_length,
                          (int)MIN_CONTEXT, model->config.context_length);

    clipc_ctx *ctx = clipc_alloc_zero(1, sizeof *ctx);
    if (!ctx)
        return clipc_fail_nomem(err, "context");
    ctx->model = shared_model(model);
    clipc_model_retain(ctx->model);
    ctx->context_length = params.context_length
                              ? params.context_length
                              : model->config.context_length;
    ctx->packing = params.packing;
    ctx->progress = params.progress;
    ctx->progress_user = params.progress_user;
    clipc_kernels_init(&ctx->engine.kernels, features);
    CLIPC_TRY_GOTO(status, fail,
                   choose_arithmetic(&ctx->engine, &params, model->packed,
                                     err));
    CLIPC_TRY_GOTO(status, fail,
                   clipc_pool_create(&ctx->engine.pool,
                                     params.threads ? params.threads
                                                    : clipc_cpu_count(),
                                     err));
    *out = ctx;
    return CLIPC_OK;
fail:
    clipc_ctx_destroy(ctx);
    return status;
}

void clipc_ctx_destroy(clipc_ctx *ctx)
{
    if (!ctx)
        return;
    clipc_pool_destroy(ctx->engine.pool);
    free(ctx->engine.scratch);
    free(ctx->engine.text_scratch);
    free(ctx->pixels);
    free(ctx->ids.ids);
    free(ctx->starts);
    free(ctx->embeddings);
    free(ctx->scores);
    clipc_model_close(ctx->model);
    free(ctx);
}

/* ---- tokens ------------------------------------------------------------ */

/* A flag that a call has no use for is no mistake; one that does not exist
 * is. */
static clipc_status check_flags(unsigned flags, clipc_error *err)
{
    const unsigned known = CLIPC_TEXT_TRUNCATE | CLIPC_TEXT_SPECIALS_PLAIN |
                           CLIPC_EMBED_RAW;
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
    CLIPC_TRY(clipc_model_tokenizer(shared_model(model), &tokenizer, err));
    size_t max_ids = flags & CLIPC_TEXT_TRUNCATE
                         ? model->config.context_length : 0;
    clipc_status status = clipc_tokenizer_encode(tokenizer, text, max_ids,
                                                 flags, &list, err);
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

bool clipc_unit(float *v, size_t dim)
{
    double sum = 0.0;
    for (size_t i = 0; i < dim; i++)
        sum += (double)v[i] * (double)v[i];
    if (!isfinite(sum) || sum == 0.0)
        return false;
    double norm = sqrt(sum);
    for (size_t i = 0; i < dim; i++)
        v[i] = (float)((double)v[i] / norm);
    return true;
}

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

/* Scales rows to unit length, or only checks them (CLIPC_EMBED_RAW). */
static clipc_status finish_embeddings(float *embeddings, size_t n, size_t dim,
                                      size_t first, unsigned flags,
                                      const char *what, clipc_error *err)
{
    for (size_t i = 0; i < n; i++) {
        float *v = embeddings + i * dim;
        if (!(flags & CLIPC_EMBED_RAW ? finite_not_zero(v, dim)
                                      : clipc_unit(v, dim)))
            return clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                              "the embedding of %s %zu is zero or not finite: "
                              "the model's weights are damaged, or its "
                              "numbers overflow",
                              what, first + i);
    }
    return CLIPC_OK;
}

static clipc_status report_progress(const clipc_ctx *ctx, size_t done,
                                    size_t total, clipc_error *err)
{
    if (ctx->progress && ctx->progress(ctx->progress_user, done, total))
        return clipc_fail(err, CLIPC_ERR_CANCELLED, -1,
                          "cancelled after %zu of %zu", done, total);
    return CLIPC_OK;
}

/* Room for n floats at *p, kept by the context. */
static clipc_status keep_floats(float **p, size_t n, clipc_error *err)
{
    if (!*p && !(*p = clipc_alloc_aligned(n, sizeof **p)))
        return clipc_fail_nomem(err, "scratch of a context");
    return CLIPC_OK;
}

/* The tower's weights for the next pass, packed where that pays. */
static const clipc_tower_weights *
packed_tower(clipc_ctx *ctx, const clipc_tower_weights *weights, bool text)
{
    clipc_model *model = ctx->model;
    bool made;

    if (ctx->engine.gemm != CLIPC_GEMM_NATIVE)
        return weights;
    const clipc_tower_weights *packed = clipc_packed_use(
        text ? &model->packed_text : &model->packed_vision, weights,
        text ? model->config.text.n_layers : model->config.vision.n_layers,
        ctx->engine.precision, ctx->packing, &ctx->engine.kernels,
        ctx->engine.pool, &made);
    if (made)
        clipc_checkpoint_forget(model->checkpoint, text);
    return packed;
}

static clipc_status encode_pixels(clipc_ctx *ctx, const float *pixels,
                                  size_t n, float *embeddings, size_t first,
                                  unsigned flags, clipc_error *err)
{
    const clipc_vision_weights *stored;

    CLIPC_TRY(clipc_checkpoint_vision(ctx->model->checkpoint, &stored, err));
    clipc_vision_weights weights = *stored;
    weights.tower = *packed_tower(ctx, &stored->tower, false);
    CLIPC_TRY(clipc_vision_forward(&ctx->engine, &ctx->model->config, &weights,
                                   pixels, n, embeddings, err));
    return finish_embeddings(embeddings, n, ctx->model->config.projection_dim,
                             first, flags, "image", err);
}

clipc_status clipc_encode_pixels(clipc_ctx *ctx, const float *pixels, size_t n,
                                 float *embeddings, unsigned flags,
                                 clipc_error *err)
{
    if (!ctx || (n && (!pixels || !embeddings)))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "clipc_encode_pixels: an argument is NULL");
    CLIPC_TRY(check_flags(flags, err));
    CLIPC_TRY(clipc_model_need_vision(ctx->model, err));
    const clipc_config *config = &ctx->model->config;
    size_t pixel_floats = 3 * config->image_size * config->image_size;

    for (size_t done = 0; done < n;) {
        size_t count = n - done < IMAGE_CHUNK ? n - done : IMAGE_CHUNK;
        CLIPC_TRY(encode_pixels(ctx, pixels + done * pixel_floats, count,
                                embeddings + done * config->projection_dim,
                                done, flags, err));
        done += count;
        CLIPC_TRY(report_progress(ctx, done, n, err));
    }
    return CLIPC_OK;
}

clipc_status clipc_encode_images(clipc_ctx *ctx,
                                 clipc_image *const *images, size_t n,
                                 float *embeddings, unsigned flags,
                                 clipc_error *err)
{
    if (!ctx || (n && (!images || !embeddings)))
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
    CLIPC_TRY(keep_floats(&ctx->pixels, IMAGE_CHUNK * pixel_floats, err));
    for (size_t done = 0; done < n;) {
        size_t count = n - done < IMAGE_CHUNK ? n - done : IMAGE_CHUNK;
        for (size_t i = 0; i < count; i++)
            CLIPC_TRY(clipc_preprocess_image(&model->preprocess,
                                             images[done + i],
                                             ctx->pixels + i * pixel_floats,
                                             err));
        CLIPC_TRY(encode_pixels(ctx, ctx->pixels, count,
                                embeddings +
                                    done * model->config.projection_dim,
                                done, flags, err));
        done += count;
        CLIPC_TRY(report_progress(ctx, done, n, err));
    }
    return CLIPC_OK;
}

/* Says which text an error is about. */
static clipc_status name_text(clipc_status status, size_t i, clipc_error *err)
{
    char message[sizeof err->message];

    if (!err || err->struct_size < sizeof *err ||
        (status != CLIPC_ERR_UTF8 && status != CLIPC_ERR_LIMIT))
        return status;
    memcpy(message, err->message, sizeof message);
    return clipc_fail(err, status, err->offset, "text %zu: %s", i, message);
}

/* Ids of texts [0, n) into ctx->ids, where each begins into ctx->starts. */
static clipc_status tokenize_chunk(clipc_ctx *ctx,
                                   const clipc_tokenizer *tokenizer,
                                   const clipc_text *texts, size_t n,
                                   size_t first, unsigned flags,
                                   clipc_error *err)
{
    size_t context = ctx->context_length;

    ctx->ids.n = 0;
    for (size_t i = 0; i < n; i++) {
        ctx->starts[i] = ctx->ids.n;
        if (!texts[i].data && texts[i].len)
            return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                              "texts[%zu].data is NULL", first + i);
        clipc_status status = clipc_tokenizer_encode(
            tokenizer, texts[i], flags & CLIPC_TEXT_TRUNCATE ? context : 0,
            flags, &ctx->ids, err);
        if (status != CLIPC_OK)
            return name_text(status, first + i, err);
        size_t length = ctx->ids.n - ctx->starts[i];
        if (length > context)
            return clipc_fail(err, CLIPC_ERR_TOO_LONG, -1,
                              "text %zu (\"%s\") has %zu tokens, the "
                              "context length is %zu",
                              first + i, clipc_quote_start(texts[i]).text,
                              length, context);
    }
    ctx->starts[n] = ctx->ids.n;
    return CLIPC_OK;
}

clipc_status clipc_encode_texts(clipc_ctx *ctx, const clipc_text *texts,
                                size_t n, float *embeddings, unsigned flags,
                                clipc_error *err)
{
    const clipc_tokenizer *tokenizer;
    const clipc_text_weights *stored;

    if (!ctx || (n && (!texts || !embeddings)))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "clipc_encode_texts: an argument is NULL");
    CLIPC_TRY(check_flags(flags, err));
    CLIPC_TRY(clipc_model_need_text(ctx->model, err));
    if (n == 0)
        return CLIPC_OK;
    const clipc_config *config = &ctx->model->config;
    CLIPC_TRY(clipc_model_tokenizer(ctx->model, &tokenizer, err));
    CLIPC_TRY(clipc_checkpoint_text(ctx->model->checkpoint, &stored, err));
    if (!ctx->starts &&
        !(ctx->starts = clipc_alloc(TEXT_CHUNK + 1, sizeof *ctx->starts)))
        return clipc_fail_nomem(err, "scratch of a context");
    for (size_t done = 0; done < n;) {
        size_t count = n - done < TEXT_CHUNK ? n - done : TEXT_CHUNK;
        float *out = embeddings + done * config->projection_dim;
        CLIPC_TRY(tokenize_chunk(ctx, tokenizer, texts + done, count, done,
                                 flags, err));
        clipc_text_weights weights = *stored;
        weights.tower = *packed_tower(ctx, &stored->tower, true);
        CLIPC_TRY(clipc_text_forward(&ctx->engine, config, &weights,
                                     ctx->ids.ids, ctx->starts, count, out,
                                     err));
        CLIPC_TRY(finish_embeddings(out, count, config->projection_dim, done,
                                    flags, "text", err));
        done += count;
        CLIPC_TRY(report_progress(ctx, done, n, err));
    }
    return CLIPC_OK;
}
