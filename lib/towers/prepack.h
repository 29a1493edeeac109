/* SPDX-License-Identifier: MIT
 *
 * prepack.h - towers whose linear layers are packed into strips in memory. The
 * model keeps them for all its contexts.
 */
#ifndef CLIPC_PREPACK_H
#define CLIPC_PREPACK_H

#include "checkpoint/checkpoint.h"
#include "base/cancel.h"
#include "base/thread.h"

#include <stdatomic.h>

enum { CLIPC_N_PRECISIONS = CLIPC_PRECISION_INT8 + 1 };

typedef struct clipc_prepack_tower clipc_prepack_tower;

/* The packed copies of one tower: one for each precision, made at most once. */
typedef struct clipc_prepack_set {
    atomic_flag making; /* held by the thread that packs */
    _Atomic(clipc_prepack_tower *) towers[CLIPC_N_PRECISIONS];
    atomic_uint n_uses;
} clipc_prepack_set;

void clipc_prepack_init(clipc_prepack_set *set);
void clipc_prepack_free(clipc_prepack_set *set);

/* Returns the weights for the next pass of a context: the packed copy if there
 * is one or if `packing` asks for one now, else `weights`, which are the
 * checkpoint's. The mapped files let go of every row that is packed, so that
 * both copies are never in memory as a whole. Without memory for
 * the copy, after a cancel, and while another thread makes the copy the answer
 * is `weights`: packing never makes a pass fail or wait. *made: this call made
 * the copy. */
const clipc_tower_weights *
clipc_prepack_use(clipc_prepack_set *set, const clipc_tower_weights *weights,
                  size_t n_layers, clipc_precision precision,
                  clipc_packing packing, const clipc_checkpoint *checkpoint,
                  const clipc_kernels *kernels, clipc_pool *pool,
                  clipc_cancel *cancel, bool *made);

#endif /* CLIPC_PREPACK_H */
