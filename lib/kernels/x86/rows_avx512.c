/* SPDX-License-Identifier: MIT
 *
 * rows_avx512.c - rows of activations and the finish of a product, with
 * AVX-512 F, BW, DQ and VL. The arithmetic is that of kernels.c, with three
 * differences: exp() has a table, polynomials and the sums of LayerNorm and dot
 * use fused multiply-adds, and these sums have 8 x 16 lanes.
 *
 * Masks cut the end of a row; masked elements are neither read nor written.
 */
#include "kernels/x86/x86.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || \
    !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "compile this file with -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define FLOATS __m512
#define MASK __mmask16
#define V(op) _mm512_##op
enum { LANES = 16, MASKS_ARE_FREE = 1 };
#include "kernels/rows_lanes.h"

/* Vectors whose chains of operations interleave. */
enum { MOST_TOGETHER = 4 };

/* One operation on vector after vector. A single chain of operations waits for
 * itself most of the time, and the processor looks ahead only a few dozen
 * operations. */
#define EACH \
    UNROLL \
    for (int k = 0; k < n_vectors; k++)

/* The choice of vrangeps between two numbers, and the sign of the result. Of a
 * number and a NaN, vrangeps chooses the number. */
enum {
    LEAST_MAGNITUDE_SIGNED = 2, /* the sign of the first operand */
    LEAST_MAGNITUDE = 10,
    MOST_MAGNITUDE = 11
};

INLINE __mmask16 first(size_t n)
{
    return n >= LANES ? (__mmask16)0xFFFF : (__mmask16)((1u << n) - 1);
}

INLINE __m512 load_first(const void *p, const __mmask16 mask)
{
    return _mm512_maskz_loadu_ps(mask, p);
}

INLINE void store_first(void *p, __m512 v, const __mmask16 mask)
{
    _mm512_mask_storeu_ps(p, mask, v);
}

INLINE __m512 subtract_first(__m512 x, __m512 y, const __mmask16 mask)
{
    return _mm512_maskz_sub_ps(mask, x, y);
}

/* ---- exponential ------------------------------------------------------- */

/* 2^(j/16) */
static const float powers[LANES] = {
    1.0f,        1.04427378f, 1.09050773f, 1.13878863f,
    1.18920712f, 1.24185781f, 1.29683955f, 1.35425555f,
    1.41421356f, 1.47682615f, 1.54221083f, 1.61049033f,
    1.68179283f, 1.75625216f, 1.83400809f, 1.91520656f,
};

/* exp(x) = 2^n exp(r), n = x / ln 2 rounded to a sixteenth, r = x - n ln 2
 * with ln 2 in two parts, |r| <= ln(2) / 32; exp(r) = 1 + r + r^2/2 + r^3/6
 * (relative error 9.2e-9); 2^n is a table's 2^(j/16) and an exponent, which
 * vscalef takes from n rounded down. For -87.3 <= x <= 88.3 the relative error
 * is below 1.3e-7: half a unit of the table's and of the last operation. */
INLINE void exp16(__m512 *x, const int n_vectors)
{
    const __m512 round = _mm512_set1_ps(786432.0f); /* 1.5 * 2^19: ulp 1/16 */
    __m512 power[MOST_TOGETHER], n[MOST_TOGETHER], q[MOST_TOGETHER];

    EACH power[k] = _mm512_fmadd_ps(x[k], _mm512_set1_ps(1.44269504f), round);
    EACH n[k] = _mm512_sub_ps(power[k], round);
    /* The low four bits of the rounded sum are j. */
    EACH power[k] = _mm512_permutexvar_ps(_mm512_castps_si512(power[k]),
                                          _mm512_loadu_ps(powers));
    EACH x[k] = _mm512_fnmadd_ps(n[k], _mm512_set1_ps(0.693147182f), x[k]);
    EACH x[k] = _mm512_fnmadd_ps(n[k], _mm512_set1_ps(-1.90465421e-9f), x[k]);
    EACH q[k] = _mm512_fmadd_ps(x[k], _mm512_set1_ps(1.66666667e-1f),
                                _mm512_set1_ps(0.5f));
    EACH q[k] = _mm512_mul_ps(x[k], q[k]);
    EACH x[k] = _mm512_fmadd_ps(x[k], q[k], x[k]); /* exp(r) - 1 */
    EACH x[k] = _mm512_fmadd_ps(power[k], x[k], power[k]);
    EACH x[k] = _mm512_scalef_ps(x[k], n[k]);
}

/* ---- activations ------------------------------------------------------- */

/* x / (1 + exp(d)); changes d. A step of Newton's brings the error of vrcp14
 * from 2^-14 to 2^-28, so the roundings of the quotient dominate. */
INLINE void logistic16(__m512 *x, __m512 *d, const int n_vectors)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    __m512 y[MOST_TOGETHER];

    exp16(d, n_vectors);
    EACH d[k] = _mm512_add_ps(d[k], one);
    EACH y[k] = _mm512_rcp14_ps(d[k]);
    EACH d[k] = _mm512_fnmadd_ps(d[k], y[k], one);
    EACH y[k] = _mm512_fmadd_ps(y[k], d[k], y[k]);
    EACH x[k] = _mm512_mul_ps(x[k], y[k]);
}

/* x / (1 + exp(-1.702 x)), the exponent clamped to +-87. A NaN is clamped too,
 * but the factor x is still NaN. Relative error: below 4e-7 + 1.5e-7 |x| (the
 * error of the exponent, rounded once) where the result is above 1e-35. */
INLINE void quick_gelu16(__m512 *x, const int n_vectors)
{
    __m512 d[MOST_TOGETHER];

    EACH d[k] = _mm512_mul_ps(x[k], _mm512_set1_ps(-1.702f));
    EACH d[k] = _mm512_range_ps(d[k], _mm512_set1_ps(87.0f),
                                LEAST_MAGNITUDE_SIGNED);
    logistic16(x, d, n_vectors);
}

/* The method of kernels.c; the bound of its error holds here too. A NaN is
 * clamped, but the factor x is still NaN. */
INLINE void gelu_tanh16(__m512 *x, const int n_vectors)
{
    __m512 t[MOST_TOGETHER], d[MOST_TOGETHER];

    EACH t[k] = _mm512_range_ps(x[k], _mm512_set1_ps(10.0f),
                                LEAST_MAGNITUDE_SIGNED);
    EACH d[k] = _mm512_mul_ps(t[k], t[k]);
    EACH d[k] = _mm512_fmadd_ps(d[k], _mm512_set1_ps(-7.13548163e-2f),
                                _mm512_set1_ps(-1.59576912f));
    EACH d[k] = _mm512_mul_ps(t[k], d[k]);
    logistic16(x, d, n_vectors);
}

/* The polynomial of kernels.c; the bounds of its error hold here too. */
INLINE void gelu16(__m512 *x, const int n_vectors)
{
    static const float coefficients[] = {
        3.44605737e-6f, -3.1844375e-5f,  1.29643953e-4f,
        1.1913659e-4f,  -4.94814331e-3f, 3.64336124e-2f,
        3.1828098e-1f,  7.97887829e-1f,  6.93147121e-1f,
    };
    const __m512 zero = _mm512_setzero_ps();
    __m512 t[MOST_TOGETHER], p[MOST_TOGETHER];

    EACH t[k] = _mm512_range_ps(x[k], _mm512_set1_ps(6.0f), LEAST_MAGNITUDE);
    EACH p[k] = _mm512_set1_ps(-1.49713729e-7f);
    UNROLL
    for (int c = 0; c < 9; c++) {
        EACH p[k] = _mm512_fmadd_ps(p[k], t[k],
                                    _mm512_set1_ps(coefficients[c]));
    }
    EACH p[k] = _mm512_sub_ps(zero, p[k]);
    exp16(p, n_vectors);
    EACH p[k] = _mm512_mul_ps(x[k], p[k]); /* the tail */
    EACH x[k] = _mm512_mask_sub_ps(p[k],
                                   _mm512_cmp_ps_mask(x[k], zero, _CMP_NLT_UQ),
                                   x[k], p[k]);
}

/* ---- finish: after a product ------------------------------------------- */

/* Nearest bf16, ties to even, in the upper halves. The lower halves hold
 * leftover bits. NaN stays NaN. */
INLINE __m512i to_bf16(__m512 v)
{
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16),
                                         _mm512_set1_epi32(1));
    const __mmask16 is_nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i rounded =
        _mm512_add_epi32(bits,
                         _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    return _mm512_mask_or_epi32(rounded, is_nan, bits,
                                _mm512_set1_epi32(0x00400000));
}

INLINE __m512 round_to_bf16(__m512 v)
{
    return _mm512_castsi512_ps(
        _mm512_and_si512(to_bf16(v), _mm512_set1_epi32((int)0xFFFF0000u)));
}

INLINE __m256i narrow_to_bf16(__m512 v)
{
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(to_bf16(v), 16));
}

/* At most 16 columns of a tile: their bias, scales and sums. A bias of -0 and a
 * scale of 1 change no bit. */
typedef struct finish_columns {
    const clipc_finish *finish;
    __m512 bias, scale, column_scale;
    __m512i sums;
    __mmask16 mask;
} finish_columns;

/* These columns of n_vectors rows. */
INLINE void finish_rows(const finish_columns *columns, char *out,
                        const char *acc, size_t acc_stride, size_t row,
                        const int n_vectors, const bool is_s8,
                        const clipc_finish_op op, const destination to)
{
    const clipc_finish *finish = columns->finish;
    const size_t stride = finish->out_stride;
    const __mmask16 mask = columns->mask;
    __m512 v[MOST_TOGETHER];

    EACH
    {
        const char *from = acc + (size_t)k * acc_stride;
        if (is_s8) {
            __m512i exact = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(mask,
                                                                      from),
                                             columns->sums);
            __m512 both =
                _mm512_mul_ps(_mm512_set1_ps(
                                  finish->row_scale[row + (size_t)k]),
                              columns->column_scale);
            v[k] = _mm512_mul_ps(_mm512_cvtepi32_ps(exact), both);
        } else {
            v[k] = _mm512_maskz_loadu_ps(mask, from);
        }
        v[k] = _mm512_mul_ps(_mm512_add_ps(v[k], columns->bias),
                             columns->scale);
    }
    if (op == CLIPC_FINISH_QUICK_GELU)
        quick_gelu16(v, n_vectors);
    else if (op == CLIPC_FINISH_GELU)
        gelu16(v, n_vectors);
    else if (op == CLIPC_FINISH_GELU_TANH)
        gelu_tanh16(v, n_vectors);
    EACH
    {
        char *at = out + (size_t)k * stride;
        if (to == TO_BF16) {
            _mm256_mask_storeu_epi16(at, mask, narrow_to_bf16(v[k]));
            continue;
        }
        if (to == TO_F32_BF16)
            v[k] = round_to_bf16(v[k]);
        else if (to == TO_F32_ADDED)
            v[k] = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, at), v[k]);
        _mm512_mask_storeu_ps(at, mask, v[k]);
    }
}

INLINE void finish_lanes(const clipc_finish *finish, const char *acc,
                         size_t acc_stride, size_t row, size_t n_rows,
                         size_t column, const size_t n, const bool is_s8,
                         const clipc_finish_op op, const destination to)
{
    const __mmask16 mask = first(n);
    const size_t end = row + n_rows;
    char *out = (char *)finish->out + row * finish->out_stride +
                column * (to == TO_BF16 ? 2 : 4);
    finish_columns columns = {
        .finish = finish,
        .bias = finish->bias
                    ? _mm512_maskz_loadu_ps(mask, finish->bias + column)
                    : _mm512_set1_ps(-0.0f),
        .scale = _mm512_set1_ps(finish->scale),
        .mask = mask,
    };

    if (is_s8) {
        columns.column_scale =
            _mm512_maskz_loadu_ps(mask, finish->column_scale + column);
        columns.sums =
            finish->column_sums
                ? _mm512_maskz_loadu_epi32(mask, finish->column_sums + column)
                : _mm512_setzero_si512();
    }
    acc_stride *= 4;
    for (; row + MOST_TOGETHER <= end; row += MOST_TOGETHER) {
        finish_rows(&columns, out, acc, acc_stride, row, MOST_TOGETHER, is_s8,
                    op, to);
        out += MOST_TOGETHER * finish->out_stride;
        acc += MOST_TOGETHER * acc_stride;
    }
    for (; row < end; row++) {
        finish_rows(&columns, out, acc, acc_stride, row, 1, is_s8, op, to);
        out += finish->out_stride;
        acc += acc_stride;
    }
}

/* ---- rows in operand formats ------------------------------------------- */

static void row_bf16(uint16_t *out, const float *x, size_t n, size_t n_padded)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_si256((__m256i *)(void *)(out + i),
                            narrow_to_bf16(_mm512_loadu_ps(x + i)));
    if (i < n) {
        const __mmask16 mask = first(n - i);
        _mm256_mask_storeu_epi16(out + i, mask,
                                 narrow_to_bf16(
                                     _mm512_maskz_loadu_ps(mask, x + i)));
    }
    memset(out + n, 0, (n_padded - n) * sizeof *out);
}

/* The largest |x|, NaN ignored. */
INLINE float row_absmax(const float *x, size_t n)
{
    __m512 highest[4];
    size_t i = 0;

    UNROLL
    for (int k = 0; k < 4; k++)
        highest[k] = _mm512_setzero_ps();
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        UNROLL
        for (int k = 0; k < 4; k++)
            highest[k] = _mm512_range_ps(_mm512_loadu_ps(x + i + k * LANES),
                                         highest[k], MOST_MAGNITUDE);
    }
    for (; i < n; i += LANES)
        highest[0] = _mm512_range_ps(_mm512_maskz_loadu_ps(first(n - i),
                                                           x + i),
                                     highest[0], MOST_MAGNITUDE);
    highest[0] = _mm512_max_ps(highest[0], highest[1]);
    highest[2] = _mm512_max_ps(highest[2], highest[3]);
    return _mm512_reduce_max_ps(_mm512_max_ps(highest[0], highest[2]));
}

/* The method of kernels.c. NaN becomes the smallest integer and then -128. No
 * number becomes -128, so NaN is found afterwards, at next to no cost. */
INLINE void row_bytes(void *out, float *scale, const float *x, size_t n,
                      size_t n_padded, const int offset)
{
    const __m512i flip = _mm512_set1_epi8((char)offset);
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10,
                                            14, 3, 7, 11, 15);
    const float max = row_absmax(x, n);
    const float s = max / 127.0f;
    const bool is_zero = s < FLT_MIN;
    const __m512 inverse = _mm512_set1_ps(is_zero ? 0.0f : 1.0f / s);
    __m512i lowest = _mm512_setzero_si512();
    char *q = out;
    size_t i = 0;

    if (max > FLT_MAX)
        goto not_finite;
    for (; i < n; i += 64) {
        __m512i v[4];
        __mmask64 mask = ~(__mmask64)0;
        if (i + 64 <= n) {
            UNROLL
            for (int k = 0; k < 4; k++)
                v[k] = _mm512_cvtps_epi32(
                    _mm512_mul_ps(_mm512_loadu_ps(x + i + k * LANES),
                                  inverse));
        } else {
            mask = ((__mmask64)1 << (n - i)) - 1;
            UNROLL
            for (int k = 0; k < 4; k++)
                v[k] = _mm512_cvtps_epi32(
                    _mm512_mul_ps(_mm512_maskz_loadu_ps((__mmask16)(mask >>
                                                                    k * LANES),
                                                        x + i + k * LANES),
                                  inverse));
        }
        __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(v[0], v[1]),
                                           _mm512_packs_epi32(v[2], v[3]));
        lowest = _mm512_min_epi8(lowest, bytes);
        bytes = _mm512_xor_si512(_mm512_permutexvar_epi32(order, bytes), flip);
        _mm512_mask_storeu_epi8(q + i, mask, bytes);
    }
    if (_mm512_cmpeq_epi8_mask(lowest, _mm512_set1_epi8(-128)))
        goto not_finite;
    *scale = is_zero ? 1.0f : s;
    memset(q + n, offset, n_padded - n);
    return;
not_finite:
    *scale = NAN;
    memset(q, offset, n_padded);
}

INLINE __m512 widen16(const void *in, const __mmask16 mask, const bool is_f16)
{
    const __m256i half = _mm256_maskz_loadu_epi16(mask, in);
    return is_f16 ? _mm512_cvtph_ps(half)
                  : _mm512_castsi512_ps(
                        _mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

INLINE void widen_half(float *out, const uint16_t *in, size_t n,
                       const bool is_f16)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm512_storeu_ps(out + i, widen16(in + i, 0xFFFF, is_f16));
    if (i < n)
        _mm512_mask_storeu_ps(out + i, first(n - i),
                              widen16(in + i, first(n - i), is_f16));
}

/* ---- rows -------------------------------------------------------------- */

static void add(float *x, const float *y, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm512_storeu_ps(x + i, _mm512_add_ps(_mm512_loadu_ps(x + i),
                                              _mm512_loadu_ps(y + i)));
    if (i < n) {
        const __mmask16 mask = first(n - i);
        _mm512_mask_storeu_ps(x + i, mask,
                              _mm512_add_ps(_mm512_maskz_loadu_ps(mask, x + i),
                                            _mm512_maskz_loadu_ps(mask,
                                                                  y + i)));
    }
}

INLINE void normalize(float *y, const float *x, const float *gain,
                      const float *bias, size_t width, const __m512 mean,
                      const __m512 rstd)
{
    size_t i = 0;

#define NORMALIZED(mask) \
    _mm512_fmadd_ps(_mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, \
                                                                      x + i), \
                                                mean), \
                                  rstd), \
                    _mm512_maskz_loadu_ps(mask, gain + i), \
                    _mm512_maskz_loadu_ps(mask, bias + i))
    for (; i + LANES <= width; i += LANES)
        _mm512_storeu_ps(y + i, NORMALIZED(0xFFFF));
    if (i < width) {
        const __mmask16 mask = first(width - i);
        _mm512_mask_storeu_ps(y + i, mask, NORMALIZED(mask));
    }
#undef NORMALIZED
}

/* exp(x - max), NaN stays NaN. */
INLINE void exp_below(__m512 *x, __m512 max, const int n_vectors)
{
    EACH x[k] = _mm512_sub_ps(x[k], max);
    EACH x[k] = _mm512_max_ps(_mm512_set1_ps(-87.3f), x[k]);
    exp16(x, n_vectors);
}

/* A row of at most 16 * n_vectors numbers stays in registers. */
INLINE void softmax_short(float *x, size_t n, const int n_vectors)
{
    const int last = n_vectors - 1;
    const __mmask16 mask = first(n - (size_t)last * LANES);
    __m512 v[MOST_TOGETHER], highest, total = _mm512_setzero_ps();

    EACH v[k] = k < last ? _mm512_loadu_ps(x + k * LANES)
                         : _mm512_mask_loadu_ps(_mm512_set1_ps(-FLT_MAX), mask,
                                                x + k * LANES);
    highest = v[0];
    EACH highest = _mm512_max_ps(v[k], highest);
    exp_below(v, _mm512_set1_ps(_mm512_reduce_max_ps(highest)), n_vectors);
    v[last] = _mm512_maskz_mov_ps(mask, v[last]);
    EACH total = _mm512_add_ps(total, v[k]);
    const __m512 share = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(total));
    EACH v[k] = _mm512_mul_ps(v[k], share);
    EACH
    {
        if (k < last)
            _mm512_storeu_ps(x + k * LANES, v[k]);
        else
            _mm512_mask_storeu_ps(x + k * LANES, mask, v[k]);
    }
}

static void softmax_long(float *x, size_t n)
{
    enum { n_vectors = MOST_TOGETHER, STEP = n_vectors * LANES };
    const size_t whole = n / STEP * STEP;
    __m512 highest[n_vectors], total[n_vectors], v[n_vectors];
    size_t i;

    EACH highest[k] = _mm512_set1_ps(-FLT_MAX);
    EACH total[k] = _mm512_setzero_ps();
    for (i = 0; i < whole; i += STEP) {
        EACH highest[k] = _mm512_max_ps(_mm512_loadu_ps(x + i + k * LANES),
                                        highest[k]);
    }
    for (; i < n; i += LANES)
        highest[0] = _mm512_max_ps(_mm512_mask_loadu_ps(highest[0],
                                                        first(n - i), x + i),
                                   highest[0]);
    EACH highest[0] = _mm512_max_ps(highest[k], highest[0]);
    const __m512 max = _mm512_set1_ps(_mm512_reduce_max_ps(highest[0]));

    for (i = 0; i < whole; i += STEP) {
        EACH v[k] = _mm512_loadu_ps(x + i + k * LANES);
        exp_below(v, max, n_vectors);
        EACH _mm512_storeu_ps(x + i + k * LANES, v[k]);
        EACH total[k] = _mm512_add_ps(total[k], v[k]);
    }
    for (; i < n; i += LANES) {
        const __mmask16 mask = first(n - i);
        v[0] = _mm512_maskz_loadu_ps(mask, x + i);
        exp_below(v, max, 1);
        _mm512_mask_storeu_ps(x + i, mask, v[0]);
        total[0] = _mm512_mask_add_ps(total[0], mask, total[0], v[0]);
    }
    total[0] = _mm512_add_ps(_mm512_add_ps(total[0], total[1]),
                             _mm512_add_ps(total[2], total[3]));
    const __m512 share = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(total[0]));
    for (i = 0; i < whole; i += STEP) {
        EACH _mm512_storeu_ps(x + i + k * LANES,
                              _mm512_mul_ps(share, _mm512_loadu_ps(
                                                       x + i + k * LANES)));
    }
    for (; i < n; i += LANES) {
        const __mmask16 mask = first(n - i);
        _mm512_mask_storeu_ps(x + i, mask,
                              _mm512_mul_ps(share,
                                            _mm512_maskz_loadu_ps(mask,
                                                                  x + i)));
    }
}

static void softmax(float *x, size_t n)
{
    if (n > 4 * LANES)
        softmax_long(x, n);
    else if (n > 3 * LANES)
        softmax_short(x, n, 4);
    else if (n > 2 * LANES)
        softmax_short(x, n, 3);
    else if (n > LANES)
        softmax_short(x, n, 2);
    else if (n > 0)
        softmax_short(x, n, 1);
}

void clipc_rows_init_avx512(clipc_kernels *kernels)
{
    kernels->name = "avx512";
    fill_table(kernels);
}
