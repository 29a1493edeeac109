/* SPDX-License-Identifier: MIT
 *
 * classify.c - scores: cosine of unit vectors, logit = cosine *
 * exp(logit_scale), softmax over all candidates in double, the k best.
 *
 * The k best of n are kept in a heap whose root is the worst of them, so a
 * hundred thousand labels cost n comparisons and little more.
 */
#include "internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SCORE_BLOCK = 1024 }; /* candidates a thread scores at a time */

/* Queries against all candidates, split over the pool. */
typedef struct score_task {
    const clipc_engine *engine;
    const float *queries; /* [n_queries, dim] */
    const float *vectors; /* [n, dim] */
    float *scores;        /* [n_queries, n] */
    size_t n_queries, n, dim;
} score_task;

static void score_part(void *arg, unsigned thread, unsigned n_threads)
{
    const score_task *task = arg;
    size_t n_blocks = (task->n + SCORE_BLOCK - 1) / SCORE_BLOCK;
    size_t begin, end;

    /* Equal vectors must tie, wherever they stand: no matrix product. */
    clipc_split(n_blocks, thread, n_threads, &begin, &end);
    begin *= SCORE_BLOCK;
    end = end * SCORE_BLOCK < task->n ? end * SCORE_BLOCK : task->n;
    for (size_t i = begin; i < end; i++)
        for (size_t q = 0; q < task->n_queries; q++)
            task->scores[q * task->n + i] = task->engine->kernels.dot(
                task->queries + q * task->dim, task->vectors + i * task->dim,
                task->dim);
}

void clipc_cosines(const clipc_engine *engine, float *scores,
                   const float *queries, size_t n_queries,
                   const float *vectors, size_t n, size_t dim)
{
    score_task task = { .engine = engine, .queries = queries,
                        .vectors = vectors, .scores = scores,
                        .n_queries = n_queries, .n = n, .dim = dim };
    if (n > SCORE_BLOCK)
        clipc_pool_run(engine->pool, score_part, &task);
    else
        score_part(&task, 0, 1);
}

/* ---- the k best -------------------------------------------------------- */

/* Whether candidate a ranks below candidate b. */
static bool worse(const float *scores, uint32_t a, uint32_t b)
{
    if (scores[a] != scores[b])
        return scores[a] < scores[b];
    return a > b;
}

/* Restores the heap below `i`: no parent ranks above its children. */
static void sift_down(clipc_result *heap, size_t n, size_t i,
                      const float *scores)
{
    for (;;) {
        size_t worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n;
             child++)
            if (worse(scores, heap[child].index, heap[worst].index))
                worst = child;
        if (worst == i)
            return;
        uint32_t index = heap[i].index;
        heap[i].index = heap[worst].index;
        heap[worst].index = index;
        i = worst;
    }
}

/* results[0..k): indices of the k best, best first. */
static void select_best(clipc_result *results, size_t k, const float *scores,
                        size_t n)
{
    for (size_t i = 0; i < k; i++)
        results[i].index = (uint32_t)i;
    for (size_t i = k / 2; i-- > 0;)
        sift_down(results, k, i, scores);
    for (size_t i = k; i < n; i++) {
        if (worse(scores, results[0].index, (uint32_t)i)) {
            results[0].index = (uint32_t)i;
            sift_down(results, k, 0, scores);
        }
    }
    for (size_t left = k; left > 1; left--) {
        uint32_t index = results[0].index;
        results[0].index = results[left - 1].index;
        results[left - 1].index = index;
        sift_down(results, left - 1, 0, scores);
    }
}

/* Ranks ctx->scores [n], cosines, into results[0..k). */
static clipc_status rank(const clipc_ctx *ctx, size_t n, size_t k,
                         clipc_result *results, clipc_error *err)
{
    const float *scores = ctx->scores;
    float scale = (float)clipc_checkpoint_logit_scale(ctx->model->checkpoint);
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        if (!isfinite(scores[i]))
            return clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                              "the score of candidate %zu is not finite", i);
    select_best(results, k, scores, n);
    /* exp of differences, so that it cannot overflow. */
    double best = (double)(scores[results[0].index] * scale);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)(scores[i] * scale) - best);
    for (size_t i = 0; i < k; i++) {
        clipc_result *r = &results[i];
        r->cosine = scores[r->index];
        r->logit = r->cosine * scale;
        r->probability = (float)(exp((double)r->logit - best) / sum);
    }
    return CLIPC_OK;
}

/* Room for n floats of scratch that the context keeps. */
static clipc_status grow(float **scratch, size_t *capacity, size_t n,
                         clipc_error *err)
{
    if (n <= *capacity)
        return CLIPC_OK;
    float *larger = clipc_alloc_aligned(n, sizeof *larger);
    if (!larger)
        return clipc_fail_nomem(err, "scratch of a context");
    free(*scratch);
    *scratch = larger;
    *capacity = n;
    return CLIPC_OK;
}

/* Cosines of a unit vector with n candidates into ctx->scores. */
static clipc_status score(clipc_ctx *ctx, const float *query,
                          const float *vectors, size_t n, size_t dim,
                          clipc_error *err)
{
    CLIPC_TRY(grow(&ctx->scores, &ctx->scores_capacity, n, err));
    clipc_cosines(&ctx->engine, ctx->scores, query, 1, vectors, n, dim);
    return CLIPC_OK;
}

static clipc_status check_k(size_t k, size_t n, const char *what,
                            clipc_error *err)
{
    if (k == 0 || k > n || n > UINT32_MAX)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "k is %zu, must be 1 to the number of %s, %zu", k,
                          what, n);
    return CLIPC_OK;
}

/* ---- public ------------------------------------------------------------ */

clipc_status clipc_classify(clipc_ctx *ctx, const clipc_labels *labels,
                            clipc_image *const *images, size_t n_images,
                            size_t k, clipc_result *results, clipc_error *err)
{
    if (!ctx || !labels || (n_images && (!images || !results)))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "clipc_classify: an argument is NULL");
    if (labels->model != ctx->model)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "labels and context belong to different models");
    CLIPC_TRY(check_k(k, labels->n, "labels", err));
    size_t n_floats;
    if (!clipc_mul(n_images, labels->dim, &n_floats))
        return clipc_fail_nomem(err, "embeddings");
    CLIPC_TRY(grow(&ctx->embeddings, &ctx->embeddings_capacity, n_floats,
                   err));
    CLIPC_TRY(clipc_encode_images(ctx, images, n_images, ctx->embeddings, 0,
                                  err));
    for (size_t i = 0; i < n_images; i++) {
        CLIPC_TRY(score(ctx, ctx->embeddings + i * labels->dim,
                        labels->embeddings, labels->n, labels->dim, err));
        CLIPC_TRY(rank(ctx, labels->n, k, results + i * k, err));
    }
    return CLIPC_OK;
}

/* Lengths outside of this would overflow in f32 products, or lose bits. */
#define SHORT_VECTOR 1e-18
#define LONG_VECTOR 1e18

/* 1 / length of each of n vectors; 0 for those above. */
static clipc_status inverse_norms(float *inverse, const float *vectors,
                                  size_t n, size_t dim, const char *what,
                                  clipc_error *err)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (size_t d = 0; d < dim; d++)
            sum += (double)vectors[i * dim + d] * (double)vectors[i * dim + d];
        if (!isfinite(sum) || sum == 0.0)
            return clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                              "%s %zu is zero or not finite", what, i);
        double length = sqrt(sum);
        inverse[i] = length < SHORT_VECTOR || length > LONG_VECTOR
                         ? 0.0f
                         : (float)(1.0 / length);
    }
    return CLIPC_OK;
}

/* Of a unit vector and one of any length. */
static float exact_cosine(const float *query, const float *vector, size_t dim)
{
    double dot = 0.0, sum = 0.0;
    for (size_t d = 0; d < dim; d++) {
        dot += (double)query[d] * (double)vector[d];
        sum += (double)vector[d] * (double)vector[d];
    }
    return (float)(dot / sqrt(sum));
}

clipc_status clipc_similarity_topk(clipc_ctx *ctx, const float *queries,
                                   size_t n_queries, const float *vectors,
                                   size_t n_vectors, size_t dim, size_t k,
                                   clipc_result *results, clipc_error *err)
{
    clipc_status status;

    if (!ctx || !vectors || dim == 0 || (n_queries && (!queries || !results)))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "clipc_similarity_topk: an argument is NULL or 0");
    CLIPC_TRY(check_k(k, n_vectors, "vectors", err));
    float *inverse = clipc_alloc(n_vectors, sizeof *inverse);
    float *query = clipc_alloc_aligned(dim, sizeof *query);
    if (!inverse || !query) {
        status = clipc_fail_nomem(err, "similarity");
        goto done;
    }
    CLIPC_TRY_GOTO(status, done,
                   inverse_norms(inverse, vectors, n_vectors, dim, "vector",
                                 err));
    for (size_t q = 0; q < n_queries; q++) {
        memcpy(query, queries + q * dim, dim * sizeof *query);
        if (!clipc_unit(query, dim)) {
            status = clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                                "query %zu is zero or not finite", q);
            goto done;
        }
        CLIPC_TRY_GOTO(status, done,
                       score(ctx, query, vectors, n_vectors, dim, err));
        for (size_t i = 0; i < n_vectors; i++)
            ctx->scores[i] = inverse[i] != 0.0f
                                 ? ctx->scores[i] * inverse[i]
                                 : exact_cosine(query, vectors + i * dim, dim);
        CLIPC_TRY_GOTO(status, done,
                       rank(ctx, n_vectors, k, results + q * k, err));
    }
done:
    free(inverse);
    free(query);
    return status;
}
