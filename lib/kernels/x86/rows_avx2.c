/* SPDX-License-Identifier: MIT
 *
 * rows_avx2.c - rows of activations and the finish of a product, with AVX2,
 * FMA and F16C. The arithmetic is that of kernels.c, with two differences:
 * polynomials and the sums of LayerNorm and dot use fused multiply-adds, and
 * these sums have 8 x 8 lanes.
 *
 * Masked loads and stores cut the end of a row; masked elements are neither
 * read nor written.
 */
#include "kernels/x86/x86.h"

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "compile this file with -mavx2 -mfma -mf16c"
#endif
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define FLOATS __m256
#define MASK __m256i
#define V(op) _mm256_##op
enum { LANES = 8, MASKS_ARE_FREE = 0 };
#include "kernels/x86/rows_lanes.h"

INLINE __m256i first(size_t n)
{
    static const int32_t ones_then_zeros[2 * LANES] = { -1, -1, -1, -1,
                                                        -1, -1, -1, -1 };
    const size_t skip = n < LANES ? LANES - n : 0;
    return _mm256_loadu_si256((const void *)(ones_then_zeros + skip));
}

/* n lanes, zeros behind; `mask` is first(n). */
INLINE __m256 load(const void *p, const __m256i mask, const size_t n)
{
    return n >= LANES ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, mask);
}

INLINE void store(void *p, __m256 v, const __m256i mask, const size_t n)
{
    if (n >= LANES)
        _mm256_storeu_ps(p, v);
    else
        _mm256_maskstore_ps(p, mask, v);
}

INLINE __m256 load_first(const void *p, const __m256i mask)
{
    return _mm256_maskload_ps(p, mask);
}

INLINE void store_first(void *p, __m256 v, const __m256i mask)
{
    _mm256_maskstore_ps(p, mask, v);
}

INLINE __m256 subtract_first(__m256 x, __m256 y, const __m256i mask)
{
    return _mm256_and_ps(_mm256_sub_ps(x, y), _mm256_castsi256_ps(mask));
}

INLINE float max_of(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v),
                          _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

INLINE float sum_of(__m256 v)
{
    __m128 m = _mm_add_ps(_mm256_castps256_ps128(v),
                          _mm256_extractf128_ps(v, 1));
    m = _mm_add_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_add_ss(m, _mm_movehdup_ps(m)));
}

/* ---- exponential ------------------------------------------------------- */

/* The method of kernels.c, with ln 2 in two whole floats, since fused products
 * are not rounded. x is clamped to [-87.3, 88.3], where the relative error is
 * below 1.3e-7. NaN stays NaN. */
INLINE __m256 exp8(__m256 x)
{
    const __m256 round = _mm256_set1_ps(12582912.0f); /* 1.5 * 2^23: ulp 1 */

    x = _mm256_max_ps(_mm256_set1_ps(-87.3f),
                      _mm256_min_ps(_mm256_set1_ps(88.3f), x));
    const __m256 shifted = _mm256_fmadd_ps(x, _mm256_set1_ps(1.44269504f),
                                           round);
    const __m256 n = _mm256_sub_ps(shifted, round);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693147182f), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-1.90465421e-9f), r);
    __m256 q = _mm256_set1_ps(1.38145386e-3f);
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(8.36874515e-3f));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(4.16683908e-2f));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(1.66665204e-1f));
    q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(4.99999934e-1f));
    q = _mm256_fmadd_ps(_mm256_mul_ps(r, r), q, r);
    /* The low bits of `shifted` are n, which becomes the exponent. */
    const __m256i power =
        _mm256_add_epi32(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23),
                         _mm256_set1_epi32(127 << 23));
    return _mm256_mul_ps(_mm256_add_ps(q, _mm256_set1_ps(1.0f)),
                         _mm256_castsi256_ps(power));
}

/* ---- activations ------------------------------------------------------- */

/* Relative error: below 4e-7 + 1.5e-7 |x| (the error of the exponent, rounded
 * once) where the result is above 1e-35. */
INLINE __m256 quick_gelu8(__m256 x)
{
    const __m256 e = exp8(_mm256_mul_ps(x, _mm256_set1_ps(-1.702f)));
    return _mm256_div_ps(x, _mm256_add_ps(e, _mm256_set1_ps(1.0f)));
}

/* The method of kernels.c; the bound of its error holds here too. */
INLINE __m256 gelu_tanh8(__m256 x)
{
    const __m256 t = _mm256_max_ps(_mm256_set1_ps(-10.0f),
                                   _mm256_min_ps(_mm256_set1_ps(10.0f), x));
    const __m256 slope = _mm256_fmadd_ps(_mm256_mul_ps(t, t),
                                         _mm256_set1_ps(-7.13548163e-2f),
                                         _mm256_set1_ps(-1.59576912f));
    const __m256 e = exp8(_mm256_mul_ps(t, slope));
    return _mm256_div_ps(x, _mm256_add_ps(e, _mm256_set1_ps(1.0f)));
}

/* The polynomial of kernels.c; the bounds of its error hold here too. */
INLINE __m256 gelu8(__m256 x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256 t = _mm256_min_ps(_mm256_set1_ps(6.0f),
                                   _mm256_andnot_ps(sign, x));
    __m256 p = _mm256_set1_ps(-1.49713729e-7f);
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(3.44605737e-6f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(-3.1844375e-5f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(1.29643953e-4f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(1.1913659e-4f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(-4.94814331e-3f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(3.64336124e-2f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(3.1828098e-1f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(7.97887829e-1f));
    p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(6.93147121e-1f));
    const __m256 tail = _mm256_mul_ps(x, exp8(_mm256_xor_ps(sign, p)));
    /* Chosen by the sign bit of x: for a zero, both sides are zero. */
    return _mm256_blendv_ps(_mm256_sub_ps(x, tail), tail, x);
}

/* ---- finish: after a product ------------------------------------------- */

/* Nearest bf16, ties to even, in the upper halves. The lower halves hold
 * leftover bits. NaN stays NaN. */
INLINE __m256i to_bf16(__m256 v)
{
    const __m256i bits = _mm256_castps_si256(v);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16),
                                         _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_add_epi32(bits,
                         _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
    return _mm256_castps_si256(
        _mm256_blendv_ps(_mm256_castsi256_ps(rounded),
                         _mm256_castsi256_ps(quiet),
                         _mm256_cmp_ps(v, v, _CMP_UNORD_Q)));
}

INLINE __m256 round_to_bf16(__m256 v)
{
    return _mm256_castsi256_ps(
        _mm256_and_si256(to_bf16(v), _mm256_set1_epi32((int)0xFFFF0000u)));
}

INLINE void store_bf16(uint16_t *out, __m256 v, size_t n)
{
    const __m256i half = _mm256_srli_epi32(to_bf16(v), 16);
    const __m128i both = _mm_packus_epi32(_mm256_castsi256_si128(half),
                                          _mm256_extracti128_si256(half, 1));
    if (n >= LANES) {
        _mm_storeu_si128((void *)out, both);
    } else {
        uint16_t all[LANES];
        _mm_storeu_si128((void *)all, both);
        memcpy(out, all, n * sizeof *out);
    }
}

/* A bias of -0 and a scale of 1 change no bit. */
INLINE void finish_lanes(const clipc_finish *finish, const char *acc,
                         size_t acc_stride, size_t row, size_t n_rows,
                         size_t column, const size_t n, const bool is_s8,
                         const clipc_finish_op op, const destination to)
{
    const __m256i mask = first(n);
    const size_t stride = finish->out_stride;
    char *out = (char *)finish->out + row * stride +
                column * (to == TO_BF16 ? 2 : 4);
    const __m256 bias = finish->bias ? load(finish->bias + column, mask, n)
                                     : _mm256_set1_ps(-0.0f);
    const __m256 scale = _mm256_set1_ps(finish->scale);
    __m256 column_scale = _mm256_setzero_ps();
    __m256i sums = _mm256_setzero_si256();

    if (is_s8) {
        column_scale = load(finish->column_scale + column, mask, n);
        if (finish->column_sums)
            sums = _mm256_castps_si256(
                load(finish->column_sums + column, mask, n));
    }
    for (size_t i = 0; i < n_rows; i++, out += stride, acc += acc_stride * 4) {
        __m256 v = load(acc, mask, n);
        if (is_s8) {
            __m256i exact = _mm256_sub_epi32(_mm256_castps_si256(v), sums);
            __m256 both = _mm256_mul_ps(_mm256_set1_ps(
                                            finish->row_scale[row + i]),
                                        column_scale);
            v = _mm256_mul_ps(_mm256_cvtepi32_ps(exact), both);
        }
        v = _mm256_mul_ps(_mm256_add_ps(v, bias), scale);
        if (op == CLIPC_FINISH_QUICK_GELU)
            v = quick_gelu8(v);
        else if (op == CLIPC_FINISH_GELU)
            v = gelu8(v);
        else if (op == CLIPC_FINISH_GELU_TANH)
            v = gelu_tanh8(v);
        if (to == TO_BF16) {
            store_bf16((uint16_t *)(void *)out, v, n);
            continue;
        }
        if (to == TO_F32_BF16)
            v = round_to_bf16(v);
        else if (to == TO_F32_ADDED)
            v = _mm256_add_ps(load(out, mask, n), v);
        store(out, v, mask, n);
    }
}

/* ---- rows in operand formats ------------------------------------------- */

static void row_bf16(uint16_t *out, const float *x, size_t n, size_t n_padded)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store_bf16(out + i, _mm256_loadu_ps(x + i), LANES);
    if (i < n)
        store_bf16(out + i, _mm256_maskload_ps(x + i, first(n - i)), n - i);
    memset(out + n, 0, (n_padded - n) * sizeof *out);
}

/* The bits of the largest |x|. As integers, the bits order like the numbers,
 * with infinity and NaN above all. */
INLINE int32_t row_absmax(const float *x, size_t n)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
    __m256i highest[4];
    size_t i = 0;

    UNROLL
    for (int k = 0; k < 4; k++)
        highest[k] = _mm256_setzero_si256();
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        UNROLL
        for (int k = 0; k < 4; k++)
            highest[k] =
                _mm256_max_epi32(highest[k],
                                 _mm256_and_si256(magnitude,
                                                  _mm256_loadu_si256(
                                                      (const void
                                                           *)(x + i +
                                                              k * LANES))));
    }
    for (; i < n; i += LANES)
        highest[0] = _mm256_max_epi32(
            highest[0],
            _mm256_and_si256(magnitude,
                             _mm256_castps_si256(
                                 _mm256_maskload_ps(x + i, first(n - i)))));
    const __m256i all =
        _mm256_max_epi32(_mm256_max_epi32(highest[0], highest[1]),
                         _mm256_max_epi32(highest[2], highest[3]));
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(all),
                              _mm256_extracti128_si256(all, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4E));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xB1));
    return _mm_cvtsi128_si32(m);
}

INLINE __m256i quantized(__m256 x, __m256 inverse)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse));
}

/* The method of kernels.c. */
INLINE void row_bytes(void *out, float *scale, const float *x, size_t n,
                      size_t n_padded, const int offset)
{
    const __m256i flip = _mm256_set1_epi8((char)offset);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const int32_t max = row_absmax(x, n);
    const float s = _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(max))) /
                    127.0f;
    char *q = out;
    size_t i = 0;

    if (max >= 0x7F800000 || s < FLT_MIN) {
        *scale = max >= 0x7F800000 ? NAN : 1.0f;
        memset(q, offset, n_padded);
        return;
    }
    *scale = s;
    const __m256 inverse = _mm256_set1_ps(1.0f / s);
    for (; i < n; i += 4 * LANES) {
        __m256i v[4], bytes;
        UNROLL
        for (size_t k = 0; k < 4; k++) {
            const size_t at = i + k * LANES;
            v[k] = _mm256_setzero_si256();
            if (at + LANES <= n)
                v[k] = quantized(_mm256_loadu_ps(x + at), inverse);
            else if (at < n)
                v[k] = quantized(_mm256_maskload_ps(x + at, first(n - at)),
                                 inverse);
        }
        bytes = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]),
                                   _mm256_packs_epi32(v[2], v[3]));
        bytes = _mm256_xor_si256(_mm256_permutevar8x32_epi32(bytes, order),
                                 flip);
        if (i + 4 * LANES <= n) {
            _mm256_storeu_si256((void *)(q + i), bytes);
        } else {
            char all[4 * LANES];
            _mm256_storeu_si256((void *)all, bytes);
            memcpy(q + i, all, n - i);
        }
    }
    memset(q + n, offset, n_padded - n);
}

INLINE __m256 widen8(const uint16_t *in, const bool is_f16)
{
    const __m128i half = _mm_loadu_si128((const void *)in);
    return is_f16 ? _mm256_cvtph_ps(half)
                  : _mm256_castsi256_ps(
                        _mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

INLINE void widen_half(float *out, const uint16_t *in, size_t n,
                       const bool is_f16)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_ps(out + i, widen8(in + i, is_f16));
    if (i < n) {
        uint16_t rest[LANES] = { 0 };
        memcpy(rest, in + i, (n - i) * sizeof *in);
        _mm256_maskstore_ps(out + i, first(n - i), widen8(rest, is_f16));
    }
}

/* ---- rows -------------------------------------------------------------- */

static void add(float *x, const float *y, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_ps(x + i, _mm256_add_ps(_mm256_loadu_ps(x + i),
                                              _mm256_loadu_ps(y + i)));
    for (; i < n; i++)
        x[i] += y[i];
}

/* 4 x 4 lanes. */
static double sum_squares(const float *x, size_t n)
{
    const size_t whole = n / 16 * 16;
    __m256d v, lanes[4];

    UNROLL
    for (int k = 0; k < 4; k++)
        lanes[k] = _mm256_setzero_pd();
    for (size_t i = 0; i < whole; i += 16) {
        UNROLL
        for (int k = 0; k < 4; k++) {
            v = _mm256_cvtps_pd(_mm_loadu_ps(x + i + k * 4));
            lanes[k] = _mm256_fmadd_pd(v, v, lanes[k]);
        }
    }
    for (size_t i = whole; i < n; i += 4) {
        const __m128i mask = _mm256_castsi256_si128(first(n - i));
        v = _mm256_cvtps_pd(_mm_maskload_ps(x + i, mask));
        lanes[0] = _mm256_fmadd_pd(v, v, lanes[0]);
    }
    v = _mm256_add_pd(_mm256_add_pd(lanes[0], lanes[1]),
                      _mm256_add_pd(lanes[2], lanes[3]));
    const __m128d sums = _mm_add_pd(_mm256_castpd256_pd128(v),
                                    _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(sums, _mm_unpackhi_pd(sums, sums)));
}

INLINE void normalize(float *y, const float *x, const float *gain,
                      const float *bias, size_t width, const __m256 mean,
                      const __m256 rstd)
{
    for (size_t i = 0; i < width; i += LANES) {
        const size_t n = width - i;
        const __m256i mask = first(n);
        __m256 unit = _mm256_mul_ps(_mm256_sub_ps(load(x + i, mask, n), mean),
                                    rstd);
        store(y + i,
              _mm256_fmadd_ps(unit, load(gain + i, mask, n),
                              load(bias + i, mask, n)),
              mask, n);
    }
}

static void softmax(float *x, size_t n)
{
    const __m256 least = _mm256_set1_ps(-FLT_MAX);
    const size_t whole = n & ~(size_t)(2 * LANES - 1);
    __m256 highest[2], total[2];
    size_t i;

    highest[0] = highest[1] = least;
    total[0] = total[1] = _mm256_setzero_ps();
    for (i = 0; i < whole; i += 2 * LANES) {
        highest[0] = _mm256_max_ps(_mm256_loadu_ps(x + i), highest[0]);
        highest[1] = _mm256_max_ps(_mm256_loadu_ps(x + i + LANES), highest[1]);
    }
    for (; i < n; i += LANES) {
        const __m256i mask = first(n - i);
        highest[0] = _mm256_max_ps(_mm256_blendv_ps(least,
                                                    load(x + i, mask, n - i),
                                                    _mm256_castsi256_ps(mask)),
                                   highest[0]);
    }
    const __m256 max = _mm256_set1_ps(
        max_of(_mm256_max_ps(highest[0], highest[1])));

    for (i = 0; i < whole; i += 2 * LANES) {
        UNROLL
        for (int k = 0; k < 2; k++) {
            float *at = x + i + k * LANES;
            __m256 e = exp8(_mm256_sub_ps(_mm256_loadu_ps(at), max));
            _mm256_storeu_ps(at, e);
            total[k] = _mm256_add_ps(total[k], e);
        }
    }
    for (; i < n; i += LANES) {
        const __m256i mask = first(n - i);
        __m256 e = exp8(_mm256_sub_ps(load(x + i, mask, n - i), max));
        store(x + i, e, mask, n - i);
        total[0] = _mm256_add_ps(total[0],
                                 _mm256_and_ps(e, _mm256_castsi256_ps(mask)));
    }
    const __m256 share = _mm256_set1_ps(
        1.0f / sum_of(_mm256_add_ps(total[0], total[1])));
    for (i = 0; i < n; i += LANES) {
        const __m256i mask = first(n - i);
        store(x + i, _mm256_mul_ps(load(x + i, mask, n - i), share), mask,
              n - i);
    }
}

void clipc_rows_init_avx2(clipc_kernels *kernels)
{
    kernels->name = "avx2";
    fill_table(kernels);
}
