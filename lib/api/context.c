/* SPDX-License-Identifier: MIT
 *
 * context.c - contexts: the threads, kernels, precision and scratch that one
 * thread of the caller computes with.
 */
#include "api/objects.h"
#include "base/cpu.h"
#include "base/processors.h"
#include "kernels/blas.h"
#include "kernels/dispatch.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_THREADS = 1024,
    MIN_CONTEXT = 3 /* both ends and one token between them */
};

/* The largest published network, at its own image size, takes 1e12. */
#define MAX_MACS ((uint64_t)10000000000000)
#define FOUR_GIB ((uint64_t)4 << 30)
#define MAX_SCRATCH_BYTES ((size_t)(FOUR_GIB < SIZE_MAX ? FOUR_GIB : SIZE_MAX))

clipc_ctx_params clipc_ctx_params_default(void)
{
    clipc_ctx_params params = {
        .struct_size = sizeof params,
        .max_scratch_bytes = MAX_SCRATCH_BYTES,
        .max_macs = MAX_MACS,
    };
    return params;
}

/* The features of this CPU that params->cpu allows. */
static clipc_status allowed_features(unsigned *features, clipc_cpu cpu,
                                     clipc_error *err)
{
    static const struct {
        unsigned need;
        const char *name;
    } levels[] = {
        [CLIPC_CPU_AUTO] = { 0, "" },
        [CLIPC_CPU_C] = { 0, "" },
        [CLIPC_CPU_AVX2] = { CLIPC_CPU_HAS_AVX2, "AVX2" },
        [CLIPC_CPU_AVX512] = { CLIPC_CPU_HAS_AVX512, "AVX-512" },
        [CLIPC_CPU_AMX] = { CLIPC_CPU_HAS_AMX_INT8, "AMX" },
        [CLIPC_CPU_NEON] = { CLIPC_CPU_HAS_NEON, "NEON" },
        [CLIPC_CPU_DOTPROD] = { CLIPC_CPU_HAS_DOTPROD, "DotProd" },
        [CLIPC_CPU_I8MM] = { CLIPC_CPU_HAS_I8MM, "I8MM" },
        [CLIPC_CPU_BF16] = { CLIPC_CPU_HAS_ARM_BF16, "BF16 of Arm" },
        [CLIPC_CPU_SME] = { CLIPC_CPU_HAS_SME_F32, "SME" },
    };
    const unsigned all = clipc_cpu_features();

    if ((unsigned)cpu >= sizeof levels / sizeof levels[0])
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->cpu is %d, not a clipc_cpu", (int)cpu);
    if ((all & levels[cpu].need) != levels[cpu].need)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "this CPU lacks %s (it has: %s)", levels[cpu].name,
                          *clipc_cpu_feature_text() ? clipc_cpu_feature_text()
                                                    : "none");
    *features = all & clipc_cpu_may_use(cpu);
    return CLIPC_OK;
}

/* Sets the precision that params and the model ask for. */
static clipc_status choose_precision(clipc_engine *engine,
                                     const clipc_ctx_params *params,
                                     const clipc_model *model,
                                     clipc_error *err)
{
    if ((unsigned)params->precision > CLIPC_PRECISION_INT8 ||
        (unsigned)params->packing > CLIPC_PACKING_ALWAYS ||
        (unsigned)params->gemm > CLIPC_GEMM_ACCELERATE)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->precision, packing or gemm is not one of "
                          "its enum's values");
    engine->precision = params->precision  ? params->precision
                        : model->is_packed ? model->packed_precision
                                           : CLIPC_PRECISION_F32;
    if (model->is_packed && engine->precision != model->packed_precision)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "the model was packed for %s and has no weights for "
                          "%s",
                          clipc_precision_name(model->packed_precision),
                          clipc_precision_name(engine->precision));
    return CLIPC_OK;
}

/* Sets the kernels. The patches of int8 are bf16, and Arm's bf16 products have
 * bits of their own: there f32's tiles compute them, so that int8 has the bits
 * of AVX2 on every processor of Arm. */
static void choose_kernels(clipc_engine *engine, unsigned features)
{
    if (engine->precision == CLIPC_PRECISION_INT8)
        features &= ~(CLIPC_CPU_HAS_ARM_BF16 | CLIPC_CPU_HAS_SME_BF16);
    clipc_kernels_init(&engine->linear.kernels, features);
}

/* Sets the backend that params ask for. */
static clipc_status choose_gemm(clipc_engine *engine,
                                const clipc_ctx_params *params,
                                clipc_error *err)
{
    const bool vector = strcmp(engine->linear.kernels.name, "c") != 0;
    clipc_gemm gemm = params->gemm;

    if (engine->precision != CLIPC_PRECISION_F32) {
        if (gemm == CLIPC_GEMM_OPENBLAS || gemm == CLIPC_GEMM_ACCELERATE)
            return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                              "%s computes in f32 only; bf16 and int8 need "
                              "the native kernels",
                              gemm == CLIPC_GEMM_OPENBLAS ? "OpenBLAS"
                                                          : "Accelerate");
        gemm = CLIPC_GEMM_NATIVE;
    }
    engine->linear.cache_bytes = clipc_cpu_cache_bytes();
    return clipc_gemm_select(&engine->linear.gemm, gemm, vector,
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
                          "model's, %zu",
                          params.context_length, (int)MIN_CONTEXT,
                          model->config.context_length);

    clipc_ctx *ctx = clipc_alloc_zero(1, sizeof *ctx);
    if (!ctx)
        return clipc_fail_nomem(err, "context");
    ctx->model = clipc_model_shared(model);
    clipc_model_retain(ctx->model);
    ctx->context_length = params.context_length ? params.context_length
                                                : model->config.context_length;
    ctx->packing = params.packing;
    ctx->progress = params.progress;
    ctx->progress_user = params.progress_user;
    ctx->engine.max_scratch_bytes = params.max_scratch_bytes
                                        ? params.max_scratch_bytes
                                        : MAX_SCRATCH_BYTES;
    ctx->engine.max_macs = params.max_macs ? params.max_macs : MAX_MACS;
    const unsigned n_cpus = clipc_cpu_count();
    CLIPC_TRY_GOTO(status, fail,
                   choose_precision(&ctx->engine, &params, model, err));
    choose_kernels(&ctx->engine, features);
    CLIPC_TRY_GOTO(status, fail, choose_gemm(&ctx->engine, &params, err));
    CLIPC_TRY_GOTO(status, fail,
                   clipc_pool_create(&ctx->engine.pool,
                                     params.threads         ? params.threads
                                     : n_cpus < MAX_THREADS ? n_cpus
                                                            : MAX_THREADS,
                                     err));
    clipc_pool_set_cancel(ctx->engine.pool, &ctx->engine.cancel);
    *out = ctx;
    return CLIPC_OK;
fail:
    clipc_ctx_free(ctx);
    return status;
}

clipc_status clipc_ctx_check(const clipc_ctx *ctx, clipc_error *err)
{
    if (ctx && !ctx->reporting)
        return CLIPC_OK;
    return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s",
                      ctx ? "ctx is in use: its own progress callback called "
                            "the library with it"
                          : "ctx is NULL");
}

/* Whether the caller wants the running call to stop. */
static bool ask(void *user)
{
    clipc_ctx *ctx = user;

    ctx->reporting = true;
    const int stop = ctx->progress(ctx->progress_user, &ctx->at);
    ctx->reporting = false;
    return stop != 0;
}

void clipc_ctx_begin(clipc_ctx *ctx, const char *what, size_t total)
{
    ctx->at = (clipc_progress){ .what = what, .total = total };
    clipc_cancel_begin(&ctx->engine.cancel, ctx->progress ? ask : NULL, ctx);
}

clipc_status clipc_ctx_report(clipc_ctx *ctx, size_t done, clipc_error *err)
{
    ctx->at.done = done;
    return ctx->progress && ask(ctx) ? clipc_ctx_cancelled(ctx, err)
                                     : CLIPC_OK;
}

clipc_status clipc_ctx_cancelled(const clipc_ctx *ctx, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_CANCELLED, -1,
                      "cancelled after %llu of %llu",
                      (unsigned long long)ctx->at.done,
                      (unsigned long long)ctx->at.total);
}

void clipc_ctx_free(clipc_ctx *ctx)
{
    if (!ctx)
        return;
    clipc_pool_destroy(ctx->engine.pool);
    clipc_free_aligned(ctx->engine.scratch);
    free(ctx->engine.text_scratch);
    clipc_free_aligned(ctx->pixels);
    free(ctx->ids.ids);
    free(ctx->starts);
    clipc_free_aligned(ctx->embeddings);
    clipc_free_aligned(ctx->scores);
    clipc_model_free(ctx->model);
    free(ctx);
}
