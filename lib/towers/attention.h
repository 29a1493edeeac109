/* SPDX-License-Identifier: MIT
 *
 * attention.h - softmax attention over the rows of a lane.
 */
#ifndef CLIPC_ATTENTION_H
#define CLIPC_ATTENTION_H

#include "towers/lane.h"

/* softmax(q k^T) v into lane->attended, the thread's share of sequences and
 * heads; q is scaled already. pooled_only: one query a sequence, rows of q
 * and attended in their order. */
void clipc_attention(const clipc_worker *worker, bool pooled_only);

/* Floats of the thread's scratch that attention() needs. */
bool clipc_attention_scratch(const clipc_tower *tower, size_t longest,
                             size_t *key_floats, size_t *value_floats,
                             size_t *score_floats);

#endif /* CLIPC_ATTENTION_H */
