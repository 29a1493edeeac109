/* SPDX-License-Identifier: MIT
 *
 * blas.h - the choice of the backend of matrix products, and products by the
 * libraries that are loaded for it: OpenBLAS, and Accelerate on macOS.
 * CLIPC_BLAS is 1 in a build that can load one of them.
 */
#ifndef CLIPC_BLAS_H
#define CLIPC_BLAS_H

#include "base/base.h"

/* Resolves AUTO: NATIVE where the CPU has vector kernels (`vector`), else
 * OPENBLAS where the library is installed, else NATIVE. CLIPC_ERR_UNSUPPORTED:
 * OPENBLAS or ACCELERATE was asked for and is not here or not built in. The
 * choice of OPENBLAS sets it to one thread, unless keep_blas_threads;
 * Accelerate is left as it is. OpenBLAS is loaded only if OPENBLAS is asked
 * for, or AUTO on a CPU without vector kernels; Accelerate only if ACCELERATE
 * is asked for. */
clipc_status clipc_gemm_select(clipc_gemm *chosen, clipc_gemm asked,
                               bool vector, bool keep_blas_threads,
                               clipc_error *err);

/* C[m, n] = A[m, k] * B[n, k]^T and C[m, n] = A[m, k] * B[k, n], with row
 * strides ldc, lda, ldb. Every size must be below 2^31. gemm: OPENBLAS or
 * ACCELERATE, which clipc_gemm_select() chose before. Only with CLIPC_BLAS. */
void clipc_blas_nt(clipc_gemm gemm, float *c, size_t ldc, const float *a,
                   size_t lda, const float *b, size_t ldb, size_t m, size_t n,
                   size_t k);
void clipc_blas_nn(clipc_gemm gemm, float *c, size_t ldc, const float *a,
                   size_t lda, const float *b, size_t ldb, size_t m, size_t n,
                   size_t k);

/* Takes the library at `path` for Accelerate; false, and no Accelerate, where
 * it has no cblas_sgemm(). For tests: clipc_gemm_select() knows Accelerate's
 * place. Only with CLIPC_BLAS. */
bool clipc_accelerate_load(const char *path);

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

#endif /* CLIPC_BLAS_H */
