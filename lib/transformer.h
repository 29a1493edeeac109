/* SPDX-License-Identifier: MIT
 *
 * transformer.h - the pre-LN transformer shared by both towers, and the
 * towers' forward passes.
 */
#ifndef CLIPC_TRANSFORMER_H
#define CLIPC_TRANSFORMER_H

#include "checkpoint.h"
#include "gemm.h"
#include "thread.h"

/* Called with intermediate results where a test asked for them. stage:
 * "embeddings", "layer", "pooled", "projection"; data: [n_rows, width]. In
 * the last layer only the pooled rows are computed. */
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

#endif /* CLIPC_TRANSFORMER_H */
