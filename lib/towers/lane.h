/* SPDX-License-Identifier: MIT
 *
 * lane.h - sequences that pass through the layers together, the threads
 * that share them, and the tower they belong to.
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

/* One sequence of a lane. It sees n_keys rows, keys[first_key] ..; the last
 * n_rows of them, from first_row on, are its own, the others were computed
 * with sequences before it. */
typedef struct clipc_sequence {
    size_t first_row, n_rows, first_key, n_keys;
} clipc_sequence;

/* What one thread needs beside the lane's. */
typedef struct clipc_thread_scratch {
    void *linear;              /* of clipc_linear_compute() */
    float *row;                /* [D] */
    float *key_strips;         /* [longest / 16][K][16] */
    float *value_strips;       /* [K / 16][longest][16] */
    float *scores;             /* [tile rows, longest padded to 16] */
} clipc_thread_scratch;

/* Sequences that pass through the layers together, and their scratch. */
typedef struct clipc_lane {
    size_t first, n_seqs; /* sequences first .. first + n_seqs - 1 */
    size_t n_rows;        /* of all of them: T */
    clipc_sequence *sequences; /* [n_seqs] */
    uint32_t *keys;       /* rows of the lane */
    float *x;             /* [T, D] residual stream */
    clipc_operand y;      /* [T, D] */
    clipc_operand h;      /* [T, M]; */
    clipc_operand patches; /* [n_seqs * patches, 3 P P], in the place of h */
    clipc_rows q, k, v;   /* [T, D] each */
    clipc_rows attended;  /* [T, D]: y itself where y is f32 */
    clipc_rows expanded;  /* [T, M] in the place of q, k, v: INT8 only */
    float *pooled_x;      /* [n_seqs, D] */
    clipc_operand pooled_y; /* [n_seqs, D] */
    clipc_operand pooled; /* [n_seqs, D] f32, for the projection */
    clipc_thread_scratch *threads; /* one for each thread that shares it */
} clipc_lane;

typedef struct clipc_tower clipc_tower;

/* One thread of those that share a lane. */
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
    /* A row attends to those before it and itself, and the last row of a
     * sequence is pooled; else to all, and the first is pooled. */
    bool causal;
    size_t n_patches, patch_floats; /* 0: none */
    const void *input; /* for the functions */
    /* Rows of sequence i, at least 1. */
    size_t (*length)(const clipc_tower *tower, size_t i);
    /* Rows at its beginning that are those of sequence i - 1; NULL: none. */
    size_t (*shared)(const clipc_tower *tower, size_t i);
    /* Fills lane->x; called by every thread of the lane. */
    void (*embed)(const clipc_worker *worker);
};

static inline const clipc_kernels *clipc_lane_kernels(const clipc_worker *worker)
{
    return &worker->tower->engine->linear.kernels;
}

/* All threads of the lane meet; this thread's share of n items. */
void clipc_lane_barrier(const clipc_worker *worker);
void clipc_lane_share(const clipc_worker *worker, size_t n, size_t *begin,
                      size_t *end);

/* The thread's columns of a linear layer: out = finish(in W^T). `out` and
 * what is not about the weights in *finish is the caller's. */
void clipc_lane_linear(const clipc_worker *worker, const clipc_linear *linear,
                       const clipc_linear *next, clipc_precision precision,
                       const clipc_operand *in, size_t n_rows,
                       const clipc_finish *finish);

#endif /* CLIPC_LANE_H */
