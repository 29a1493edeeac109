/* SPDX-License-Identifier: MIT
 *
 * test_gemm.c - matrix products of both backends against a double reference,
 * and the native one's promise of equal bits for any shape around a row.
 */
#include "test.h"

#include "cpu.h"
#include "gemm.h"

#include <stdlib.h>

#define EPS 5.97e-8

static uint64_t state = 88172645463325252u;

static float uniform(void) /* [-1, 1) */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (float)((double)(int64_t)(state >> 11 << 1) / 9007199254740992.0 -
                   1);
}

static float *random_floats(size_t n)
{
    float *x = malloc((n ? n : 1) * sizeof *x);
    CHECK(x != NULL);
    for (size_t i = 0; i < n; i++)
        x[i] = uniform();
    return x;
}

static clipc_kernels kernels;

static clipc_gemm_backend backend(clipc_gemm kind)
{
    clipc_gemm_backend b;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_kernels_init(&kernels, clipc_cpu_features());
    clipc_status status = clipc_gemm_select(&b, kind, &kernels, false, &err);
    if (kind == CLIPC_GEMM_OPENBLAS && status == CLIPC_ERR_UNSUPPORTED)
        SKIP("built without OpenBLAS");
    CHECK_OK(status, err);
    return b;
}

/* Any order of summing k products of at most 1 is within k EPS of the sum of
 * their magnitudes; rows have gaps, which must stay as they are. */
static void check_shape(const clipc_gemm_backend *b, size_t m, size_t n,
                        size_t k, size_t gap)
{
    size_t lda = k + gap, ldb = k + 2 * gap, ldc = n + gap;
    float *a = random_floats(m * lda), *w = random_floats(n * ldb);
    float *c = malloc(m * ldc * sizeof *c);

    CHECK(c != NULL);
    memset(c, 0xFF, m * ldc * sizeof *c); /* NaN: must not be read */
    clipc_gemm_nt(b, c, ldc, a, lda, w, ldb, m, n, k);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            double want = 0, magnitude = 0;
            for (size_t l = 0; l < k; l++) {
                double product =
                    (double)a[i * lda + l] * (double)w[j * ldb + l];
                want += product;
                magnitude += fabs(product);
            }
            CHECK_NEAR((double)c[i * ldc + j], want,
                       magnitude * (double)(k + 1) * EPS);
        }
        for (size_t j = n; j < ldc; j++)
            CHECK(isnan(c[i * ldc + j]));
    }
    free(a);
    free(w);
    free(c);
}

static void check_shapes(clipc_gemm kind)
{
    clipc_gemm_backend b = backend(kind);
    const size_t ms[] = { 1, 2, 3, 4, 5, 7, 8, 13, 65 };
    const size_t ns[] = { 1, 2, 3, 4, 5, 6, 7, 16, 33 };
    const size_t ks[] = { 1, 2, 3, 4, 5, 8, 15, 16, 17, 64, 100 };

    for (size_t i = 0; i < sizeof ms / sizeof ms[0]; i++)
        for (size_t j = 0; j < sizeof ns / sizeof ns[0]; j++)
            for (size_t l = 0; l < sizeof ks / sizeof ks[0]; l++)
                check_shape(&b, ms[i], ns[j], ks[l], (i + j + l) % 3);
    check_shape(&b, 50, 96, 768, 0);
    check_shape(&b, 3, 20, 3072, 16);
    check_shape(&b, 130, 10, 70, 0);
}

TEST(native_product_is_within_its_bound)
{
    check_shapes(CLIPC_GEMM_NATIVE);
}

TEST(openblas_product_is_within_its_bound)
{
    check_shapes(CLIPC_GEMM_OPENBLAS);
}

TEST(empty_products_write_nothing)
{
    clipc_gemm_backend b = backend(CLIPC_GEMM_AUTO);
    float x = 7, y = 1;
    clipc_gemm_nt(&b, &x, 1, &y, 1, &y, 1, 0, 1, 1);
    clipc_gemm_nt(&b, &x, 1, &y, 1, &y, 1, 1, 0, 1);
    CHECK(x == 7);
    b = backend(CLIPC_GEMM_NATIVE);
    clipc_gemm_nt(&b, &x, 1, &y, 1, &y, 1, 1, 1, 0); /* a sum of nothing */
    CHECK(x == 0);
}

/* Each element is the bits of a 1 x 1 product, whatever the shape, the place
 * in memory and which of the two is A. */
TEST(native_bits_depend_on_k_alone)
{
    enum { M = 71, N = 29 };
    clipc_gemm_backend b = backend(CLIPC_GEMM_NATIVE);
    const size_t ks[] = { 1, 3, 4, 6, 7, 63, 64, 65, 770 };

    for (size_t l = 0; l < sizeof ks / sizeof ks[0]; l++) {
        size_t k = ks[l];
        float *a = random_floats(M * k), *w = random_floats(N * k);
        float *c = random_floats(M * N), *t = random_floats(M * N);
        float *single = random_floats(M * N), *part = random_floats(M * N);
        float *moved = random_floats(M * k + 1);

        clipc_gemm_nt(&b, c, N, a, k, w, k, M, N, k);
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < N; j++)
                clipc_gemm_nt(&b, &single[i * N + j], 1, a + i * k, k,
                              w + j * k, k, 1, 1, k);
        CHECK_BYTES(c, single, M * N * sizeof *c);
        clipc_gemm_nt(&b, t, M, w, k, a, k, N, M, k);
        for (size_t i = 0; i < M; i++)
            for (size_t j = 0; j < N; j++)
                CHECK(memcmp(&t[j * M + i], &c[i * N + j], sizeof *c) == 0);
        memcpy(moved + 1, a, M * k * sizeof *a);
        for (size_t rows = 1; rows < 9; rows++) {
            clipc_gemm_nt(&b, part, N, moved + 1 + rows * k, k, w, k, rows, N,
                          k);
            CHECK_BYTES(part, c + rows * N, rows * N * sizeof *c);
        }
        for (size_t from = 0; from + 5 <= N; from += 4) {
            clipc_gemm_nt(&b, part, N, a, k, w + from * k, k, M, 5, k);
            for (size_t i = 0; i < M; i++)
                CHECK_BYTES(part + i * N, c + i * N + from, 5 * sizeof *c);
        }
        free(a);
        free(w);
        free(c);
        free(t);
        free(single);
        free(part);
        free(moved);
    }
}

TEST(large_and_tiny_values)
{
    clipc_gemm_backend b = backend(CLIPC_GEMM_NATIVE);
    float a[6] = { 1e30f, 1e-30f, 1e-40f, 1, 2, 3 };
    float w[6] = { 1e8f, 1e-15f, 1, 0, 0, 0 }, c;

    clipc_gemm_nt(&b, &c, 1, a, 6, w, 6, 1, 1, 6);
    CHECK_NEAR((double)c, 1e38, 1e31);
    w[0] = 1e9f; /* overflows */
    clipc_gemm_nt(&b, &c, 1, a, 6, w, 6, 1, 1, 6);
    CHECK(isinf(c));
    clipc_gemm_nt(&b, &c, 1, a + 2, 6, w + 2, 6, 1, 1, 1);
    CHECK(c == 1e-40f); /* denormals are kept */
}

TEST(select_resolves_auto)
{
    clipc_gemm_backend b = backend(CLIPC_GEMM_AUTO);
    CHECK(b.kind == (clipc_openblas_version() ? CLIPC_GEMM_OPENBLAS
                                              : CLIPC_GEMM_NATIVE));
    clipc_error err = CLIPC_ERROR_INIT;
    CHECK_STATUS(clipc_gemm_select(&b, (clipc_gemm)17, &kernels, true, &err),
                 CLIPC_ERR_ARGUMENT);
}

TEST(openblas_says_what_it_is)
{
    const char *version = clipc_openblas_version();
    if (!version) {
        clipc_gemm_backend b;
        clipc_error err = CLIPC_ERROR_INIT;
        CHECK(clipc_openblas_core() == NULL);
        CHECK(clipc_openblas_core_better() == NULL);
        CHECK_STATUS(clipc_gemm_select(&b, CLIPC_GEMM_OPENBLAS, &kernels,
                                       false, &err),
                     CLIPC_ERR_UNSUPPORTED);
        CHECK_HAS(err.message, "OpenBLAS");
        return;
    }
    CHECK(version[0] >= '0' && version[0] <= '9');
    CHECK(strchr(version, '.') != NULL && strchr(version, ' ') == NULL);
    CHECK(clipc_openblas_core() != NULL);
    const char *better = clipc_openblas_core_better();
    if (better) {
        CHECK(strcmp(better, clipc_openblas_core()) != 0);
        CHECK(strcmp(better, "SkylakeX") == 0 ||
              strcmp(better, "Haswell") == 0);
    }
}
