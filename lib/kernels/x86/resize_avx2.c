/* SPDX-License-Identifier: MIT
 *
 * resize_avx2.c - the inner loops of the resize with AVX2. resize_lanes.h has
 * the sums. Instruction names: Intel SDM.
 */
#include "kernels/x86/x86.h"

#ifndef __AVX2__
#error "compile this file with -mavx2"
#endif
#include <immintrin.h>

#define INTS __m256i
#define V(op) _mm256_##op
#define NONE _mm256_setzero_si256
#include "kernels/x86/resize_lanes.h"

/* ---- planes ------------------------------------------------------------ */

/* 16 pixels of one colour out of 48 bytes RGBRGB...: each shuffle moves the
 * bytes of the colour in its 16 bytes to their places, and puts zeros
 * elsewhere. */
static __m128i pick(const __m128i *in, const int8_t (*places)[16])
{
    __m128i v = _mm_setzero_si128();
    for (int i = 0; i < 3; i++)
        v = _mm_or_si128(v,
                         _mm_shuffle_epi8(in[i], _mm_loadu_si128((
                                                     const void *)places[i])));
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

INLINE __m256i load(const void *p)
{
    return _mm256_loadu_si256(p);
}

/* Weights end at a multiple of TAPS. */
INLINE __m256i load_weights(const int16_t *weights, size_t at, size_t n)
{
    (void)n;
    return load(weights + at);
}

INLINE __m256i load_pixels(const uint8_t *p)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)p));
}

INLINE __m128i add_lanes(__m256i red, __m256i green, __m256i blue)
{
    __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(red, green),
                                      _mm256_hadd_epi32(blue, blue));
    return _mm_add_epi32(_mm256_castsi256_si128(pairs),
                         _mm256_extracti128_si256(pairs, 1));
}

void clipc_resize_horizontal_avx2(uint8_t *out, const uint8_t *planes,
                                  size_t stride, const uint32_t *begin,
                                  const int16_t *high, const int16_t *low,
                                  size_t n_taps, size_t count)
{
    windows(out, planes, stride, begin, high, low, n_taps, count);
}

/* ---- columns ----------------------------------------------------------- */

/* 32 columns. */
static void columns(uint8_t *out, const uint8_t *const *rows, size_t at,
                    const int16_t *high, const int16_t *low, size_t n_rows)
{
    column_sums sums;

    clear_columns(&sums);
    for (size_t k = 0; k < n_rows; k += 2)
        add_rows(&sums, load(rows[k] + at), load(rows[k + 1] + at), high + k,
                 low + k);
    _mm256_storeu_si256((void *)(out + at), round_columns(&sums));
}

void clipc_resize_vertical_avx2(uint8_t *out, const uint8_t *const *rows,
                                const int16_t *high, const int16_t *low,
                                size_t n_rows, size_t n_bytes)
{
    size_t at = 0;

    for (; at + 32 <= n_bytes; at += 32)
        columns(out, rows, at, high, low, n_rows);
    if (at < n_bytes && n_bytes >= 32) {
        /* The last 32 columns: some are computed again. */
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
        int32_t sum = (int32_t)((sum_high << CLIPC_RESIZE_LOW_BITS) +
                                sum_low) >>
                      CLIPC_RESIZE_BITS;
        out[at] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
    }
}
