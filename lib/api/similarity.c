/* SPDX-License-Identifier: MIT
 *
 * similarity.c - nearest neighbours among vectors; all cosines, or logits,
 * between two sets of vectors: the matrices logits_per_image and
 * logits_per_text of the reference (transformers,
 * CLIPModel.forward and SiglipModel.forward).
 *
 *     cosine[i, j] = sum over d of a'[i, d] * b'[j, d]    a' = a / |a|
 *     logit[i, j] = cosine[i, j] * exp(logit_scale) + logit_bias
 *
 * Clipc's own kernel sums in f32, whatever the context's backend: an element
 * does not depend on its place or on the vectors beside its own, and has the
 * bits of clipc_classify().
 */
#include "api/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 64 }; /* brought to unit length between two looks at cancel */

/* | |v|^2 - 1 | that rounding alone explains. Scaling such a vector again
 * would move its last bits, away from those that clipc_classify() sees. */
#define UNIT_TOLERANCE 2.4e-7

static bool unit_copy(const clipc_kernels *kernels, float *out,
                      const float *in, size_t dim)
{
    double sum = kernels->sum_squares(in, CLIPC_STORE_F32, dim);

    memcpy(out, in, dim * sizeof *out);
    return fabs(sum - 1.0) <= UNIT_TOLERANCE || clipc_unit(out, dim);
}

static clipc_status unit_rows(clipc_ctx *ctx, float *out, const float *in,
                              size_t first, size_t n, size_t dim,
                              const char *what, clipc_error *err)
{
    const clipc_kernels *kernels = &ctx->engine.linear.kernels;

    for (size_t i = 0; i < n; i++) {
        if (i % ROWS == 0 && clipc_cancelled(&ctx->engine.cancel))
            return clipc_ctx_cancelled(ctx, err);
        if (!unit_copy(kernels, out + i * dim, in + (first + i) * dim, dim))
            return clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                              "vector %zu of %s is zero or not finite",
                              first + i, what);
    }
    return CLIPC_OK;
}

clipc_status clipc_similarity(clipc_ctx *ctx, const float *a, size_t n_a,
                              const float *b, size_t n_b, size_t dim,
                              float *matrix, unsigned flags, clipc_error *err)
{
    float *a_rows = NULL, *b_rows = NULL; /* [ROWS, dim], [n_b, dim] */
    size_t n_floats, n_elements;
    clipc_status status = CLIPC_OK;

    CLIPC_TRY(clipc_ctx_check(ctx, err));
    if (dim == 0 || (n_a && !a) || (n_b && !b) || (n_a && n_b && !matrix))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "clipc_similarity: an argument is NULL or 0");
    if (flags & ~CLIPC_SIMILARITY_LOGITS)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "flags 0x%x: no such bits",
                          flags & ~CLIPC_SIMILARITY_LOGITS);
    if (n_a == 0 || n_b == 0)
        return CLIPC_OK;
    clipc_ctx_begin(ctx, "vectors", n_a);
    const clipc_logit_rule rule = clipc_logit_rule_of(ctx->model);
    if (!clipc_mul(n_a, n_b, &n_elements) || !clipc_mul(n_b, dim, &n_floats) ||
        !(b_rows = clipc_alloc_aligned(n_floats, sizeof *b_rows)) ||
        !clipc_mul(n_a < ROWS ? n_a : ROWS, dim, &n_floats) ||
        !(a_rows = clipc_alloc_aligned(n_floats, sizeof *a_rows))) {
        status = clipc_fail_nomem(err, "similarity");
        goto done;
    }
    CLIPC_TRY_GOTO(status, done,
                   unit_rows(ctx, b_rows, b, 0, n_b, dim, "b", err));
    for (size_t i = 0; i < n_a; i += ROWS) {
        size_t n = n_a - i < ROWS ? n_a - i : ROWS;
        float *out = matrix + i * n_b; /* [n, n_b] */
        CLIPC_TRY_GOTO(status, done,
                       unit_rows(ctx, a_rows, a, i, n, dim, "a", err));
        clipc_cosines(&ctx->engine, out, a_rows, n, b_rows, n_b, dim);
        if (clipc_cancelled(&ctx->engine.cancel)) {
            status = clipc_ctx_cancelled(ctx, err);
            goto done;
        }
        if (flags & CLIPC_SIMILARITY_LOGITS)
            for (size_t k = 0; k < n * n_b; k++)
                out[k] = clipc_logit(&rule, out[k]);
        ctx->at.done = i + n;
    }
    status = clipc_ctx_report(ctx, n_a, err);
done:
    clipc_free_aligned(a_rows);
    clipc_free_aligned(b_rows);
    return status;
}

/* ---- nearest neighbours ------------------------------------------------ */

/* Unit copies of queries first .. first + n - 1. */
static clipc_status unit_queries(float *out, const float *queries,
                                 size_t first, size_t n, size_t dim,
                                 clipc_error *err)
{
    memcpy(out, queries + first * dim, n * dim * sizeof *out);
    for (size_t i = 0; i < n; i++)
        if (!clipc_unit(out + i * dim, dim))
            return clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                              "query %zu is zero or not finite", first + i);
    return CLIPC_OK;
}

static clipc_status check_lengths(const float *inverse, size_t n,
                                  clipc_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(inverse[i]))
            return clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                              "vector %zu is zero or not finite", i);
    return CLIPC_OK;
}

/* The storage of a type of vectors; false: there is no such type. */
static bool storage_of(clipc_vector_dtype dtype, clipc_storage *storage)
{
    switch (dtype) {
    case CLIPC_VECTOR_F32: *storage = CLIPC_STORE_F32; return true;
    case CLIPC_VECTOR_F16: *storage = CLIPC_STORE_F16; return true;
    case CLIPC_VECTOR_INT8: *storage = CLIPC_STORE_S8; return true;
    }
    return false;
}

clipc_status clipc_similarity_topk_stored(
    clipc_ctx *ctx, const float *queries, size_t n_queries,
    const void *vectors, clipc_vector_dtype dtype, size_t n_vectors,
    size_t dim, size_t k, clipc_result *results, clipc_error *err)
{
    clipc_status status;

    CLIPC_TRY(clipc_ctx_check(ctx, err));
    if (!vectors || dim == 0 || (n_queries && (!queries || !results)))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "clipc_similarity_topk: an argument is NULL or 0");
    CLIPC_TRY(clipc_scores_check_k(k, n_vectors, "vectors", err));
    clipc_scores task = { .engine = &ctx->engine,
                          .vectors = vectors,
                          .measure = true,
                          .n = n_vectors,
                          .dim = dim };
    if (!storage_of(dtype, &task.storage))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "vectors of type %d: there is no such type",
                          (int)dtype);
    size_t n_floats;
    float *inverse = clipc_alloc(n_vectors, sizeof *inverse);
    float *chunk = NULL; /* [CLIPC_QUERY_CHUNK, dim] */
    if (!inverse || !clipc_mul(CLIPC_QUERY_CHUNK, dim, &n_floats) ||
        !(chunk = clipc_alloc_aligned(n_floats, sizeof *chunk))) {
        status = clipc_fail_nomem(err, "similarity");
        goto done;
    }
    CLIPC_TRY_GOTO(status, done,
                   clipc_scores_begin(ctx, &task, n_queries, err));
    clipc_ctx_begin(ctx, "vectors", n_queries);
    task.inverse = inverse;
    task.queries = chunk;
    /* One turn also without queries: the vectors are checked in any case. */
    for (size_t q = 0; q == 0 || q < n_queries; q += CLIPC_QUERY_CHUNK) {
        task.n_queries = n_queries - q < CLIPC_QUERY_CHUNK ? n_queries - q
                                                           : CLIPC_QUERY_CHUNK;
        if (task.n_queries)
            CLIPC_TRY_GOTO(status, done,
                           unit_queries(chunk, queries, q, task.n_queries, dim,
                                        err));
        clipc_scores_run(&task);
        if (clipc_cancelled(&ctx->engine.cancel)) {
            status = clipc_ctx_cancelled(ctx, err);
            goto done;
        }
        if (task.measure)
            CLIPC_TRY_GOTO(status, done,
                           check_lengths(inverse, n_vectors, err));
        task.measure = false;
        if (task.n_queries) /* without queries results may be NULL */
            CLIPC_TRY_GOTO(status, done,
                           clipc_scores_rank(&task, k, results + q * k, err));
        ctx->at.done = q + task.n_queries;
    }
    status = clipc_ctx_report(ctx, n_queries, err);
done:
    free(inverse);
    clipc_free_aligned(chunk);
    return status;
}

clipc_status clipc_similarity_topk(clipc_ctx *ctx, const float *queries,
                                   size_t n_queries, const float *vectors,
                                   size_t n_vectors, size_t dim, size_t k,
                                   clipc_result *results, clipc_error *err)
{
    return clipc_similarity_topk_stored(ctx, queries, n_queries, vectors,
                                        CLIPC_VECTOR_F32, n_vectors, dim, k,
                                        results, err);
}
