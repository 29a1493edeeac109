/* SPDX-License-Identifier: MIT
 *
 * engine.h - what a forward pass runs on: kernels, threads, scratch memory.
 */
#ifndef CLIPC_ENGINE_H
#define CLIPC_ENGINE_H

#include "base/thread.h"
#include "kernels/linear.h"

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
    clipc_linear_engine linear;  /* of every thread */
    clipc_precision precision;   /* F32, BF16 or INT8 */
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

#endif /* CLIPC_ENGINE_H */
