/* SPDX-License-Identifier: MIT
 *
 * kernels.h - the table of inner loops. C versions are complete and come
 * first; files of an instruction set override entries upward.
 * Order of parameters: outputs, inputs, sizes.
 *
 * Every kernel gives an element the same bits wherever it stands: no result
 * depends on the number of rows, on alignment, or on the elements beside it
 * but those of its own row where the operation says so. NaN stays NaN.
 */
#ifndef CLIPC_KERNELS_H
#define CLIPC_KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef struct clipc_kernels {
    const char *name; /* "c" */
    /* y[t] = (x[t] - mean) * rstd * gain + bias; x, y: [T, D]; may alias. */
    void (*layernorm)(float *y, const float *x, const float *gain,
                      const float *bias, float eps, size_t n_rows,
                      size_t width);
    /* x = x * sigmoid(1.702 x) and x = gelu(x), in place, n elements. */
    void (*quick_gelu)(float *x, size_t n);
    void (*gelu)(float *x, size_t n);
    /* x += bias: [T, D] += [D]. */
    void (*add_bias)(float *x, const float *bias, size_t n_rows, size_t width);
    /* x += y + bias, n elements. */
    void (*add_residual)(float *x, const float *y, const float *bias,
                         size_t n);
    /* x *= factor, n elements. */
    void (*scale)(float *x, float factor, size_t n);
    /* Softmax of one row in place, max subtracted. */
    void (*softmax)(float *x, size_t n);
    /* C[m, n] (row stride ldc) = sum_k A[m, k] * B[n, k] (strides lda, ldb):
     * a linear layer with weights [out, in]. Each element is summed in an
     * order that depends on K alone, so it is the same for any m and n, and
     * for A and B exchanged. */
    void (*gemm_nt)(float *c, size_t ldc, const float *a, size_t lda,
                    const float *b, size_t ldb, size_t m, size_t n, size_t k);
} clipc_kernels;

/* Fills the table for CPU feature bits (cpu.h). */
void clipc_kernels_init(clipc_kernels *kernels, unsigned features);

#endif /* CLIPC_KERNELS_H */
