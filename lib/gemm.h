/* SPDX-License-Identifier: MIT
 *
 * gemm.h - matrix products on one thread, by OpenBLAS or our own kernels.
 */
#ifndef CLIPC_GEMM_H
#define CLIPC_GEMM_H

#include "base.h"
#include "kernels.h"

/* A backend chosen for a context. */
typedef struct clipc_gemm_backend {
    clipc_gemm kind; /* NATIVE or OPENBLAS */
    const clipc_kernels *kernels;
} clipc_gemm_backend;

/* Resolves AUTO; CLIPC_ERR_UNSUPPORTED when OpenBLAS is not built in. Sets
 * OpenBLAS to one thread unless keep_blas_threads. */
clipc_status clipc_gemm_select(clipc_gemm_backend *backend, clipc_gemm kind,
                               const clipc_kernels *kernels,
                               bool keep_blas_threads, clipc_error *err);

/* C[m, n] = A[m, k] * B[n, k]^T, row strides ldc, lda, ldb. */
void clipc_gemm_nt(const clipc_gemm_backend *backend, float *c, size_t ldc,
                   const float *a, size_t lda, const float *b, size_t ldb,
                   size_t m, size_t n, size_t k);

/* "0.3.21" and the core type in use, or NULL when not built in. */
const char *clipc_openblas_version(void);
const char *clipc_openblas_core(void);
/* The core type this CPU's features suggest, when the one in use is slower;
 * else NULL. */
const char *clipc_openblas_core_better(void);

#endif /* CLIPC_GEMM_H */
