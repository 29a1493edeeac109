/* SPDX-License-Identifier: MIT
 *
 * linear.h - linear layers, y = finish(x W^T): weights as a checkpoint stores
 * them or packed in strips (kernels.h), run by clipc's own tiles or OpenBLAS.
 *
 * Letters: T rows, N outputs, K inputs.
 */
#ifndef CLIPC_LINEAR_H
#define CLIPC_LINEAR_H

#include "base/base.h"
#include "kernels/kernels.h"

/* Weights row by row. */
typedef struct clipc_matrix {
    const void *data; /* [N, K], may be unaligned; NULL: only packed */
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
    clipc_gemm gemm;    /* NATIVE or OPENBLAS */
    size_t cache_bytes; /* of the second-level cache, of one core */
} clipc_linear_engine;

/* ---- shapes ------------------------------------------------------------ */

/* Operand format that the engine wants for a precision. */
clipc_operand_format clipc_linear_format(const clipc_kernels *kernels,
                                         clipc_precision precision);

/* Bytes from row to row of an operand of n_in numbers: padded, and an odd
 * number of cache lines, so that rows do not fall into one cache set. */
size_t clipc_operand_stride(clipc_operand_format format, size_t n_in);

/* Writes row `row` of an operand from n_in floats. */
void clipc_operand_put(const clipc_operand *operand,
                       const clipc_kernels *kernels, size_t row,
                       const float *x, size_t n_in);

/* Precision of the patch layer in a tower of `precision`: bytes of pixels
 * need more than int8. */
clipc_precision clipc_patch_precision(clipc_precision precision);

/* How weights of a precision are packed; storage: as they are stored. */
clipc_storage clipc_strips_storage(clipc_precision precision,
                                   clipc_storage storage);
/* K-steps and bytes of one strip. */
size_t clipc_strip_steps(clipc_storage storage, size_t n_in);
size_t clipc_strip_bytes(clipc_storage storage, size_t n_in);
static inline size_t clipc_strip_count(size_t n_out)
{
    return (n_out + CLIPC_STRIP_COLUMNS - 1) / CLIPC_STRIP_COLUMNS;
}

/* Packs strips [begin, end) of a matrix into `data`, which starts at strip
 * `begin`; scale and sums likewise, S8 only. */
void clipc_pack_strips(const clipc_kernels *kernels, void *data, float *scale,
                       int32_t *sums, clipc_storage to,
                       const clipc_matrix *matrix, size_t begin, size_t end);

/* ---- running ----------------------------------------------------------- */

/* Bytes of scratch that a thread needs for layers of at most max_in inputs
 * and max_rows rows. */
bool clipc_linear_scratch(size_t *bytes, const clipc_linear_engine *engine,
                          size_t max_in, size_t max_rows);

typedef struct clipc_linear_run {
    const clipc_linear *linear;
    clipc_precision precision; /* F32, BF16 or INT8 */
    const clipc_operand *in;   /* [T, K] */
    size_t n_rows;             /* T */
    clipc_finish finish; /* op, scale, add, format, out; the rest is filled */
    /* Part `thread` of n_threads of the columns is computed. */
    unsigned thread, n_threads;
    const clipc_linear *next; /* whose weights to prefetch, or NULL */
    void *scratch;            /* of this thread, 64-byte aligned */
} clipc_linear_run;

void clipc_linear_compute(const clipc_linear_engine *engine,
                          const clipc_linear_run *run);

#endif /* CLIPC_LINEAR_H */
