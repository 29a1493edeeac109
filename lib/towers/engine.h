/* SPDX-License-Identifier: MIT
 *
 * engine.h - the kernels, threads and scratch memory of a forward pass.
 */
#ifndef CLIPC_ENGINE_H
#define CLIPC_ENGINE_H

#include "base/cancel.h"
#include "base/thread.h"
#include "kernels/linear.h"

/* Gets the intermediate results, for tests. stage: "embeddings", "layer",
 * "pooled" or "projection". data: [n_rows, width]; of the last layer, only the
 * pooled rows (before SigLIP's head, all; "pooled" is then what its attention
 * makes of them). A forward pass calls this from its own thread, once for every
 * stage of every chunk of sequences. */
typedef void (*clipc_trace_fn)(void *user, const char *tower,
                               const char *stage, size_t layer,
                               const float *data, size_t n_rows, size_t width);

/* A part of clipc_ctx. One forward pass at a time uses an engine. */
typedef struct clipc_engine {
    clipc_linear_engine linear; /* shared by all threads */
    clipc_precision precision;  /* F32, BF16 or INT8 */
    clipc_pool *pool;
    clipc_cancel cancel;      /* begun by the caller of each pass */
    size_t max_scratch_bytes; /* of a pass; 0: any */
    uint64_t max_macs; /* of one sequence, as clipc_ctx_params; 0: any */
    size_t mlp_bytes;  /* of the rows that the mlp widens together, about; 0:
                        * tower.c's default */
    void *scratch;     /* grows to the largest need, then stays */
    size_t scratch_bytes;
    void *text_scratch; /* of clipc_text_forward(); grows like scratch */
    size_t text_scratch_bytes;
    clipc_trace_fn trace; /* or NULL */
    void *trace_user;
} clipc_engine;

#endif /* CLIPC_ENGINE_H */
