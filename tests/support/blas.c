/* SPDX-License-Identifier: MIT
 *
 * blas.c - a library with cblas_sgemm() and nothing else, as Accelerate shows
 * itself to clipc. Loaded by test_linear.
 */
#include <stddef.h>

/* How many products were asked for, and with other arguments than clipc's. */
unsigned blas_calls, blas_wrong;

void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n,
                 int k, float alpha, const float *a, int lda, const float *b,
                 int ldb, float beta, float *c, int ldc);

void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n,
                 int k, float alpha, const float *a, int lda, const float *b,
                 int ldb, float beta, float *c, int ldc)
{
    blas_calls++;
    if (order != 101 || transpose_a != 111 ||
        (transpose_b != 111 && transpose_b != 112) || alpha != 1.0f ||
        beta != 0.0f) {
        blas_wrong++;
        return;
    }
    for (ptrdiff_t i = 0; i < m; i++) {
        for (ptrdiff_t j = 0; j < n; j++) {
            double sum = 0;
            for (ptrdiff_t l = 0; l < k; l++)
                sum += (double)a[i * lda + l] *
                       (transpose_b == 112 ? b[j * ldb + l] : b[l * ldb + j]);
            c[i * ldc + j] = (float)sum;
        }
    }
}
