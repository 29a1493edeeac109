/* SPDX-License-Identifier: MIT
 *
 * helpers.h - shared by the tests of this folder: a context that reports,
 * vectors that are the same in every run, a plain cosine in double.
 */
#ifndef CLIPC_TEST_API_HELPERS_H
#define CLIPC_TEST_API_HELPERS_H

#include "support/fixture.h"

/* One thread, native kernels. */
static inline clipc_ctx *reporting_ctx(const clipc_model *of,
                                       clipc_progress_fn progress, void *user)
{
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_ctx *made;

    params.threads = 1;
    params.gemm = CLIPC_GEMM_NATIVE;
    params.progress = progress;
    params.progress_user = user;
    CHECK_OK(clipc_ctx_create(&made, of, &params, &err), err);
    return made;
}

/* Of uniform(): a test sets the state, and has its own numbers. */
static uint64_t state;

static inline float uniform(void) /* [-1, 1) */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(state >> 32) / 2147483648.0f;
}

/* [n, dim], to be freed. */
static inline float *vectors_of(size_t n, size_t dim)
{
    float *v = malloc(n * dim * sizeof *v);
    CHECK(v != NULL);
    for (size_t i = 0; i < n * dim; i++)
        v[i] = uniform();
    return v;
}

static inline double cosine(const float *a, const float *b, size_t dim)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t d = 0; d < dim; d++) {
        ab += (double)a[d] * b[d];
        aa += (double)a[d] * a[d];
        bb += (double)b[d] * b[d];
    }
    return ab / sqrt(aa) / sqrt(bb);
}

#endif /* CLIPC_TEST_API_HELPERS_H */
