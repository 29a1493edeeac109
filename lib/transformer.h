/* SPDX-License-Identifier: MIT
 *
 * transformer.h - the pre-LN transformer shared by both towers, and the
 * towers' forward passes.
 *
 * Letters: B sequences, T rows (tokens) of all of them, D width, H heads,
 * K head dim, M mlp width, E projection dim.
 */
#ifndef CLIPC_TRANSFORMER_H
#define CLIPC_TRANSFORMER_H

#include "checkpoint.h"
#include "gemm.h"
#include "thread.h"

/* Called with intermediate results where a test asked for them. stage:
 * "embeddings", "layer", "pooled", "projection"; data: [n_rows, width]. In
 * the last layer only the pooled rows are computed. Called once for every
 * chunk of sequences, from the calling thread. */
typedef void (*clipc_trace_fn)(void *user, const char *tower,
                               const char *stage, size_t layer,
                               const float *data, size_t n_rows,
                               size_t width);

/* What a forward pass runs on: part of clipc_ctx. */
typedef struct clipc_engine {
    clipc_kernels kernels;
    clipc_gemm_backend gemm;
    clipc_pool *pool;
    float *scratch; /* grows to the largest need, then stays */
    size_t scratch_floats;
    clipc_trace_fn trace; /* or NULL */
    void *trace_user;
    clipc_progress_fn progress;
    void *progress_user;
} clipc_engine;

/* Image tower: pixels [n, 3, S, S] -> raw projections [n, E]. Splits n into
 * chunks that bound the scratch memory. */
clipc_status clipc_vision_forward(clipc_engine *engine,
                                  const clipc_config *config,
                                  const clipc_vision_weights *weights,
                                  const float *pixels, size_t n, float *out,
                                  clipc_error *err);

/* Text tower: n sequences, sequence i is ids[starts[i]] .. ids[starts[i+1]-1],
 * each at most context_length long, any row after the end token ignored.
 * -> raw projections [n, E]. Sequences of different lengths are computed side
 * by side without padding. */
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

/* ---- shared by vision.c and text.c ------------------------------------- */

/* Sequences that pass through the layers together, and their scratch. */
typedef struct clipc_lane {
    size_t first, n_seqs; /* sequences first .. first + n_seqs - 1 */
    size_t n_rows;        /* of all of them: T */
    size_t *starts;       /* [n_seqs + 1] first row of each */
    float *x;             /* [T, D] residual stream */
    float *y;             /* [T, D] */
    float *h; /* [T, M]; or q, k, v of [T, D] each; or the patches */
    float *pooled_x, *pooled_y; /* [n_seqs, D] */
    float *scores;        /* of each thread: [query block, longest] */
    size_t scores_floats; /* of one thread */
} clipc_lane;

typedef struct clipc_tower clipc_tower;

/* One thread of those that share a lane. */
typedef struct clipc_worker {
    const clipc_tower *tower;
    clipc_lane *lane;
    unsigned thread, n_threads;
} clipc_worker;

struct clipc_tower {
    const char *name; /* "vision" or "text" */
    clipc_engine *engine;
    const clipc_config *config;
    const clipc_tower_config *shape;
    const clipc_layer_weights *layers;
    const float *final_ln_gain, *final_ln_bias; /* [D] on the pooled rows */
    const float *projection;                    /* [E, D] */
    /* A row attends to those before it and itself, and the last row of a
     * sequence is pooled; else to all, and the first is pooled. */
    bool causal;
    size_t embed_floats; /* of lane->h that embed() needs a sequence */
    const void *input;   /* for the two functions */
    /* Rows of sequence i, at least 1. */
    size_t (*length)(const clipc_tower *tower, size_t i);
    /* Fills lane->x; called by every thread of the lane. */
    void (*embed)(const clipc_worker *worker);
};

/* Runs n sequences through the tower: out [n, E]. */
clipc_status clipc_tower_run(const clipc_tower *tower, size_t n, float *out,
                             clipc_error *err);

/* For embed(): all threads of the lane meet; this thread's share of n rows;
 * and its columns of y[T, n_out] = x[T, n_in] * weight[n_out, n_in]^T. */
void clipc_lane_barrier(const clipc_worker *worker);
void clipc_lane_rows(const clipc_worker *worker, size_t n, size_t *begin,
                     size_t *end);
void clipc_lane_linear(const clipc_worker *worker, float *y, const float *x,
                       const float *weight, size_t n_rows, size_t n_out,
                       size_t n_in);

#endif /* CLIPC_TRANSFORMER_H */
