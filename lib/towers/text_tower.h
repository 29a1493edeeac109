/* SPDX-License-Identifier: MIT
 *
 * text_tower.h - the forward pass of the text tower.
 */
#ifndef CLIPC_TEXT_TOWER_H
#define CLIPC_TEXT_TOWER_H

#include "checkpoint/parameters.h"
#include "towers/engine.h"

/* Text tower: n sequences, sequence i is ids[starts[i]] .. ids[starts[i+1]-1],
 * each at most context_length long, any row after the end token ignored.
 * -> raw projections [n, E]. Sequences of different lengths are computed side
 * by side without padding, and rows that sequences begin with alike once. */
clipc_status clipc_text_forward(clipc_engine *engine,
                                const clipc_config *config,
                                const clipc_text_weights *weights,
                                const int32_t *ids, const size_t *starts,
                                size_t n, float *out, clipc_error *err);

/* The row that stands for the text: of the first token equal to
 * eos_token_id, 0 where there is none; but with eos_token_id 2, which old
 * configs give whatever their vocabulary, the first of the highest ids. */
size_t clipc_text_pooled_row(const int32_t *ids, size_t n,
                             int64_t eos_token_id);

#endif /* CLIPC_TEXT_TOWER_H */
