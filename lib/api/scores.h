/* SPDX-License-Identifier: MIT
 *
 * scores.h - cosines of queries with candidates, on the engine's threads, and
 * the k best of each query.
 */
#ifndef CLIPC_SCORES_H
#define CLIPC_SCORES_H

#include "api/objects.h"

/* Queries scored in one walk over the candidates. The walk is bound by memory;
 * a candidate and this many queries fit the first-level cache. */
enum { CLIPC_QUERY_CHUNK = 16 };

/* How a model makes logits of cosines, and probabilities of logits. */
typedef struct clipc_logit_rule {
    float scale, bias;
    clipc_scoring scoring;
} clipc_logit_rule;

clipc_logit_rule clipc_logit_rule_of(const clipc_model *model);

static inline float clipc_logit(const clipc_logit_rule *rule, float cosine)
{
    return cosine * rule->scale + rule->bias;
}

/* Scales v to unit length; false when it is zero or not finite. */
bool clipc_unit(float *v, size_t dim);

/* What ranking needs of a query's scores of consecutive candidates. A thread
 * that waits for memory makes it at no cost. */
typedef struct clipc_score_block {
    double sum;   /* of exp(logit - logit of `best`); softmax only */
    float best;   /* the highest score */
    uint32_t bad; /* the first score that is not finite, or UINT32_MAX */
} clipc_score_block;

/* Queries against all candidates, split over the pool. */
typedef struct clipc_scores {
    const clipc_engine *engine;
    clipc_cancel *cancel;  /* looked at; NULL: never */
    const float *queries;  /* [n_queries, dim], of unit length */
    const void *vectors;   /* [n, dim], of unit length where inverse is NULL */
    clipc_storage storage; /* of the vectors: F32, F16 or S8 */
    float *inverse;        /* [n], 1 / length of each vector; or NULL */
    bool measure;          /* fill inverse first */
    size_t n_queries, n, dim;
    float *scores;             /* [n_queries, n] */
    clipc_score_block *blocks; /* [n_queries, blocks of n]; or NULL */
    clipc_logit_rule rule;     /* for blocks */
} clipc_scores;

/* Gives scores, of n candidates and at most n_queries queries, their rule, the
 * context's memory and its cancel. */
clipc_status clipc_scores_begin(clipc_ctx *ctx, clipc_scores *scores,
                                size_t n_queries, clipc_error *err);

/* Fills scores and blocks, and inverse where measure is set. Returns early
 * where cancelled. */
void clipc_scores_run(clipc_scores *scores);

/* The k best of each query. Probabilities are made in double: the softmax of
 * the logits of all candidates, or the sigmoid of each logit.
 * CLIPC_ERR_NUMERIC: a score is not finite. */
clipc_status clipc_scores_rank(const clipc_scores *scores, size_t k,
                               clipc_result *results, clipc_error *err);

/* Room for n floats of scratch that the context keeps. */
clipc_status clipc_scratch_grow(float **scratch, size_t *capacity, size_t n,
                                clipc_error *err);

/* CLIPC_ERR_ARGUMENT unless k is 1 to n; `what` names the candidates. */
clipc_status clipc_scores_check_k(size_t k, size_t n, const char *what,
                                  clipc_error *err);

/* scores[i, j] = queries[i] . vectors[j] by clipc's own kernels, on the
 * engine's threads; scores: [n_queries, n]. An element's bits do not depend on
 * its place. Returns early where engine->cancel is cancelled. */
void clipc_cosines(clipc_engine *engine, float *scores,
                   const float *queries /* [n_queries, dim] */,
                   size_t n_queries, const float *vectors /* [n, dim] */,
                   size_t n, size_t dim);

#endif /* CLIPC_SCORES_H */
