/* SPDX-License-Identifier: MIT
 *
 * openblas.h - the choice of the backend of matrix products, and products by
 * OpenBLAS on the calling thread.
 */
#ifndef CLIPC_OPENBLAS_H
#define CLIPC_OPENBLAS_H

#include "base/base.h"

/* Resolves AUTO: NATIVE where the CPU has vector kernels (`vector`), else
 * OPENBLAS where the library is installed, else NATIVE. CLIPC_ERR_UNSUPPORTED:
 * OPENBLAS was asked for and is not installed or not built in. The choice of
 * OPENBLAS sets it to one thread, unless keep_blas_threads. OpenBLAS is loaded
 * only if OPENBLAS is asked for, or AUTO on a CPU without vector kernels. */
clipc_status clipc_gemm_select(clipc_gemm *chosen, clipc_gemm asked,
                               bool vector, bool keep_blas_threads,
                               clipc_error *err);

/* C[m, n] = A[m, k] * B[n, k]^T and C[m, n] = A[m, k] * B[k, n], with row
 * strides ldc, lda, ldb. Every size must be below 2^31. Call only after
 * clipc_gemm_select() chose OPENBLAS. */
void clipc_blas_nt(float *c, size_t ldc, const float *a, size_t lda,
                   const float *b, size_t ldb, size_t m, size_t n, size_t k);
void clipc_blas_nn(float *c, size_t ldc, const float *a, size_t lda,
                   const float *b, size_t ldb, size_t m, size_t n, size_t k);

/* The version ("0.3.21") and the core type in use; NULL where OpenBLAS is not
 * built in, not installed, or of a core type that this CPU cannot run. Both
 * calls load OpenBLAS. */
const char *clipc_openblas_version(void);
const char *clipc_openblas_core(void);
/* The core type that this CPU's features suggest, if the core type in use is
 * slower; else NULL. */
const char *clipc_openblas_core_better(void);
/* Whether a CPU of these features runs that core type's kernels. */
bool clipc_openblas_core_runs(const char *core, unsigned features);

#endif /* CLIPC_OPENBLAS_H */
