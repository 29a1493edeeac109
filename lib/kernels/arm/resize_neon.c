/* SPDX-License-Identifier: MIT
 *
 * resize_neon.c - the inner loops of the resize with NEON. resize_kernels.h has
 * the arithmetic.
 */
#include "kernels/arm/arm.h"
#include "kernels/inline.h"

#include <arm_neon.h>

/* ---- planes ------------------------------------------------------------ */

void clipc_resize_split_neon(uint8_t *planes, size_t stride,
                             const uint8_t *rgb, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16, rgb += 48) {
        const uint8x16x3_t colours = vld3q_u8(rgb);
        vst1q_u8(planes + i, colours.val[0]);
        vst1q_u8(planes + stride + i, colours.val[1]);
        vst1q_u8(planes + 2 * stride + i, colours.val[2]);
    }
    for (; i < n; i++, rgb += 3)
        for (size_t c = 0; c < 3; c++)
            planes[c * stride + i] = rgb[c];
}

/* ---- sums -------------------------------------------------------------- */

/* Sums of four lanes, of the upper and of the lower halves of the weights. */
typedef struct sums {
    int32x4_t high, low;
} sums;

INLINE int16x8_t load_pixels(const uint8_t *p)
{
    return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(p)));
}

INLINE int32x4_t join(sums s)
{
    return vaddq_s32(vshlq_n_s32(s.high, CLIPC_RESIZE_LOW_BITS), s.low);
}

/* The joined sums rounded, from 0 to 2^16 - 1 at most. */
INLINE uint16x4_t round_sums(int32x4_t joined)
{
    const int32x4_t half = vdupq_n_s32(1 << (CLIPC_RESIZE_BITS - 1));
    return vqmovun_s32(
        vshrq_n_s32(vaddq_s32(joined, half), CLIPC_RESIZE_BITS));
}

/* ---- rows -------------------------------------------------------------- */

INLINE void add_products(sums *s, int16x8_t pixels, int16x8_t high,
                         int16x8_t low)
{
    s->high = vmlal_s16(s->high, vget_low_s16(pixels), vget_low_s16(high));
    s->high = vmlal_high_s16(s->high, pixels, high);
    s->low = vmlal_s16(s->low, vget_low_s16(pixels), vget_low_s16(low));
    s->low = vmlal_high_s16(s->low, pixels, low);
}

void clipc_resize_horizontal_neon(uint8_t *out, const uint8_t *planes,
                                  size_t stride, const uint32_t *begin,
                                  const int16_t *high, const int16_t *low,
                                  size_t n_taps, size_t count)
{
    for (size_t i = 0; i < count; i++, high += n_taps, low += n_taps) {
        sums s[3];

        UNROLL for (int c = 0; c < 3; c++) s[c].high = s[c].low = vdupq_n_s32(
            0);
        for (size_t j = 0; j < n_taps; j += 8) {
            const int16x8_t h = vld1q_s16(high + j), l = vld1q_s16(low + j);
            const uint8_t *p = planes + begin[i] + j;
            UNROLL for (size_t c = 0; c < 3; c++)
                add_products(&s[c], load_pixels(p + c * stride), h, l);
        }
        const int32x4_t red_green = vpaddq_s32(join(s[0]), join(s[1]));
        const int32x4_t blue = vpaddq_s32(join(s[2]), join(s[2]));
        const uint16x4_t pixel = round_sums(vpaddq_s32(red_green, blue));
        const uint8x8_t bytes = vqmovn_u16(vcombine_u16(pixel, pixel));
        *out++ = vget_lane_u8(bytes, 0);
        *out++ = vget_lane_u8(bytes, 1);
        *out++ = vget_lane_u8(bytes, 2);
    }
}

/* ---- columns ----------------------------------------------------------- */

/* 16 columns. */
static void columns(uint8_t *out, const uint8_t *const *rows, size_t at,
                    const int16_t *high, const int16_t *low, size_t n_rows)
{
    sums s[4];

    UNROLL for (int i = 0; i < 4; i++) s[i].high = s[i].low = vdupq_n_s32(0);
    for (size_t k = 0; k < n_rows; k++) {
        UNROLL for (int half = 0; half < 2; half++)
        {
            const int16x8_t p = load_pixels(rows[k] + at + 8 * half);
            const int16x4_t a = vget_low_s16(p);
            sums *first = &s[2 * half], *second = first + 1;
            first->high = vmlal_n_s16(first->high, a, high[k]);
            first->low = vmlal_n_s16(first->low, a, low[k]);
            second->high = vmlal_high_n_s16(second->high, p, high[k]);
            second->low = vmlal_high_n_s16(second->low, p, low[k]);
        }
    }
    const uint16x8_t left = vcombine_u16(round_sums(join(s[0])),
                                         round_sums(join(s[1])));
    const uint16x8_t right = vcombine_u16(round_sums(join(s[2])),
                                          round_sums(join(s[3])));
    vst1q_u8(out + at, vcombine_u8(vqmovn_u16(left), vqmovn_u16(right)));
}

void clipc_resize_vertical_neon(uint8_t *out, const uint8_t *const *rows,
                                const int16_t *high, const int16_t *low,
                                size_t n_rows, size_t n_bytes)
{
    enum { WIDTH = 16 };
    size_t at = 0;

    for (; at + WIDTH <= n_bytes; at += WIDTH)
        columns(out, rows, at, high, low, n_rows);
    if (at == n_bytes)
        return;
    if (n_bytes >= WIDTH) {
        /* The last columns: some are computed again. */
        columns(out, rows, n_bytes - WIDTH, high, low, n_rows);
        return;
    }
    for (; at < n_bytes; at++) {
        uint32_t sum_high = 0, sum_low = 0;
        for (size_t k = 0; k < n_rows; k++) {
            sum_high += (uint32_t)(rows[k][at] * high[k]);
            sum_low += (uint32_t)(rows[k][at] * low[k]);
        }
        const sums s = { vdupq_n_s32((int32_t)sum_high),
                         vdupq_n_s32((int32_t)sum_low) };
        const uint16x4_t pixel = round_sums(join(s));
        out[at] = vget_lane_u8(vqmovn_u16(vcombine_u16(pixel, pixel)), 0);
    }
}
