/* SPDX-License-Identifier: MIT
 *
 * attention.h - softmax attention over the rows of a lane.
 */
#ifndef CLIPC_ATTENTION_H
#define CLIPC_ATTENTION_H

#include "towers/lane.h"

typedef enum clipc_queries {
    CLIPC_QUERIES_ALL,    /* every row of the sequence */
    CLIPC_QUERIES_POOLED, /* one: row i of q belongs to sequence i */
    CLIPC_QUERIES_PROBE   /* one: row 0 of q, the same for all sequences */
} clipc_queries;

/* Writes softmax(q k^T) v to lane->attended, for the thread's share of
 * sequences and heads. Scale q by 1 / sqrt(K) before. Where a sequence has one
 * query, row i of attended belongs to sequence i. */
void clipc_attention(const clipc_worker *worker, clipc_queries queries);

/* Floats of a thread's scratch that clipc_attention() needs; false on
 * overflow. */
bool clipc_attention_scratch(const clipc_tower *tower, size_t longest,
                             size_t *key_floats, size_t *value_floats,
                             size_t *score_floats);

#endif /* CLIPC_ATTENTION_H */
