/* SPDX-License-Identifier: MIT
 *
 * scores.c - cosine of unit vectors; logit = cosine * exp(logit_scale), with
 * SigLIP + logit_bias; the softmax of all candidates, or each one's sigmoid, in
 * double; the k best.
 *
 * One walk over the candidates is bound by memory. Blocks of candidates are
 * summed up in it, so that ranking reads few scores again. The k best of n are
 * kept in a heap whose root is the worst of them. A score does not depend on
 * the queries and candidates beside it.
 */
#include "api/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

clipc_logit_rule clipc_logit_rule_of(const clipc_model *model)
{
    const clipc_checkpoint *checkpoint = model->checkpoint;

    return (clipc_logit_rule){
        .scale = (float)clipc_checkpoint_logit_scale(checkpoint),
        .bias = clipc_checkpoint_logit_bias(checkpoint),
        .scoring = clipc_config_scoring(&model->config),
    };
}

enum {
    SCORE_BLOCK = 1024, /* candidates a thread scores at a time */
    LOOK = 64           /* candidates between two looks at cancel */
};

static size_t block_count(size_t n)
{
    return (n + SCORE_BLOCK - 1) / SCORE_BLOCK;
}

/* Where dot_squares() is sure of its sum. */
#define SMALL_SUM 1e-24
#define LARGE_SUM 1e24

/* Vectors shorter or longer would overflow in f32 products, or lose bits. */
#define SHORT_VECTOR 1e-18
#define LONG_VECTOR 1e18

/* 1 / length; 0 for a vector shorter or longer; NaN for one that is zero or
 * not finite. */
static float inverse_length(double sum_of_squares)
{
    if (!isfinite(sum_of_squares) || sum_of_squares == 0.0)
        return NAN;
    double length = sqrt(sum_of_squares);
    return length < SHORT_VECTOR || length > LONG_VECTOR
               ? 0.0f
               : (float)(1.0 / length);
}

/* Cosine of a unit vector and a vector of any length, in double. */
static float exact_cosine(const float *query, const float *vector, size_t dim)
{
    double dot = 0.0, sum = 0.0;
    for (size_t d = 0; d < dim; d++) {
        dot += (double)query[d] * (double)vector[d];
        sum += (double)vector[d] * (double)vector[d];
    }
    return (float)(dot / sqrt(sum));
}

/* Dot products of vector i with all queries. sum: of its squares, where they
 * are measured. The first query's walk brings the next vectors nearer. */
static void multiply(const clipc_scores *task, size_t i, double *sum)
{
    const clipc_kernels *kernels = &task->engine->linear.kernels;
    const size_t bytes = task->dim * clipc_storage_bytes(task->storage);
    const char *vector = (const char *)task->vectors + i * bytes;

    for (size_t q = 0; q < task->n_queries; q++) {
        const float *query = task->queries + q * task->dim;
        task->scores[q * task->n + i] =
            q == 0 ? kernels->dot_squares(sum, query, vector, task->storage,
                                          task->dim)
                   : kernels->dot(query, vector, task->storage, task->dim);
    }
    if (task->measure && !(*sum >= SMALL_SUM && *sum <= LARGE_SUM))
        *sum = kernels->sum_squares(vector, task->storage, task->dim);
}

/* Vectors [first, first + n), n <= LOOK. What waits for a sum, a root and a
 * quotient, comes after all products, so that these waits overlap. */
static void score_vectors(const clipc_scores *task, size_t first, size_t n)
{
    double sums[LOOK] = { 0 };

    for (size_t i = 0; i < n; i++)
        multiply(task, first + i, &sums[i]);
    if (task->measure)
        for (size_t i = 0; i < n; i++)
            task->inverse[first + i] = inverse_length(sums[i]);
    if (!task->inverse)
        return;
    for (size_t q = 0; q < task->n_queries; q++) {
        const float *query = task->queries + q * task->dim;
        float *score = task->scores + q * task->n;
        for (size_t i = first; i < first + n; i++)
            if (task->inverse[i] != 0.0f)
                score[i] *= task->inverse[i];
            else /* f16 and bytes are never so short or so long */
                score[i] = exact_cosine(query,
                                        (const float *)task->vectors +
                                            i * task->dim,
                                        task->dim);
    }
}

/* Scores [n] of one block. The best is subtracted so that exp() cannot
 * overflow. */
static clipc_score_block sum_up(const clipc_logit_rule *rule,
                                const float *scores, size_t n)
{
    clipc_score_block block = { .best = scores[0], .bad = UINT32_MAX };

    for (size_t i = 0; i < n; i++) {
        if (!isfinite(scores[i])) {
            block.bad = (uint32_t)i;
            return block;
        }
        block.best = scores[i] > block.best ? scores[i] : block.best;
    }
    if (rule->scoring == CLIPC_SCORING_SOFTMAX) {
        const double best = (double)clipc_logit(rule, block.best);
        for (size_t i = 0; i < n; i++)
            block.sum += exp((double)clipc_logit(rule, scores[i]) - best);
    }
    return block;
}

static void score_part(void *arg, unsigned thread, unsigned n_threads)
{
    const clipc_scores *task = arg;
    const size_t n_blocks = block_count(task->n);
    size_t begin, end;

    /* Equal vectors must tie, wherever they stand: no matrix product. */
    clipc_split(n_blocks, thread, n_threads, &begin, &end);
    for (size_t b = begin; b < end; b++) {
        const size_t first = b * SCORE_BLOCK;
        const size_t n = task->n - first < SCORE_BLOCK ? task->n - first
                                                       : SCORE_BLOCK;
        for (size_t i = 0; i < n; i += LOOK) {
            if (clipc_cancelled(task->cancel))
                return;
            score_vectors(task, first + i, n - i < LOOK ? n - i : LOOK);
        }
        for (size_t q = 0; task->blocks && q < task->n_queries; q++)
            task->blocks[q * n_blocks + b] =
                sum_up(&task->rule, task->scores + q * task->n + first, n);
    }
}

void clipc_scores_run(clipc_scores *task)
{
    if (task->n > SCORE_BLOCK)
        clipc_pool_run(task->engine->pool, score_part, task);
    else
        score_part(task, 0, 1);
}

void clipc_cosines(clipc_engine *engine, float *scores, const float *queries,
                   size_t n_queries, const float *vectors, size_t n,
                   size_t dim)
{
    clipc_scores task = { .engine = engine,
                          .cancel = &engine->cancel,
                          .queries = queries,
                          .vectors = vectors,
                          .scores = scores,
                          .n_queries = n_queries,
                          .n = n,
                          .dim = dim };
    clipc_scores_run(&task);
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

/* results[0..k): indices of the k best of n, best first. Blocks without a
 * score above the worst of the k best so far are not read. */
static void select_best(clipc_result *results, size_t k, const float *scores,
                        const clipc_score_block *blocks, size_t n)
{
    for (size_t i = 0; i < k; i++)
        results[i].index = (uint32_t)i;
    for (size_t i = k / 2; i-- > 0;)
        sift_down(results, k, i, scores);
    for (size_t i = k; i < n; i++) {
        const size_t block = i / SCORE_BLOCK;
        if (blocks[block].best <= scores[results[0].index]) {
            i = (block + 1) * SCORE_BLOCK - 1;
            continue;
        }
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

/* Ranks scores [n], cosines, into results[0..k). Returns the first that is
 * not finite, or n. */
static size_t rank(clipc_result *results, const float *scores,
                   const clipc_score_block *blocks,
                   const clipc_logit_rule *rule, size_t n, size_t k)
{
    double best, sum = 0.0;

    for (size_t b = 0; b < block_count(n); b++)
        if (blocks[b].bad != UINT32_MAX)
            return b * SCORE_BLOCK + blocks[b].bad;
    select_best(results, k, scores, blocks, n);
    best = (double)clipc_logit(rule, scores[results[0].index]);
    for (size_t b = 0; b < block_count(n); b++)
        sum += blocks[b].sum *
               exp((double)clipc_logit(rule, blocks[b].best) - best);
    for (size_t i = 0; i < k; i++) {
        clipc_result *r = &results[i];
        r->cosine = scores[r->index];
        r->logit = clipc_logit(rule, r->cosine);
        r->probability = rule->scoring == CLIPC_SCORING_SOFTMAX
                             ? (float)(exp((double)r->logit - best) / sum)
                             : (float)(1.0 / (1.0 + exp(-(double)r->logit)));
    }
    return n;
}

/* A chunk's queries, split over the pool. */
typedef struct rank_task {
    const clipc_scores *scores;
    size_t k;
    clipc_result *results; /* [n_queries, k] */
    size_t bad[CLIPC_QUERY_CHUNK];
} rank_task;

static void rank_part(void *arg, unsigned thread, unsigned n_threads)
{
    rank_task *task = arg;
    const clipc_scores *scores = task->scores;
    size_t begin, end;

    clipc_split(scores->n_queries, thread, n_threads, &begin, &end);
    for (size_t q = begin; q < end; q++)
        task->bad[q] = rank(task->results + q * task->k,
                            scores->scores + q * scores->n,
                            scores->blocks + q * block_count(scores->n),
                            &scores->rule, scores->n, task->k);
}

clipc_status clipc_scores_rank(const clipc_scores *scores, size_t k,
                               clipc_result *results, clipc_error *err)
{
    rank_task task = { .scores = scores, .k = k, .results = results };

    if (scores->n_queries > 1 && scores->n > SCORE_BLOCK)
        clipc_pool_run(scores->engine->pool, rank_part, &task);
    else
        rank_part(&task, 0, 1);
    for (size_t q = 0; q < scores->n_queries; q++)
        if (task.bad[q] < scores->n)
            return clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                              "the score of candidate %zu is not finite",
                              task.bad[q]);
    return CLIPC_OK;
}

clipc_status clipc_scratch_grow(float **scratch, size_t *capacity, size_t n,
                                clipc_error *err)
{
    if (n <= *capacity)
        return CLIPC_OK;
    float *larger = clipc_alloc_aligned(n, sizeof *larger);
    if (!larger)
        return clipc_fail_nomem(err, "scratch of a context");
    clipc_free_aligned(*scratch);
    *scratch = larger;
    *capacity = n;
    return CLIPC_OK;
}

clipc_status clipc_scores_begin(clipc_ctx *ctx, clipc_scores *scores,
                                size_t n_queries, clipc_error *err)
{
    enum { FLOATS = sizeof(clipc_score_block) / sizeof(float) };
    size_t n_blocks = block_count(scores->n), n_floats, n_scores;

    if (n_queries > CLIPC_QUERY_CHUNK)
        n_queries = CLIPC_QUERY_CHUNK;
    n_blocks *= n_queries;
    if (!clipc_mul(n_queries, scores->n, &n_scores) ||
        !clipc_add(n_scores, n_blocks * FLOATS, &n_floats))
        return clipc_fail_nomem(err, "scores");
    CLIPC_TRY(clipc_scratch_grow(&ctx->scores, &ctx->scores_capacity, n_floats,
                                 err));
    scores->cancel = &ctx->engine.cancel;
    scores->rule = clipc_logit_rule_of(ctx->model);
    scores->blocks = (void *)ctx->scores;
    /* No scores need no scratch, and NULL has no next element. */
    scores->scores = ctx->scores ? ctx->scores + n_blocks * FLOATS : NULL;
    return CLIPC_OK;
}

clipc_status clipc_scores_check_k(size_t k, size_t n, const char *what,
                                  clipc_error *err)
{
    if (n > UINT32_MAX)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1, "%zu %s, the limit is %lu",
                          n, what, (unsigned long)UINT32_MAX);
    if (k == 0 || k > n)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "k is %zu, must be 1 to the number of %s, %zu", k,
                          what, n);
    return CLIPC_OK;
}
