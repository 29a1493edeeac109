/* SPDX-License-Identifier: MIT
 *
 * resize_lanes.h - the sums of the resize, whatever the width of a vector. See
 * resize_kernels.h for the arithmetic. A file that includes this header defines
 *
 *     INTS     type of a vector of integers
 *     V(op)    intrinsic of that width: V(add_epi32)
 *     NONE     intrinsic of a vector of zeros
 *
 * before, and after it the functions declared first here.
 */
#ifndef CLIPC_X86_RESIZE_LANES_H
#define CLIPC_X86_RESIZE_LANES_H

#include "kernels/inline.h"
#include "kernels/resize_kernels.h"

#include <immintrin.h>

/* ---- of each instruction set ------------------------------------------- */

enum { TAPS = sizeof(INTS) / 2 }; /* 16-bit numbers of a vector */

/* Weights [at, at + TAPS) of n, zeros behind the end. */
INLINE INTS load_weights(const int16_t *weights, size_t at, size_t n);
/* TAPS bytes as 16-bit numbers. */
INLINE INTS load_pixels(const uint8_t *p);
/* Sums of the lanes of each vector: red, green, blue, any. */
INLINE __m128i add_lanes(INTS red, INTS green, INTS blue);

/* ---- both directions --------------------------------------------------- */

INLINE INTS join(INTS high, INTS low)
{
    return V(add_epi32)(V(slli_epi32)(high, CLIPC_RESIZE_LOW_BITS), low);
}

INLINE void add_products(INTS *high, INTS *low, INTS pixels, INTS high_weights,
                         INTS low_weights)
{
    *high = V(add_epi32)(*high, V(madd_epi16)(pixels, high_weights));
    *low = V(add_epi32)(*low, V(madd_epi16)(pixels, low_weights));
}

/* ---- rows -------------------------------------------------------------- */

/* One output pixel from a window of n taps. */
INLINE void window(uint8_t *out, const uint8_t *plane, size_t stride,
                   const int16_t *high, const int16_t *low, size_t n)
{
    const __m128i half = _mm_set1_epi32(1 << (CLIPC_RESIZE_BITS - 1));
    INTS red_high = NONE(), red_low = red_high;
    INTS green_high = red_high, green_low = red_high;
    INTS blue_high = red_high, blue_low = red_high;

    for (size_t j = 0; j < n; j += TAPS) {
        const INTS h = load_weights(high, j, n), l = load_weights(low, j, n);
        add_products(&red_high, &red_low, load_pixels(plane + j), h, l);
        add_products(&green_high, &green_low, load_pixels(plane + stride + j),
                     h, l);
        add_products(&blue_high, &blue_low,
                     load_pixels(plane + 2 * stride + j), h, l);
    }
    __m128i sums = add_lanes(join(red_high, red_low),
                             join(green_high, green_low),
                             join(blue_high, blue_low));
    sums = _mm_srai_epi32(_mm_add_epi32(sums, half), CLIPC_RESIZE_BITS);
    sums = _mm_packs_epi32(sums, sums);
    uint32_t pixel = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(sums, sums));
    out[0] = (uint8_t)pixel;
    out[1] = (uint8_t)(pixel >> 8);
    out[2] = (uint8_t)(pixel >> 16);
}

INLINE void windows(uint8_t *out, const uint8_t *planes, size_t stride,
                    const uint32_t *begin, const int16_t *high,
                    const int16_t *low, size_t n_taps, size_t count)
{
    for (size_t i = 0; i < count; i++, high += n_taps, low += n_taps)
        window(out + 3 * i, planes + begin[i], stride, high, low, n_taps);
}

/* ---- columns ----------------------------------------------------------- */

/* Sums of the columns of one vector. Unpacking stays within 16 bytes, and
 * packing puts all columns back in order. */
typedef struct column_sums {
    INTS high[4], low[4];
} column_sums;

INLINE void clear_columns(column_sums *s)
{
    UNROLL for (int i = 0; i < 4; i++) s->high[i] = s->low[i] = NONE();
}

/* The weights of two rows in every lane. */
INLINE INTS pair_of(const int16_t *weights)
{
    return V(set1_epi32)((int32_t)((uint32_t)(uint16_t)weights[1] << 16 |
                                   (uint16_t)weights[0]));
}

/* Adds the products of rows a and b, whose weights are high[0], high[1] .. */
INLINE void add_rows(column_sums *s, INTS a, INTS b, const int16_t *high,
                     const int16_t *low)
{
    const INTS h = pair_of(high), l = pair_of(low), zero = NONE();
    const INTS first = V(unpacklo_epi8)(a, b), second = V(unpackhi_epi8)(a, b);
    const INTS pairs[4] = {
        V(unpacklo_epi8)(first, zero),
        V(unpackhi_epi8)(first, zero),
        V(unpacklo_epi8)(second, zero),
        V(unpackhi_epi8)(second, zero),
    };

    UNROLL for (int i = 0; i < 4; i++)
        add_products(&s->high[i], &s->low[i], pairs[i], h, l);
}

/* The sums rounded, as bytes. */
INLINE INTS round_columns(const column_sums *s)
{
    const INTS half = V(set1_epi32)(1 << (CLIPC_RESIZE_BITS - 1));
    INTS v[4];

    UNROLL for (int i = 0; i < 4; i++)
        v[i] = V(srai_epi32)(V(add_epi32)(join(s->high[i], s->low[i]), half),
                             CLIPC_RESIZE_BITS);
    return V(packus_epi16)(V(packs_epi32)(v[0], v[1]),
                           V(packs_epi32)(v[2], v[3]));
}

#endif /* CLIPC_X86_RESIZE_LANES_H */
