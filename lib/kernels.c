/* SPDX-License-Identifier: MIT
 *
 * kernels.c - the inner loops in C, on vectors of four floats that gcc and
 * clang map to SSE2 or NEON registers (and to scalars elsewhere).
 *
 * Sums run in a fixed number of lanes: lane l of a sum takes the elements
 * whose index is l modulo the number of lanes, in increasing order, and the
 * lanes are added pairwise at the end. Rows that end inside a vector are
 * continued with zeros. So a sum depends on its length only, never on where
 * a tile or a thread begins.
 *
 * Compiled with -ffp-contract=off: every operation here rounds once.
 */
#include "kernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { LANES = 4 };

typedef float vec __attribute__((vector_size(16)));
typedef uint32_t vec_bits __attribute__((vector_size(16)));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, vec v)
{
    memcpy(p, &v, sizeof v);
}

/* The first n < LANES elements, zeros behind. */
INLINE vec load_part(const float *p, size_t n)
{
    vec v = { 0 };
    memcpy(&v, p, n * sizeof *p);
    return v;
}

INLINE void store_part(float *p, vec v, size_t n)
{
    memcpy(p, &v, n * sizeof *p);
}

INLINE vec splat(float x)
{
    return (vec){ x, x, x, x };
}

INLINE float sum(vec v)
{
    return (v[0] + v[1]) + (v[2] + v[3]);
}

/* mask ? a : b, mask all ones or all zeros in each lane. */
INLINE vec choose(vec_bits mask, vec a, vec b)
{
    return (vec)((mask & (vec_bits)a) | (~mask & (vec_bits)b));
}

/* Where a or b is NaN the result is b: put what must stay NaN second. */
INLINE vec smaller(vec a, vec b)
{
    return choose((vec_bits)(a < b), a, b);
}

INLINE vec larger(vec a, vec b)
{
    return choose((vec_bits)(a > b), a, b);
}

/* ---- exponential ------------------------------------------------------- */

/* exp(x) = 2^n exp(r), n = round(x / ln 2), r = x - n ln 2 with ln 2 in two
 * parts, |r| <= ln(2) / 2; exp(r) = 1 + r + r^2 q(r), q a minimax polynomial
 * of degree 4 (relative error 3.1e-9). x is clamped to [-87.3, 88.3], where
 * 2^n is a normal float. Relative error in that range: below 1.3e-7. */
INLINE vec exp4(vec x)
{
    const vec round = splat(12582912.0f); /* 1.5 * 2^23: ulp 1 */

    x = larger(splat(-87.3f), smaller(splat(88.3f), x));
    vec shifted = x * splat(1.44269504f) + round;
    vec n = shifted - round;
    vec r = (x - n * splat(0.693359375f)) - n * splat(-2.12194440e-4f);
    vec q = splat(1.38145386e-3f);
    q = q * r + splat(8.36874515e-3f);
    q = q * r + splat(4.16683908e-2f);
    q = q * r + splat(1.66665204e-1f);
    q = q * r + splat(4.99999934e-1f);
    vec e = (q * (r * r) + r) + splat(1.0f);
    /* The low bits of `shifted` are n: they become the exponent. */
    vec_bits power = ((vec_bits)shifted << 23) + (127u << 23);
    return e * (vec)power;
}

/* ---- activations ------------------------------------------------------- */

INLINE vec quick_gelu4(vec x)
{
    return x / (splat(1.0f) + exp4(x * splat(-1.702f)));
}

/* gelu(x) = x * Phi(x), Phi the normal distribution. With t = |x|:
 * Phi(-t) = exp(-p(t)), p(t) = -log(erfc(t / sqrt 2) / 2), a smooth function
 * taken as a polynomial of degree 9 on [0, 6]; beyond 6 Phi(-t) < 1e-9 is
 * left where it is. Coefficients: minimax, weighted by t exp(-p(t)). The
 * error is below 1.2e-7 |x|; relative to the result it is below 2e-7 for
 * x >= 0 and below 2e-6 for x >= -3. */
INLINE vec gelu4(vec x)
{
    const vec zero = { 0 };
    vec_bits negative = (vec_bits)(x < zero);
    vec t = choose(negative, zero - x, x);
    t = smaller(splat(6.0f), t);
    vec p = splat(-1.49713729e-7f);
    p = p * t + splat(3.44605737e-6f);
    p = p * t + splat(-3.1844375e-5f);
    p = p * t + splat(1.29643953e-4f);
    p = p * t + splat(1.1913659e-4f);
    p = p * t + splat(-4.94814331e-3f);
    p = p * t + splat(3.64336124e-2f);
    p = p * t + splat(3.1828098e-1f);
    p = p * t + splat(7.97887829e-1f);
    p = p * t + splat(6.93147121e-1f);
    vec tail = x * exp4(zero - p);
    return choose(negative, tail, x - tail);
}

static void quick_gelu(float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(x + i, quick_gelu4(load(x + i)));
    if (i < n)
        store_part(x + i, quick_gelu4(load_part(x + i, n - i)), n - i);
}

static void gelu(float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(x + i, gelu4(load(x + i)));
    if (i < n)
        store_part(x + i, gelu4(load_part(x + i, n - i)), n - i);
}

/* ---- rows -------------------------------------------------------------- */

static void add_bias(float *x, const float *bias, size_t n_rows, size_t width)
{
    for (size_t row = 0; row < n_rows; row++, x += width) {
        size_t i = 0;
        for (; i + LANES <= width; i += LANES)
            store(x + i, load(x + i) + load(bias + i));
        for (; i < width; i++)
            x[i] += bias[i];
    }
}

static void add_residual(float *x, const float *y, const float *bias,
                         size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(x + i, load(x + i) + (load(y + i) + load(bias + i)));
    for (; i < n; i++)
        x[i] += y[i] + bias[i];
}

static void scale(float *x, float factor, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(x + i, load(x + i) * splat(factor));
    for (; i < n; i++)
        x[i] *= factor;
}

/* Sum of (x[i] - shift)^power, power 1 or 2, in 4 x LANES lanes. */
INLINE float row_sum(const float *x, float shift, int power, size_t n)
{
    vec lanes[4] = { { 0 }, { 0 }, { 0 }, { 0 } };
    const vec s = splat(shift);
    size_t i = 0;

#define TERM(v) (power == 2 ? (v) * (v) : (v))
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        vec v0 = load(x + i) - s;
        vec v1 = load(x + i + LANES) - s;
        vec v2 = load(x + i + 2 * LANES) - s;
        vec v3 = load(x + i + 3 * LANES) - s;
        lanes[0] += TERM(v0);
        lanes[1] += TERM(v1);
        lanes[2] += TERM(v2);
        lanes[3] += TERM(v3);
    }
    for (; i + LANES <= n; i += LANES) {
        vec v = load(x + i) - s;
        lanes[0] += TERM(v);
    }
    if (i < n) {
        /* Continued with the shift itself: zeros once it is subtracted. */
        float rest[LANES] = { shift, shift, shift, shift };
        memcpy(rest, x + i, (n - i) * sizeof *x);
        vec v = load(rest) - s;
        lanes[1] += TERM(v);
    }
#undef TERM
    return sum((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]));
}

/* Two passes: the mean, then the squares around it, which stays accurate
 * where the mean is large. The sums have 16 lanes, so a mean is within 1e-6
 * of the largest |x|. */
static void layernorm(float *y, const float *x, const float *gain,
                      const float *bias, float eps, size_t n_rows,
                      size_t width)
{
    for (size_t row = 0; row < n_rows; row++, x += width, y += width) {
        float mean = row_sum(x, 0.0f, 1, width) / (float)width;
        float variance = row_sum(x, mean, 2, width) / (float)width;
        float rstd = 1.0f / sqrtf(variance + eps);
        const vec m = splat(mean), r = splat(rstd);
        size_t i = 0;
        for (; i + LANES <= width; i += LANES)
            store(y + i, (load(x + i) - m) * r * load(gain + i) +
                             load(bias + i));
        for (; i < width; i++)
            y[i] = (x[i] - mean) * rstd * gain[i] + bias[i];
    }
}

static void softmax(float *x, size_t n)
{
    vec highest = splat(-FLT_MAX), total = { 0 };
    size_t i;

    for (i = 0; i + LANES <= n; i += LANES)
        highest = larger(load(x + i), highest);
    float max = highest[0];
    for (int lane = 1; lane < LANES; lane++)
        max = highest[lane] > max ? highest[lane] : max;
    for (; i < n; i++)
        max = x[i] > max ? x[i] : max;

    const vec m = splat(max);
    for (i = 0; i + LANES <= n; i += LANES) {
        vec e = exp4(load(x + i) - m);
        store(x + i, e);
        total += e;
    }
    if (i < n) {
        vec e = exp4(load_part(x + i, n - i) - m);
        store_part(x + i, e, n - i);
        total += load_part(x + i, n - i);
    }
    scale(x, 1.0f / sum(total), n);
}

/* ---- matrix product ---------------------------------------------------- */

/* Rows of A and B are walked side by side, a vector of k at a time; each
 * element of C has one vector of partial sums, so that a tile of 4 x 3 fits
 * the 16 registers of SSE2 and every load feeds three or four products. */
enum {
    TILE_M = 4,
    TILE_N = 3,
    BLOCK_M = 64 /* rows of A kept in cache while B streams by */
};

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 4")
#endif

INLINE void tile(float *c, size_t ldc, const float *a, size_t lda,
                 const float *b, size_t ldb, size_t k, const size_t rows,
                 const size_t columns)
{
    vec acc[TILE_M][TILE_N];
    size_t i = 0;

    UNROLL
    for (size_t m = 0; m < rows; m++) {
        UNROLL
        for (size_t n = 0; n < columns; n++)
            acc[m][n] = (vec){ 0 };
    }
    for (; i + LANES <= k; i += LANES) {
        vec vb[TILE_N];
        UNROLL
        for (size_t n = 0; n < columns; n++)
            vb[n] = load(b + n * ldb + i);
        UNROLL
        for (size_t m = 0; m < rows; m++) {
            vec va = load(a + m * lda + i);
            UNROLL
            for (size_t n = 0; n < columns; n++)
                acc[m][n] += va * vb[n];
        }
    }
    if (i < k) {
        vec vb[TILE_N];
        UNROLL
        for (size_t n = 0; n < columns; n++)
            vb[n] = load_part(b + n * ldb + i, k - i);
        UNROLL
        for (size_t m = 0; m < rows; m++) {
            vec va = load_part(a + m * lda + i, k - i);
            UNROLL
            for (size_t n = 0; n < columns; n++)
                acc[m][n] += va * vb[n];
        }
    }
    UNROLL
    for (size_t m = 0; m < rows; m++) {
        UNROLL
        for (size_t n = 0; n < columns; n++)
            c[m * ldc + n] = sum(acc[m][n]);
    }
}

/* All rows of a block against `columns` rows of B. */
INLINE void tile_rows(float *c, size_t ldc, const float *a, size_t lda,
                      const float *b, size_t ldb, size_t m, size_t k,
                      const size_t columns)
{
    for (; m >= TILE_M; m -= TILE_M, a += TILE_M * lda, c += TILE_M * ldc)
        tile(c, ldc, a, lda, b, ldb, k, TILE_M, columns);
    if (m == 3)
        tile(c, ldc, a, lda, b, ldb, k, 3, columns);
    else if (m == 2)
        tile(c, ldc, a, lda, b, ldb, k, 2, columns);
    else if (m == 1)
        tile(c, ldc, a, lda, b, ldb, k, 1, columns);
}

static void gemm_nt(float *c, size_t ldc, const float *a, size_t lda,
                    const float *b, size_t ldb, size_t m, size_t n, size_t k)
{
    for (size_t m0 = 0; m0 < m; m0 += BLOCK_M) {
        size_t rows = m - m0 < BLOCK_M ? m - m0 : BLOCK_M;
        const float *a0 = a + m0 * lda;
        float *c0 = c + m0 * ldc;
        size_t j = 0;
        for (; j + TILE_N <= n; j += TILE_N)
            tile_rows(c0 + j, ldc, a0, lda, b + j * ldb, ldb, rows, k, TILE_N);
        if (n - j == 2)
            tile_rows(c0 + j, ldc, a0, lda, b + j * ldb, ldb, rows, k, 2);
        else if (n - j == 1)
            tile_rows(c0 + j, ldc, a0, lda, b + j * ldb, ldb, rows, k, 1);
    }
}

void clipc_kernels_init(clipc_kernels *kernels, unsigned features)
{
    (void)features; /* no instruction set has kernels of its own yet */
    *kernels = (clipc_kernels){
        .name = "c",
        .layernorm = layernorm,
        .quick_gelu = quick_gelu,
        .gelu = gelu,
        .add_bias = add_bias,
        .add_residual = add_residual,
        .scale = scale,
        .softmax = softmax,
        .gemm_nt = gemm_nt,
    };
}
