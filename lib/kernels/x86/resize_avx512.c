/* SPDX-License-Identifier: MIT
 *
 * resize_avx512.c - the inner loops of the resize with AVX-512 F, BW, DQ and
 * VL, which come with AVX2 (cpu.h). resize_lanes.h has the sums.
 */
#include "kernels/x86/x86.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || \
    !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "compile this file with -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif
#include <immintrin.h>

#define INTS __m512i
#define V(op) _mm512_##op
#define NONE _mm512_setzero_si512
#include "kernels/x86/resize_lanes.h"

/* ---- rows -------------------------------------------------------------- */

/* Weights end at a multiple of TAPS / 2. Pixels behind them are slack. */
INLINE __m512i load_weights(const int16_t *weights, size_t at, size_t n)
{
    const __mmask32 mask = n - at >= 32 ? 0xffffffff : 0xffff;
    return _mm512_maskz_loadu_epi16(mask, weights + at);
}

INLINE __m512i load_pixels(const uint8_t *p)
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)p));
}

INLINE __m512i add_unpacked(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b),
                            _mm512_unpackhi_epi32(a, b));
}

INLINE __m128i add_lanes(__m512i red, __m512i green, __m512i blue)
{
    /* Red and green in turns; blue twice; red, green, blue, blue. */
    const __m512i a = add_unpacked(red, green);
    const __m512i b = add_unpacked(blue, blue);
    const __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b),
                                         _mm512_unpackhi_epi64(a, b));
    const __m256i two = _mm256_add_epi32(_mm512_castsi512_si256(all),
                                         _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(two),
                         _mm256_extracti128_si256(two, 1));
}

void clipc_resize_horizontal_avx512(uint8_t *out, const uint8_t *planes,
                                    size_t stride, const uint32_t *begin,
                                    const int16_t *high, const int16_t *low,
                                    size_t n_taps, size_t count)
{
    if (n_taps <= 16) { /* half a register: 1.2 times as fast there */
        clipc_resize_horizontal_avx2(out, planes, stride, begin, high, low,
                                     n_taps, count);
        return;
    }
    windows(out, planes, stride, begin, high, low, n_taps, count);
}

/* ---- columns ----------------------------------------------------------- */

/* 64 columns. Columns outside the mask are not read or written. */
static void columns(uint8_t *out, const uint8_t *const *rows, size_t at,
                    const int16_t *high, const int16_t *low, size_t n_rows,
                    __mmask64 mask)
{
    column_sums sums;

    clear_columns(&sums);
    for (size_t k = 0; k < n_rows; k += 2)
        add_rows(&sums, _mm512_maskz_loadu_epi8(mask, rows[k] + at),
                 _mm512_maskz_loadu_epi8(mask, rows[k + 1] + at), high + k,
                 low + k);
    _mm512_mask_storeu_epi8(out + at, mask, round_columns(&sums));
}

void clipc_resize_vertical_avx512(uint8_t *out, const uint8_t *const *rows,
                                  const int16_t *high, const int16_t *low,
                                  size_t n_rows, size_t n_bytes)
{
    size_t at = 0;

    for (; at + 64 <= n_bytes; at += 64)
        columns(out, rows, at, high, low, n_rows, ~(__mmask64)0);
    if (at < n_bytes)
        columns(out, rows, at, high, low, n_rows,
                ((__mmask64)1 << (n_bytes - at)) - 1);
}
