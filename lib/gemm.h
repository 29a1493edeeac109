/* SPDX-License-Identifier: MIT
 *
 * gemm.h - which backend computes matrix products, and OpenBLAS's on one
 * thread.
 */
#ifndef CLIPC_GEMM_H
#define CLIPC_GEMM_H

#include "base.h"

/* Resolves AUTO: clipc's own kernels where the CPU has vector ones (`vector`),
 * else OpenBLAS where it is there. CLIPC_ERR_UNSUPPORTED when OpenBLAS was
 * asked for and is not. When it is chosen, sets it to one thread unless
 * keep_blas_threads; else it is not even loaded. */
clipc_status clipc_gemm_select(clipc_gemm *chosen, clipc_gemm asked,
                               bool vector, bool keep_blas_threads,
                               clipc_error *err);

/* C[m, n] = A[m, k] * B[n, k]^T and C[m, n] = A[m, k] * B[k, n] by OpenBLAS,
 * row strides ldc, lda, ldb, every size below 2^31. Only where it was
 * chosen. */
void clipc_blas_nt(float *c, size_t ldc, const float *a, size_t lda,
                   const float *b, size_t ldb, size_t m, size_t n, size_t k);
void clipc_blas_nn(float *c, size_t ldc, const float *a, size_t lda,
                   const float *b, size_t ldb, size_t m, size_t n, size_t k);

/* "0.3.21" and the core type in use, or NULL when it is not built in, not
 * installed or of a core type that this CPU cannot run. These load it. */
const char *clipc_openblas_version(void);
const char *clipc_openblas_core(void);
/* The core type this CPU's features suggest, when the one in use is slower;
 * else NULL. */
const char *clipc_openblas_core_better(void);
/* Whether a CPU of these features runs that core type's kernels. */
bool clipc_openblas_core_runs(const char *core, unsigned features);

#endif /* CLIPC_GEMM_H */
