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

#include "checkpoint/checkpoint.h"
#include "kernels/linear.h"
#include "base/thread.h"

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
    clipc_gemm gemm;             /* NATIVE or OPENBLAS */
    clipc_precision precision;   /* F32, BF16 or INT8 */
    size_t cache_bytes;          /* second-level cache of a core */
    clipc_pool *pool;
    void *scratch; /* grows to the largest need, then stays */
    size_t scratch_bytes;
    void *text_scratch; /* of clipc_text_forward(), likewise */
    size_t text_scratch_bytes;
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

/* ---- shared by the files of the transformer ---------------------------- */

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
    clipc_linear_engine engine;
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

/* Runs n sequences through the tower: out [n, E] (tower.c). */
clipc_status clipc_tower_run(const clipc_tower *tower, size_t n, float *out,
                             clipc_error *err);

/* A whole lane, from embed() to its rows of out (transformer.c). */
void clipc_lane_run(const clipc_worker *worker, float *out);

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

/* softmax(q k^T) v into lane->attended, the thread's share of sequences and
 * heads; q is scaled already. pooled_only: one query a sequence, rows of q
 * and attended in their order (attention.c). */
void clipc_attention(const clipc_worker *worker, bool pooled_only);

/* Floats of the thread's scratch that attention() needs. */
bool clipc_attention_scratch(const clipc_tower *tower, size_t longest,
                             size_t *key_floats, size_t *value_floats,
                             size_t *score_floats);

#endif /* CLIPC_TRANSFORMER_H */
