/* SPDX-License-Identifier: MIT
 *
 * linear.h - linear layers, y = finish(x W^T). The weights W are rows as a
 * checkpoint stores them, or strips (kernels.h). clipc's own tiles or a BLAS
 * compute the product.
 *
 * Letters: T rows, N outputs, K inputs.
 */
#ifndef CLIPC_LINEAR_H
#define CLIPC_LINEAR_H

#include "base/base.h"
#include "base/cancel.h"
#include "kernels/kernels.h"

/* Weights row by row. */
typedef struct clipc_matrix {
    const void *data;      /* [N, K], may be unaligned; NULL: only packed */
    clipc_storage storage; /* F32, F16 or BF16 */
    size_t n_out, n_in;
} clipc_matrix;

/* The same weights packed. */
typedef struct clipc_strips {
    const void *data; /* [N / 16 rounded up][k_steps][64 bytes], or NULL */
    clipc_storage storage;
    const float *scale;  /* [N padded to 16] of S8 */
    const int32_t *sums; /* [N padded to 16] of S8 */
} clipc_strips;

typedef struct clipc_linear {
    clipc_matrix weight;
    clipc_strips strips;
    const float *bias; /* [N] or NULL */
    /* 8 bits would lose most of the layer's inputs: see
     * clipc_linear_precision(). */
    bool fine;
} clipc_linear;

/* Rows of activations for a linear layer. */
typedef struct clipc_operand {
    clipc_operand_format format;
    unsigned char *rows; /* [T, K padded], stride bytes apart */
    size_t stride;
    float *scale; /* [T] of S8 and U8 */
} clipc_operand;

/* What computes: constant while layers run, shared by all threads. */
typedef struct clipc_linear_engine {
    clipc_kernels kernels;
    clipc_gemm gemm;    /* not AUTO */
    size_t cache_bytes; /* of the second-level cache, of one core */
} clipc_linear_engine;

/* ---- shapes ------------------------------------------------------------ */

/* The operand format in which a layer of `precision` reads its rows. */
clipc_operand_format clipc_linear_format(const clipc_kernels *kernels,
                                         clipc_precision precision);

/* Bytes from row to row of an operand of n_in numbers. Rows are padded to an
 * odd number of cache lines, so that they spread over all cache sets. */
size_t clipc_operand_stride(clipc_operand_format format, size_t n_in);

/* Writes row `row` of an operand from n_in floats. */
void clipc_operand_put(const clipc_operand *operand,
                       const clipc_kernels *kernels, size_t row,
                       const float *x, size_t n_in);

/* The precision in which a layer is computed where the tower's is
 * `precision`: bf16 instead of int8 for a layer that is `fine`. */
static inline clipc_precision
clipc_linear_precision(const clipc_linear *linear, clipc_precision precision)
{
    return linear->fine && precision == CLIPC_PRECISION_INT8
               ? CLIPC_PRECISION_BF16
               : precision;
}

/* Precision of the patch layer in a tower of `precision`: bf16 instead of
 * int8, because int8 loses too much of a pixel. */
clipc_precision clipc_patch_precision(clipc_precision precision);

/* The storage of strips for a precision; `storage` is the checkpoint's. */
clipc_storage clipc_strips_storage(clipc_precision precision,
                                   clipc_storage storage);
/* K-steps of one strip, bytes of one strip, strips of n_out columns. */
size_t clipc_strip_steps(clipc_storage storage, size_t n_in);
size_t clipc_strip_bytes(clipc_storage storage, size_t n_in);
static inline size_t clipc_strip_count(size_t n_out)
{
    return (n_out + CLIPC_STRIP_COLUMNS - 1) / CLIPC_STRIP_COLUMNS;
}

/* Packs strips [begin, end) of a matrix. data, scale and sums start at strip
 * `begin`; scale and sums are for S8 only. */
void clipc_pack_strips(const clipc_kernels *kernels, void *data, float *scale,
                       int32_t *sums, clipc_storage to,
                       const clipc_matrix *matrix, size_t begin, size_t end);

/* ---- running ----------------------------------------------------------- */

/* Bytes of scratch that a thread needs for layers of at most max_in inputs
 * and max_rows rows; false on overflow. */
bool clipc_linear_scratch(size_t *bytes, const clipc_linear_engine *engine,
                          size_t max_in, size_t max_rows);

typedef struct clipc_linear_run {
    const clipc_linear *linear;
    clipc_precision precision; /* F32, BF16 or INT8 */
    const clipc_operand *in;   /* [T, K] */
    size_t n_rows;             /* T */
    /* Set op, scale, add, format, out and out_stride. clipc_linear_compute()
     * sets bias and the scales of the weights. */
    clipc_finish finish;
    /* The call computes part `thread` of n_threads of the columns. */
    unsigned thread, n_threads;
    const clipc_linear *next; /* prefetch its weights; or NULL */
    void *scratch;            /* of this thread, 64-byte aligned */
    clipc_cancel *cancel;     /* ends the call early; or NULL */
} clipc_linear_run;

void clipc_linear_compute(const clipc_linear_engine *engine,
                          const clipc_linear_run *run);

#endif /* CLIPC_LINEAR_H */
