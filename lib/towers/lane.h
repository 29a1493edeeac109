/* SPDX-License-Identifier: MIT
 *
 * lane.h - a lane: sequences that pass through the layers together, the threads
 * that compute it, and the tower.
 *
 * Letters: T rows (tokens) of all sequences, D width, K head dim, M mlp width,
 * E projection dim.
 */
#ifndef CLIPC_LANE_H
#define CLIPC_LANE_H

#include "checkpoint/parameters.h"
#include "towers/engine.h"

/* Floats in rows of `width`, `stride` floats apart. */
typedef struct clipc_rows {
    float *data;
    size_t stride;
} clipc_rows;

/* One sequence of a lane. The sequence attends to rows keys[first_key,
 * +n_keys). Only the last n_rows of these, from row first_row on, are computed
 * for it. The rest are a prefix, computed for an earlier sequence. */
typedef struct clipc_sequence {
    size_t first_row, n_rows, first_key, n_keys;
} clipc_sequence;

/* Scratch of one thread. */
typedef struct clipc_thread_scratch {
    void *linear;        /* for clipc_linear_compute() */
    float *row;          /* [D] */
    float *key_strips;   /* [longest / 16][K][16] */
    float *value_strips; /* [K / 16][longest][16] */
    float *scores;       /* [tile rows, longest padded to 16] */
} clipc_thread_scratch;

/* A lane and its scratch. */
typedef struct clipc_lane {
    size_t first, n_seqs;      /* sequences first .. first + n_seqs - 1 */
    size_t n_rows;             /* of all its sequences: T */
    clipc_sequence *sequences; /* [n_seqs] */
    uint32_t *keys;            /* numbers of rows, for all sequences */
    /* Rows that enter the first layer alike are one there. Both NULL where the
     * tower does not say which (`repeats`). */
    uint32_t *entry_of; /* [T] the row's number among the entries */
    uint32_t *entries;  /* [n_entries] a row of each, in rising order */
    size_t n_entries;
    float *x;               /* [T, D] residual stream */
    clipc_operand y;        /* [T, D] */
    clipc_operand fine_y;   /* the same for layers that are `fine`, in the
                             * memory of y */
    clipc_operand h;        /* [mlp_rows, M] */
    size_t mlp_rows;        /* of the mlp, computed together */
    clipc_operand patches;  /* [n_seqs * patches, 3 P P], in the memory of h */
    clipc_rows q, k, v;     /* [T, D] each */
    clipc_rows attended;    /* [T, D]; the memory of y where y is f32 */
    clipc_rows expanded;    /* [mlp_rows, M], in the memory of q, k, v; INT8
                             * only */
    float *pooled_x;        /* [n_seqs, D] */
    clipc_operand pooled_y; /* [n_seqs, D] */
    clipc_operand fine_pooled_y;   /* in the memory of pooled_y */
    clipc_operand pooled;          /* [n_seqs, D] f32, for the projection */
    clipc_thread_scratch *threads; /* one for each thread of the lane */
} clipc_lane;

typedef struct clipc_tower clipc_tower;

/* The row of a sequence that becomes its vector. */
typedef enum clipc_pooling {
    CLIPC_POOL_FIRST, /* of its rows */
    CLIPC_POOL_LAST,
    CLIPC_POOL_HEAD /* the row that the tower's attention head makes */
} clipc_pooling;

/* One of the threads that share a lane. */
typedef struct clipc_worker {
    const clipc_tower *tower;
    clipc_lane *lane;
    clipc_thread_scratch *scratch;
    unsigned thread, n_threads;
} clipc_worker;

struct clipc_tower {
    const char *name; /* "vision" or "text" */
    clipc_engine *engine;
    const clipc_config *config;
    const clipc_tower_config *shape;
    const clipc_tower_weights *weights;
    /* true: a row attends to itself and to earlier rows. false: to all rows of
     * its sequence. */
    bool causal;
    clipc_pooling pooling;
    size_t n_patches, patch_floats; /* of the vision tower; 0 for text */
    const void *input;              /* for the three functions */
    /* Rows of sequence i, at least 1. */
    size_t (*length)(const clipc_tower *tower, size_t i);
    /* Rows at the beginning of sequence i that equal those of sequence i - 1.
     * NULL: sequences share no rows. */
    size_t (*shared)(const clipc_tower *tower, size_t i);
    /* Whether the row at `place`, which both have, of sequence i enters the
     * first layer as that of sequence i - 1 does. Such sequences share no
     * rows. NULL: not known. */
    bool (*repeats)(const clipc_tower *tower, size_t i, size_t place);
    /* Fills lane->x. Every thread of the lane calls this. */
    void (*embed)(const clipc_worker *worker);
};

static inline const clipc_kernels *
clipc_lane_kernels(const clipc_worker *worker)
{
    return &worker->tower->engine->linear.kernels;
}

/* Waits until all threads of the lane are here. */
void clipc_lane_barrier(const clipc_worker *worker);

/* The thread's share of n items: [*begin, *end); no item where the pass was
 * cancelled. A cancelled pass goes through all its stages and barriers, and
 * does no work in them: so no thread waits for another that has left. */
void clipc_lane_share(const clipc_worker *worker, size_t n, size_t *begin,
                      size_t *end);

/* The thread's columns of a linear layer: out = finish(in W^T). Set
 * finish->out, out_stride, op, scale, add and format; the bias and the scales
 * of the weights are filled in here. `next` is the layer whose weights to
 * prefetch, or NULL. The format of `in` is that of
 * clipc_linear_precision(linear, precision). */
void clipc_lane_linear(const clipc_worker *worker, const clipc_linear *linear,
                       const clipc_linear *next, clipc_precision precision,
                       const clipc_operand *in, size_t n_rows,
                       const clipc_finish *finish);

#endif /* CLIPC_LANE_H */
