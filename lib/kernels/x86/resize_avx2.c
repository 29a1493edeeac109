/* SPDX-License-Identifier: MIT
 *
 * resize_avx2.c - the inner loops of the resize with AVX2. See
 * resize_kernels.h for the arithmetic; instruction names: Intel SDM.
 */
#include "kernels/x86/x86.h"

#ifndef __AVX2__
#error "compile this file with -mavx2"
#endif
#include <immintrin.h>

/* ---- planes ------------------------------------------------------------ */

/* 16 pixels of one colour out of 48 bytes RGBRGB...: each shuffle brings the
 * bytes of that colour in its 16 bytes to their places, zeros elsewhere. */
static __m128i pick(const __m128i *in, const int8_t (*places)[16])
{
    __m128i v = _mm_setzero_si128();
    for (int i = 0; i < 3; i++)
        v = _mm_or_si128(
            v, _mm_shuffle_epi8(in[i], _mm_loadu_si128(
                                           (const void *)places[i])));
    return v;
}

void clipc_resize_split_avx2(uint8_t *planes, size_t stride,
                             const uint8_t *rgb, size_t n)
{
    enum { N = -1 };
    static const int8_t places[3][3][16] = {
        { { 0, 3, 6, 9, 12, 15, N, N, N, N, N, N, N, N, N, N },
          { N, N, N, N, N, N, 2, 5, 8, 11, 14, N, N, N, N, N },
          { N, N, N, N, N, N, N, N, N, N, N, 1, 4, 7, 10, 13 } },
        { { 1, 4, 7, 10, 13, N, N, N, N, N, N, N, N, N, N, N },
          { N, N, N, N, N, 0, 3, 6, 9, 12, 15, N, N, N, N, N },
          { N, N, N, N, N, N, N, N, N, N, N, 2, 5, 8, 11, 14 } },
        { { 2, 5, 8, 11, 14, N, N, N, N, N, N, N, N, N, N, N },
          { N, N, N, N, N, 1, 4, 7, 10, 13, N, N, N, N, N, N },
          { N, N, N, N, N, N, N, N, N, N, 0, 3, 6, 9, 12, 15 } },
    };
    size_t i = 0;

    for (; i + 16 <= n; i += 16, rgb += 48) {
        const __m128i in[3] = {
            _mm_loadu_si128((const void *)rgb),
            _mm_loadu_si128((const void *)(rgb + 16)),
            _mm_loadu_si128((const void *)(rgb + 32)),
        };
        for (size_t c = 0; c < 3; c++)
            _mm_storeu_si128((void *)(planes + c * stride + i),
                             pick(in, places[c]));
    }
    for (; i < n; i++, rgb += 3)
        for (size_t c = 0; c < 3; c++)
            planes[c * stride + i] = rgb[c];
}

/* ---- rows -------------------------------------------------------------- */

static __m256i load(const void *p)
{
    return _mm256_loadu_si256(p);
}

/* 16 bytes as 16-bit numbers. */
static __m256i load_bytes(const uint8_t *p)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)p));
}

static __m256i join(__m256i high, __m256i low)
{
    return _mm256_add_epi32(_mm256_slli_epi32(high, CLIPC_RESIZE_LOW_BITS),
                            low);
}

/* Sums of the lanes of three vectors, rounded and clamped: bytes 0 to 2. */
static uint32_t finish(__m256i red, __m256i green, __m256i blue)
{
    const __m128i half = _mm_set1_epi32(1 << (CLIPC_RESIZE_BITS - 1));
    __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(red, green),
                                      _mm256_hadd_epi32(blue, blue));
    __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(pairs),
                                 _mm256_extracti128_si256(pairs, 1));

    sums = _mm_srai_epi32(_mm_add_epi32(sums, half), CLIPC_RESIZE_BITS);
    sums = _mm_packs_epi32(sums, sums);
    return (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(sums, sums));
}

void clipc_resize_horizontal_avx2(uint8_t *out, const uint8_t *planes,
                                  size_t stride, const uint32_t *begin,
                                  const int16_t *high, const int16_t *low,
                                  size_t n_taps, size_t count)
{
    for (size_t i = 0; i < count; i++, high += n_taps, low += n_taps) {
        const uint8_t *p = planes + begin[i];
        __m256i red_high = _mm256_setzero_si256(), red_low = red_high;
        __m256i green_high = red_high, green_low = red_high;
        __m256i blue_high = red_high, blue_low = red_high;

        for (size_t j = 0; j < n_taps; j += 16) {
            const __m256i h = load(high + j), l = load(low + j);
            const __m256i red = load_bytes(p + j);
            const __m256i green = load_bytes(p + stride + j);
            const __m256i blue = load_bytes(p + 2 * stride + j);

            red_high = _mm256_add_epi32(red_high, _mm256_madd_epi16(red, h));
            red_low = _mm256_add_epi32(red_low, _mm256_madd_epi16(red, l));
            green_high = _mm256_add_epi32(green_high,
                                          _mm256_madd_epi16(green, h));
            green_low = _mm256_add_epi32(green_low,
                                         _mm256_madd_epi16(green, l));
            blue_high = _mm256_add_epi32(blue_high,
                                         _mm256_madd_epi16(blue, h));
            blue_low = _mm256_add_epi32(blue_low, _mm256_madd_epi16(blue, l));
        }
        uint32_t pixel = finish(join(red_high, red_low),
                                join(green_high, green_low),
                                join(blue_high, blue_low));
        out[3 * i] = (uint8_t)pixel;
        out[3 * i + 1] = (uint8_t)(pixel >> 8);
        out[3 * i + 2] = (uint8_t)(pixel >> 16);
    }
}

/* ---- columns ----------------------------------------------------------- */

/* The weights of two rows in every lane. */
static __m256i pair_of(const int16_t *weights)
{
    return _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)weights[1] << 16 |
                                       (uint16_t)weights[0]));
}

static __m256i round_sums(__m256i high, __m256i low)
{
    const __m256i half = _mm256_set1_epi32(1 << (CLIPC_RESIZE_BITS - 1));
    return _mm256_srai_epi32(_mm256_add_epi32(join(high, low), half),
                             CLIPC_RESIZE_BITS);
}

/* 32 columns. The unpacking stays within 16 bytes and the packing puts all
 * back in order. */
static void columns(uint8_t *out, const uint8_t *const *rows, size_t at,
                    const int16_t *high, const int16_t *low, size_t n_rows)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i sum_high[4] = { zero, zero, zero, zero };
    __m256i sum_low[4] = { zero, zero, zero, zero };

    for (size_t k = 0; k < n_rows; k += 2) {
        const __m256i h = pair_of(high + k), l = pair_of(low + k);
        const __m256i a = load(rows[k] + at), b = load(rows[k + 1] + at);
        const __m256i first = _mm256_unpacklo_epi8(a, b);
        const __m256i second = _mm256_unpackhi_epi8(a, b);
        const __m256i pairs[4] = {
            _mm256_unpacklo_epi8(first, zero),
            _mm256_unpackhi_epi8(first, zero),
            _mm256_unpacklo_epi8(second, zero),
            _mm256_unpackhi_epi8(second, zero),
        };
        for (int i = 0; i < 4; i++) {
            sum_high[i] = _mm256_add_epi32(sum_high[i],
                                           _mm256_madd_epi16(pairs[i], h));
            sum_low[i] = _mm256_add_epi32(sum_low[i],
                                          _mm256_madd_epi16(pairs[i], l));
        }
    }
    __m256i first = _mm256_packs_epi32(round_sums(sum_high[0], sum_low[0]),
                                       round_sums(sum_high[1], sum_low[1]));
    __m256i second = _mm256_packs_epi32(round_sums(sum_high[2], sum_low[2]),
                                        round_sums(sum_high[3], sum_low[3]));
    _mm256_storeu_si256((void *)(out + at), _mm256_packus_epi16(first, second));
}

void clipc_resize_vertical_avx2(uint8_t *out, const uint8_t *const *rows,
                                const int16_t *high, const int16_t *low,
                                size_t n_rows, size_t n_bytes)
{
    size_t at = 0;

    for (; at + 32 <= n_bytes; at += 32)
        columns(out, rows, at, high, low, n_rows);
    if (at < n_bytes && n_bytes >= 32) {
        /* The last columns again, together with some before them. */
        columns(out, rows, n_bytes - 32, high, low, n_rows);
        return;
    }
    for (; at < n_bytes; at++) {
        const uint32_t half = (uint32_t)1 << (CLIPC_RESIZE_BITS - 1);
        uint32_t sum_high = 0, sum_low = half;
        for (size_t k = 0; k < n_rows; k++) {
            sum_high += (uint32_t)(rows[k][at] * high[k]);
            sum_low += (uint32_t)(rows[k][at] * low[k]);
        }
        int32_t sum = (int32_t)((sum_high << CLIPC_RESIZE_LOW_BITS) + sum_low)
                      >> CLIPC_RESIZE_BITS;
        out[at] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
    }
}
