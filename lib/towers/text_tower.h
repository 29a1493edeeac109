/* SPDX-License-Identifier: MIT
 *
 * text_tower.h - the forward pass of the text tower.
 */
#ifndef CLIPC_TEXT_TOWER_H
#define CLIPC_TEXT_TOWER_H

#include "checkpoint/parameters.h"
#include "towers/engine.h"

/* n sequences -> raw projections out [n, E]. Sequence i is ids[starts[i]] ..
 * ids[starts[i + 1] - 1].
 *
 * CLIP: at most context_length ids; ids after the end token have no effect.
 * Sequences need no padding. Rows of a common beginning are computed once.
 * SigLIP: at most as many, the tokenizer's padding included; the last row is
 * the text's. */
clipc_status clipc_text_forward(clipc_engine *engine,
                                const clipc_config *config,
                                const clipc_text_weights *weights,
                                const int32_t *ids, const size_t *starts,
                                size_t n, float *out, clipc_error *err);

/* The row that stands for the text: the first whose id is eos_token_id, or row
 * 0 where no id is; with `highest`, as clipc_config_pools_highest() says, the
 * first row with the highest id. */
size_t clipc_text_pooled_row(const int32_t *ids, size_t n,
                             int64_t eos_token_id, bool highest);

#endif /* CLIPC_TEXT_TOWER_H */
