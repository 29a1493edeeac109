/* SPDX-License-Identifier: MIT
 *
 * strips_avx512.c - packing of weights with AVX-512, 16 rows at a time, and the
 * widening of packed halves. strips_lanes.h has the packing.
 */
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__)
#error "compile this file with -mavx512f -mavx512bw -mavx512dq"
#endif
#include "kernels/x86/x86.h"

#include <immintrin.h>

#define FLOATS __m512
#define INTS __m512i
enum { LANES = 16, MASKS_ARE_FREE = 1 };
#include "kernels/strips_lanes.h"

INLINE __m512i bits_of(__m512 x)
{
    return _mm512_castps_si512(x);
}

INLINE void store_ints(void *to, __m512i v)
{
    _mm512_storeu_si512(to, v);
}

/* ---- numbers of a row -------------------------------------------------- */

/* Which of `most` elements (16 or 32) from element `at` on the row has. */
INLINE __mmask32 in_row(const source *s, int row, size_t at, size_t most)
{
    size_t n = at >= s->k ? 0 : s->k - at < most ? s->k - at : most;

    return (__mmask32)((((uint64_t)1 << n) - 1) & s->present[row]);
}

INLINE __m512 numbers_of(const source *s, int row, clipc_storage from,
                         size_t at)
{
    const __mmask16 mask = (__mmask16)in_row(s, row, at, 16);
    const char *p = s->rows[row];

    if (from == CLIPC_STORE_F32)
        return _mm512_maskz_loadu_ps(mask, p + at * 4);
    __m256i halves = _mm512_castsi512_si256(
        _mm512_maskz_loadu_epi16((__mmask32)mask, p + at * 2));
    if (from == CLIPC_STORE_F16)
        return _mm512_cvtph_ps(halves);
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

INLINE void numbers(__m512 x[PARTS], const source *s, int row,
                    clipc_storage from, size_t at)
{
    x[0] = numbers_of(s, row, from, at);
}

INLINE __m512i halves_of(const source *s, int row, size_t at)
{
    return _mm512_maskz_loadu_epi16(in_row(s, row, at, 32),
                                    s->rows[row] + at * 2);
}

/* To nearest, ties to even, NaN kept. (vcvtneps2bf16 would flush
 * subnormal numbers.) */
INLINE __m256i narrow_bf16(__m512 x)
{
    const __m512i bits = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16),
                                   _mm512_set1_epi32(1));
    __m512i rounded =
        _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)),
                         odd);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, nan, bits,
                                   _mm512_set1_epi32(0x00400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}

INLINE __m512i bf16_of(const source *s, int row, clipc_storage from, size_t at)
{
    __m256i low = narrow_bf16(numbers_of(s, row, from, at));
    __m256i high = narrow_bf16(numbers_of(s, row, from, at + 16));

    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* rne(x / scale) in [-127, 127]. The product with 1 / scale is within 3e-5 of
 * the quotient. Both round alike, unless the product is that near to a tie, or
 * is NaN because scale is subnormal. */
INLINE __m128i quantise(__m512 x, __m512 scale, __m512 inverse)
{
    enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };
    __m512 quotient = _mm512_mul_ps(x, inverse);
    __m512 rounded = _mm512_roundscale_ps(quotient, NEAREST);
    __m512 distance = _mm512_abs_ps(_mm512_sub_ps(quotient, rounded));

    if (__builtin_expect(_mm512_cmp_ps_mask(distance, _mm512_set1_ps(0.4999f),
                                            _CMP_NLE_UQ) != 0,
                         0))
        rounded = _mm512_roundscale_ps(_mm512_div_ps(x, scale), NEAREST);
    __m512i q = _mm512_max_epi32(_mm512_cvtps_epi32(rounded),
                                 _mm512_set1_epi32(-127));
    return _mm512_cvtsepi32_epi8(q);
}

INLINE __m512i bytes_of(const source *s, int row, clipc_storage from,
                        size_t at)
{
    const __m512 scale = _mm512_set1_ps(s->scale[row]);
    const __m512 inverse = _mm512_set1_ps(s->inverse[row]);
    __m128i q[4];

    UNROLL for (int j = 0; j < 4; j++)
        q[j] = quantise(numbers_of(s, row, from, at + (size_t)j * 16), scale,
                        inverse);
    __m512i bytes = _mm512_inserti32x4(_mm512_castsi128_si512(q[0]), q[1], 1);
    bytes = _mm512_inserti32x4(bytes, q[2], 2);
    return _mm512_inserti32x4(bytes, q[3], 3);
}

INLINE uint32_t largest_bits(const source *s, int row, clipc_storage from)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
    __m512i most[4];

    UNROLL for (int j = 0; j < 4; j++) most[j] = _mm512_setzero_si512();
    for (size_t at = 0; at < s->k; at += 64)
        UNROLL for (int j = 0; j < 4; j++)
        {
            __m512 x = numbers_of(s, row, from, at + (size_t)j * 16);
            most[j] = _mm512_max_epu32(most[j],
                                       _mm512_and_si512(_mm512_castps_si512(x),
                                                        magnitude));
        }
    return _mm512_reduce_max_epu32(
        _mm512_max_epu32(_mm512_max_epu32(most[0], most[1]),
                         _mm512_max_epu32(most[2], most[3])));
}

/* ---- a square and its lines -------------------------------------------- */

INLINE void transpose(__m512i r[LANES])
{
    __m512i t[LANES];

    UNROLL for (int i = 0; i < 16; i += 2)
    {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    UNROLL for (int i = 0; i < 16; i += 4)
    {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xDD);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xDD);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xDD);
    }
}

/* 64 times the sum of two bytes fits 16 bits. */
INLINE __m512i add_columns(__m512i sums, __m512i bytes)
{
    __m512i pairs = _mm512_maddubs_epi16(_mm512_set1_epi8(64), bytes);
    return _mm512_add_epi32(sums,
                            _mm512_madd_epi16(pairs, _mm512_set1_epi16(2)));
}

/* ---- widening ---------------------------------------------------------- */

static void widen_strip(float *out, const uint16_t *strip,
                        clipc_storage storage, size_t k)
{
    const __m512i order = _mm512_set_epi16(31, 29, 27, 25, 23, 21, 19, 17, 15,
                                           13, 11, 9, 7, 5, 3, 1, 30, 28, 26,
                                           24, 22, 20, 18, 16, 14, 12, 10, 8,
                                           6, 4, 2, 0);
    const __m512i high = _mm512_set1_epi32((int)0xFFFF0000);

    for (size_t at = 0; at < k; at += 2, strip += 32, out += 2 * COLUMNS) {
        __m512i pairs = _mm512_loadu_si512(strip);
        __m512 even, odd;
        _mm_prefetch((const char *)strip + 1536, _MM_HINT_T0);
        if (storage == CLIPC_STORE_F16) {
            pairs = _mm512_permutexvar_epi16(order, pairs);
            even = _mm512_cvtph_ps(_mm512_castsi512_si256(pairs));
            odd = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(pairs, 1));
        } else {
            even = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
            odd = _mm512_castsi512_ps(_mm512_and_si512(pairs, high));
        }
        _mm512_storeu_ps(out, even);
        if (at + 1 < k)
            _mm512_storeu_ps(out + COLUMNS, odd);
    }
}

void clipc_strips_init_avx512(clipc_kernels *kernels)
{
    fill_table(kernels);
}
