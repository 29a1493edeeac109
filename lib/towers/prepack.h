/* SPDX-License-Identifier: MIT
 *
 * prepack.h - towers whose linear layers are packed in memory, kept by the
 * model for all its contexts.
 */
#ifndef CLIPC_PACKED_H
#define CLIPC_PACKED_H

#include "checkpoint/checkpoint.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdatomic.h>

enum { CLIPC_N_PRECISIONS = CLIPC_PRECISION_INT8 + 1 };

typedef struct clipc_packed_tower {
    clipc_tower_weights weights; /* with strips; vectors are the checkpoint's */
    void *memory;
} clipc_packed_tower;

/* Of one tower, by precision; made at most once each. */
typedef struct clipc_packed_set {
    pthread_mutex_t *mutex; /* the owner's */
    _Atomic(clipc_packed_tower *) towers[CLIPC_N_PRECISIONS];
    atomic_uint n_uses;
} clipc_packed_set;

void clipc_packed_init(clipc_packed_set *set, pthread_mutex_t *mutex);
void clipc_packed_free(clipc_packed_set *set);

/* Packs a tower; the strips are the same whatever the kernels. Free with
 * clipc_packed_tower_free(). */
clipc_status clipc_packed_tower_create(clipc_packed_tower **tower,
                                       const clipc_tower_weights *weights,
                                       size_t n_layers,
                                       clipc_precision precision,
                                       const clipc_kernels *kernels,
                                       clipc_pool *pool, clipc_error *err);
void clipc_packed_tower_free(clipc_packed_tower *tower);

/* The weights a context is to use for its next pass: packed ones if they
 * exist or `packing` wants them made now, else *weights as they are. Where
 * memory runs out packing is left alone: it is never the reason of a
 * failure. *made: whether they were made now. */
const clipc_tower_weights *
clipc_packed_use(clipc_packed_set *set, const clipc_tower_weights *weights,
                 size_t n_layers, clipc_precision precision,
                 clipc_packing packing, const clipc_kernels *kernels,
                 clipc_pool *pool, bool *made);

#endif /* CLIPC_PACKED_H */
