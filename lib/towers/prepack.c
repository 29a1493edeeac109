/* SPDX-License-Identifier: MIT
 *
 * prepack.c - packs all linear layers of a tower into one block of memory.
 *
 * A program that answers one question should not pay for this: packing reads
 * and writes every weight, and the pages it writes are new. A program that
 * goes on gets it back within a few calls. So a tower is packed when it is
 * used for the third time, unless the context says otherwise.
 */
#include "towers/prepack.h"

#include <stdlib.h>

/* Uses before this one that make packing worth while. */
enum { USES_BEFORE_PACKING = 2 };

struct clipc_prepack_tower {
    clipc_tower_weights weights; /* with strips; vectors are the checkpoint's */
    void *memory;                /* of the strips */
};

/* ---- one tower --------------------------------------------------------- */

/* Strips of one layer in the block. */
typedef struct piece {
    const clipc_matrix *matrix;
    clipc_storage storage;
    unsigned char *data;
    float *scale;
    int32_t *sums;
} piece;

typedef struct packing_job {
    const clipc_kernels *kernels;
    piece *pieces;
    size_t n_pieces;
} packing_job;

static void pack_part(void *arg, unsigned thread, unsigned n_threads)
{
    const packing_job *job = arg;

    for (size_t i = 0; i < job->n_pieces; i++) {
        const piece *p = &job->pieces[i];
        const size_t strip_bytes = clipc_strip_bytes(p->storage,
                                                     p->matrix->n_in);
        size_t begin, end, columns;
        clipc_split(clipc_strip_count(p->matrix->n_out), thread, n_threads,
                    &begin, &end);
        columns = begin * CLIPC_STRIP_COLUMNS;
        clipc_pack_strips(job->kernels, p->data + begin * strip_bytes,
                          p->scale ? p->scale + columns : NULL,
                          p->sums ? p->sums + columns : NULL, p->storage,
                          p->matrix, begin, end);
    }
}

/* Adds `bytes` to the block, which begins at base (NULL: only counts). */
static void *take(unsigned char *base, size_t *used, size_t count,
                  size_t bytes, bool *overflow)
{
    size_t at = *used, total;

    if (!clipc_mul(count, bytes, &total) || !clipc_add(at, total, used))
        *overflow = true;
    return base && !*overflow ? base + at : NULL;
}

/* Where the strips of one layer go; also sets linear->strips. Every part is a
 * multiple of 64 bytes. */
static piece place(clipc_linear *linear, clipc_precision precision,
                   unsigned char *base, size_t *used, bool *overflow)
{
    const size_t n = clipc_strip_count(linear->weight.n_out);
    piece p = {
        .matrix = &linear->weight,
        .storage = clipc_strips_storage(precision, linear->weight.storage),
    };

    p.data = take(base, used, n,
                  clipc_strip_bytes(p.storage, linear->weight.n_in), overflow);
    if (p.storage == CLIPC_STORE_S8) {
        p.scale = take(base, used, n, CLIPC_STRIP_COLUMNS * sizeof *p.scale,
                       overflow);
        p.sums = take(base, used, n, CLIPC_STRIP_COLUMNS * sizeof *p.sums,
                      overflow);
    }
    linear->strips = (clipc_strips){ p.data, p.storage, p.scale, p.sums };
    return p;
}

/* All layers of the tower; pieces may be NULL. */
static size_t place_all(clipc_tower_weights *weights, size_t n_layers,
                        clipc_precision precision, piece *pieces,
                        unsigned char *base, bool *overflow)
{
    size_t used = 0, n = 0;
    piece p;

    if (weights->patch.weight.data) {
        p = place(&weights->patch, clipc_patch_precision(precision), base, &used,
                  overflow);
        if (pieces)
            pieces[n++] = p;
    }
    for (size_t i = 0; i < n_layers; i++) {
        for (int l = 0; l < CLIPC_N_LAYER_LINEARS; l++) {
            p = place(&weights->layers[i].linears[l], precision, base, &used,
                      overflow);
            if (pieces)
                pieces[n++] = p;
        }
    }
    p = place(&weights->projection, CLIPC_PRECISION_F32, base, &used,
              overflow);
    if (pieces)
        pieces[n++] = p;
    return used;
}

static void free_tower(clipc_prepack_tower *tower)
{
    if (!tower)
        return;
    free(tower->weights.layers);
    free(tower->memory);
    free(tower);
}

/* Packs a tower, or leaves *out NULL where memory runs out. The strips are the
 * same whatever the kernels. */
static void make_tower(clipc_prepack_tower **out,
                       const clipc_tower_weights *weights, size_t n_layers,
                       clipc_precision precision, const clipc_kernels *kernels,
                       clipc_pool *pool)
{
    const size_t n_pieces = n_layers * CLIPC_N_LAYER_LINEARS + 2;
    packing_job job = { .kernels = kernels };
    clipc_prepack_tower *tower = clipc_alloc_zero(1, sizeof *tower);
    bool overflow = false;

    *out = NULL;
    if (!tower)
        return;
    tower->weights = *weights;
    tower->weights.layers = clipc_alloc(n_layers, sizeof *weights->layers);
    job.pieces = clipc_alloc(n_pieces, sizeof *job.pieces);
    if (!tower->weights.layers || !job.pieces)
        goto fail;
    for (size_t i = 0; i < n_layers; i++)
        tower->weights.layers[i] = weights->layers[i];
    size_t bytes = place_all(&tower->weights, n_layers, precision, NULL, NULL,
                             &overflow);
    if (!overflow)
        tower->memory = clipc_alloc_large(bytes, 1);
    if (!tower->memory)
        goto fail;
    place_all(&tower->weights, n_layers, precision, job.pieces,
              tower->memory, &overflow);
    job.n_pieces = n_layers * CLIPC_N_LAYER_LINEARS + 1 +
                   (weights->patch.weight.data != NULL);
    clipc_pool_run(pool, pack_part, &job);
    free(job.pieces);
    *out = tower;
    return;
fail:
    free(job.pieces);
    free_tower(tower);
}

/* ---- kept by a model --------------------------------------------------- */

void clipc_prepack_init(clipc_prepack_set *set, pthread_mutex_t *mutex)
{
    set->mutex = mutex;
    atomic_init(&set->n_uses, 0);
    for (int i = 0; i < CLIPC_N_PRECISIONS; i++)
        atomic_init(&set->towers[i], NULL);
}

void clipc_prepack_free(clipc_prepack_set *set)
{
    for (int i = 0; i < CLIPC_N_PRECISIONS; i++)
        free_tower(atomic_load(&set->towers[i]));
}

static bool wanted(clipc_prepack_set *set, clipc_packing packing)
{
    unsigned uses = atomic_load(&set->n_uses);

    if (packing != CLIPC_PACKING_AUTO)
        return packing == CLIPC_PACKING_ALWAYS;
    if (uses < USES_BEFORE_PACKING) /* counts no further: never wraps */
        uses = atomic_fetch_add(&set->n_uses, 1);
    return uses >= USES_BEFORE_PACKING;
}

const clipc_tower_weights *
clipc_prepack_use(clipc_prepack_set *set, const clipc_tower_weights *weights,
                 size_t n_layers, clipc_precision precision,
                 clipc_packing packing, const clipc_kernels *kernels,
                 clipc_pool *pool, bool *made)
{
    clipc_prepack_tower *tower = atomic_load(&set->towers[precision]);

    *made = false;
    if (tower)
        return &tower->weights;
    if (weights->projection.strips.data || !wanted(set, packing))
        return weights; /* from a packed file, or not worth it */
    pthread_mutex_lock(set->mutex);
    tower = atomic_load(&set->towers[precision]);
    if (!tower) {
        make_tower(&tower, weights, n_layers, precision, kernels, pool);
        atomic_store(&set->towers[precision], tower);
        *made = tower != NULL;
    }
    pthread_mutex_unlock(set->mutex);
    return tower ? &tower->weights : weights;
}
