/* SPDX-License-Identifier: MIT
 *
 * resize_avx512.c - the inner loops of the resize with AVX-512 F, BW, DQ and
 * VL, which come with AVX2 (cpu.h). See resize_kernels.h for the arithmetic.
 */
#include "kernels/x86/x86.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || \
    !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "compile this file with -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif
#include <immintrin.h>

static __m512i join(__m512i high, __m512i low)
{
    return _mm512_add_epi32(_mm512_slli_epi32(high, CLIPC_RESIZE_LOW_BITS),
                            low);
}

/* ---- rows -------------------------------------------------------------- */

/* 32 bytes as 16-bit numbers. */
static __m512i load_bytes(const uint8_t *p)
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)p));
}

static __m512i add_unpacked(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b),
                            _mm512_unpackhi_epi32(a, b));
}

/* Sums of the lanes of three vectors, rounded and clamped: bytes 0 to 2. */
static uint32_t finish(__m512i red, __m512i green, __m512i blue)
{
    const __m128i half = _mm_set1_epi32(1 << (CLIPC_RESIZE_BITS - 1));
    /* Red and green in turns; blue twice; red, green, blue, blue. */
    const __m512i a = add_unpacked(red, green);
    const __m512i b = add_unpacked(blue, blue);
    const __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b),
                                         _mm512_unpackhi_epi64(a, b));
    const __m256i two = _mm256_add_epi32(_mm512_castsi512_si256(all),
                                         _mm512_extracti64x4_epi64(all, 1));
    __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(two),
                                 _mm256_extracti128_si256(two, 1));

    sums = _mm_srai_epi32(_mm_add_epi32(sums, half), CLIPC_RESIZE_BITS);
    sums = _mm_packs_epi32(sums, sums);
    return (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(sums, sums));
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
    for (size_t i = 0; i < count; i++, high += n_taps, low += n_taps) {
        const uint8_t *p = planes + begin[i];
        __m512i red_high = _mm512_setzero_si512(), red_low = red_high;
        __m512i green_high = red_high, green_low = red_high;
        __m512i blue_high = red_high, blue_low = red_high;

        for (size_t j = 0; j < n_taps; j += 32) {
            /* Weights end at a multiple of 16; the pixels behind are slack. */
            const __mmask32 mask = n_taps - j >= 32 ? 0xffffffff : 0xffff;
            const __m512i h = _mm512_maskz_loadu_epi16(mask, high + j);
            const __m512i l = _mm512_maskz_loadu_epi16(mask, low + j);
            const __m512i red = load_bytes(p + j);
            const __m512i green = load_bytes(p + stride + j);
            const __m512i blue = load_bytes(p + 2 * stride + j);

            red_high = _mm512_add_epi32(red_high, _mm512_madd_epi16(red, h));
            red_low = _mm512_add_epi32(red_low, _mm512_madd_epi16(red, l));
            green_high = _mm512_add_epi32(green_high,
                                          _mm512_madd_epi16(green, h));
            green_low = _mm512_add_epi32(green_low,
                                         _mm512_madd_epi16(green, l));
            blue_high = _mm512_add_epi32(blue_high,
                                         _mm512_madd_epi16(blue, h));
            blue_low = _mm512_add_epi32(blue_low, _mm512_madd_epi16(blue, l));
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
static __m512i pair_of(const int16_t *weights)
{
    return _mm512_set1_epi32((int32_t)((uint32_t)(uint16_t)weights[1] << 16 |
                                       (uint16_t)weights[0]));
}

static __m512i round_sums(__m512i high, __m512i low)
{
    const __m512i half = _mm512_set1_epi32(1 << (CLIPC_RESIZE_BITS - 1));
    return _mm512_srai_epi32(_mm512_add_epi32(join(high, low), half),
                             CLIPC_RESIZE_BITS);
}

/* 64 columns, those of the mask read and written. The unpacking stays within
 * 16 bytes and the packing puts all back in order. */
static void columns(uint8_t *out, const uint8_t *const *rows, size_t at,
                    const int16_t *high, const int16_t *low, size_t n_rows,
                    __mmask64 mask)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i sum_high[4] = { zero, zero, zero, zero };
    __m512i sum_low[4] = { zero, zero, zero, zero };

    for (size_t k = 0; k < n_rows; k += 2) {
        const __m512i h = pair_of(high + k), l = pair_of(low + k);
        const __m512i a = _mm512_maskz_loadu_epi8(mask, rows[k] + at);
        const __m512i b = _mm512_maskz_loadu_epi8(mask, rows[k + 1] + at);
        const __m512i first = _mm512_unpacklo_epi8(a, b);
        const __m512i second = _mm512_unpackhi_epi8(a, b);
        const __m512i pairs[4] = {
            _mm512_unpacklo_epi8(first, zero),
            _mm512_unpackhi_epi8(first, zero),
            _mm512_unpacklo_epi8(second, zero),
            _mm512_unpackhi_epi8(second, zero),
        };
        for (int i = 0; i < 4; i++) {
            sum_high[i] = _mm512_add_epi32(sum_high[i],
                                           _mm512_madd_epi16(pairs[i], h));
            sum_low[i] = _mm512_add_epi32(sum_low[i],
                                          _mm512_madd_epi16(pairs[i], l));
        }
    }
    __m512i first = _mm512_packs_epi32(round_sums(sum_high[0], sum_low[0]),
                                       round_sums(sum_high[1], sum_low[1]));
    __m512i second = _mm512_packs_epi32(round_sums(sum_high[2], sum_low[2]),
                                        round_sums(sum_high[3], sum_low[3]));
    _mm512_mask_storeu_epi8(out + at, mask,
                            _mm512_packus_epi16(first, second));
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
