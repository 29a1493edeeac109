/* SPDX-License-Identifier: MIT
 *
 * prepack.c - packs all linear layers of a tower into one block of memory.
 *
 * Packing reads and writes every weight, into new pages of memory. A program
 * that answers one question should not pay this price; a program that goes on
 * gains it back within a few calls. So a tower is packed when it is used for
 * the third time, unless the context says otherwise.
 */
#include "towers/prepack.h"

#include "base/arena.h"

#include <stdlib.h>

/* A tower is packed when this many uses have gone before. */
enum { USES_BEFORE_PACKING = 2 };

struct clipc_prepack_tower {
    clipc_tower_weights
        weights;  /* with strips; vectors are the checkpoint's */
    void *memory; /* of the strips */
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
    const clipc_checkpoint *checkpoint;
    piece *pieces;
    size_t n_pieces;
    clipc_cancel *cancel;
} packing_job;

/* The rows of strips [begin, end) will not be read soon. */
static void forget_rows(const packing_job *job, const clipc_matrix *matrix,
                        size_t begin, size_t end)
{
    const size_t row_bytes = matrix->n_in *
                             clipc_storage_bytes(matrix->storage);
    const size_t first = begin * CLIPC_STRIP_COLUMNS;
    size_t last = end * CLIPC_STRIP_COLUMNS;

    if (last > matrix->n_out)
        last = matrix->n_out;
    if (first < last)
        clipc_checkpoint_forget_bytes(job->checkpoint,
                                      (const unsigned char *)matrix->data +
                                          first * row_bytes,
                                      (last - first) * row_bytes);
}

static void pack_part(void *arg, unsigned thread, unsigned n_threads)
{
    const packing_job *job = arg;

    for (size_t i = 0; i < job->n_pieces; i++) {
        const piece *p = &job->pieces[i];
        const size_t strip_bytes = clipc_strip_bytes(p->storage,
                                                     p->matrix->n_in);
        size_t first, end;
        clipc_split(clipc_strip_count(p->matrix->n_out), thread, n_threads,
                    &first, &end);
        for (size_t begin = first;
             begin < end && !clipc_cancelled(job->cancel); begin++) {
            const size_t column = begin * CLIPC_STRIP_COLUMNS;
            clipc_pack_strips(job->kernels, p->data + begin * strip_bytes,
                              p->scale ? p->scale + column : NULL,
                              p->sums ? p->sums + column : NULL, p->storage,
                              p->matrix, begin, begin + 1);
        }
        forget_rows(job, p->matrix, first, end);
    }
}

/* Cuts the strips of one layer out of the block and sets linear->strips. */
static piece place(clipc_linear *linear, clipc_precision precision,
                   clipc_arena *block)
{
    const size_t n = clipc_strip_count(linear->weight.n_out);
    piece p = {
        .matrix = &linear->weight,
        .storage = clipc_strips_storage(clipc_linear_precision(linear,
                                                               precision),
                                        linear->weight.storage),
    };

    p.data = clipc_arena_cut(block, n,
                             clipc_strip_bytes(p.storage, linear->weight.n_in),
                             CLIPC_ARENA_LINE);
    if (p.storage == CLIPC_STORE_S8) {
        p.scale = clipc_arena_cut(block, n * CLIPC_STRIP_COLUMNS,
                                  sizeof *p.scale, CLIPC_ARENA_LINE);
        p.sums = clipc_arena_cut(block, n * CLIPC_STRIP_COLUMNS,
                                 sizeof *p.sums, CLIPC_ARENA_LINE);
    }
    linear->strips = (clipc_strips){ p.data, p.storage, p.scale, p.sums };
    return p;
}

/* Linear layers of a tower, at most: those of its blocks and of a head, the
 * patch layer and the projection. */
static size_t most_linears(size_t n_layers)
{
    return (n_layers + 1) * CLIPC_N_LAYER_LINEARS + 2;
}

/* Places all layers of the tower and returns how many there are. */
static size_t place_all(piece *pieces, clipc_tower_weights *weights,
                        size_t n_layers, clipc_precision precision,
                        clipc_arena *block)
{
    size_t n = 0;

    if (weights->patch.weight.data)
        pieces[n++] = place(&weights->patch, clipc_patch_precision(precision),
                            block);
    for (size_t i = 0; i < n_layers; i++)
        for (int l = 0; l < CLIPC_N_LAYER_LINEARS; l++)
            pieces[n++] = place(&weights->layers[i].linears[l], precision,
                                block);
    for (int l = 0; weights->head.probe && l < CLIPC_N_LAYER_LINEARS; l++)
        pieces[n++] = place(&weights->head.linears[l],
                            l == CLIPC_LINEAR_Q ? CLIPC_PRECISION_F32
                                                : precision,
                            block);
    if (weights->projection.weight.data)
        pieces[n++] = place(&weights->projection, CLIPC_PRECISION_F32, block);
    return n;
}

static void free_tower(clipc_prepack_tower *tower)
{
    if (!tower)
        return;
    free(tower->weights.layers);
    clipc_free_aligned(tower->memory);
    free(tower);
}

/* Packs a tower, or leaves *out NULL where memory runs out and after a cancel.
 * The strips are the same whatever the kernels. */
static void make_tower(clipc_prepack_tower **out,
                       const clipc_tower_weights *weights, size_t n_layers,
                       clipc_precision precision,
                       const clipc_checkpoint *checkpoint,
                       const clipc_kernels *kernels, clipc_pool *pool,
                       clipc_cancel *cancel)
{
    const size_t n_pieces = most_linears(n_layers);
    packing_job job = { .kernels = kernels,
                        .checkpoint = checkpoint,
                        .cancel = cancel };
    clipc_prepack_tower *tower = clipc_alloc_zero(1, sizeof *tower);
    clipc_arena count = { 0 };

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
    place_all(job.pieces, &tower->weights, n_layers, precision, &count);
    if (!count.overflow)
        tower->memory = clipc_alloc_large(count.used, 1);
    if (!tower->memory)
        goto fail;
    clipc_arena block = { .base = tower->memory };
    job.n_pieces = place_all(job.pieces, &tower->weights, n_layers, precision,
                             &block);
    clipc_pool_run(pool, pack_part, &job);
    if (clipc_cancelled(cancel))
        goto fail;
    free(job.pieces);
    *out = tower;
    return;
fail:
    free(job.pieces);
    free_tower(tower);
}

/* ---- kept by a model --------------------------------------------------- */

void clipc_prepack_init(clipc_prepack_set *set)
{
    atomic_flag_clear(&set->making);
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
    if (uses < USES_BEFORE_PACKING) /* count no further: never wrap */
        uses = atomic_fetch_add(&set->n_uses, 1);
    return uses >= USES_BEFORE_PACKING;
}

const clipc_tower_weights *
clipc_prepack_use(clipc_prepack_set *set, const clipc_tower_weights *weights,
                  size_t n_layers, clipc_precision precision,
                  clipc_packing packing, const clipc_checkpoint *checkpoint,
                  const clipc_kernels *kernels, clipc_pool *pool,
                  clipc_cancel *cancel, bool *made)
{
    clipc_prepack_tower *tower = atomic_load(&set->towers[precision]);

    *made = false;
    if (tower)
        return &tower->weights;
    if (weights->layers[0].linears[0].strips.data || !wanted(set, packing))
        return weights; /* from a packed file, or not worth packing */
    /* No mutex: cancel asks the caller, who may use the model meanwhile. */
    if (atomic_flag_test_and_set(&set->making))
        return weights;
    tower = atomic_load(&set->towers[precision]);
    if (!tower) {
        make_tower(&tower, weights, n_layers, precision, checkpoint, kernels,
                   pool, cancel);
        atomic_store(&set->towers[precision], tower);
        *made = tower != NULL;
    }
    atomic_flag_clear(&set->making);
    return tower ? &tower->weights : weights;
}
