/* SPDX-License-Identifier: MIT
 *
 * prepack.h - towers whose linear layers are packed in memory, kept by the
 * model for all its contexts.
 */
#ifndef CLIPC_PREPACK_H
#define CLIPC_PREPACK_H

#include "checkpoint/checkpoint.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdatomic.h>

enum { CLIPC_N_PRECISIONS = CLIPC_PRECISION_INT8 + 1 };

typedef struct clipc_prepack_tower clipc_prepack_tower;

/* Of one tower, by precision; made at most once each. */
typedef struct clipc_prepack_set {
    pthread_mutex_t *mutex; /* the owner's */
    _Atomic(clipc_prepack_tower *) towers[CLIPC_N_PRECISIONS];
    atomic_uint n_uses;
} clipc_prepack_set;

void clipc_prepack_init(clipc_prepack_set *set, pthread_mutex_t *mutex);
void clipc_prepack_free(clipc_prepack_set *set);

/* The weights a context is to use for its next pass: packed ones if they
 * exist or `packing` wants them made now, else *weights as they are. Where
 * memory runs out packing is left alone: it is never the reason of a
 * failure. *made: whether they were made now. */
const clipc_tower_weights *
clipc_prepack_use(clipc_prepack_set *set, const clipc_tower_weights *weights,
                 size_t n_layers, clipc_precision precision,
                 clipc_packing packing, const clipc_kernels *kernels,
                 clipc_pool *pool, bool *made);

#endif /* CLIPC_PREPACK_H */
