/* SPDX-License-Identifier: MIT
 *
 * resize_kernels.c - the inner loops of the resize in C. See
 * resize_kernels.h for the arithmetic.
 */
#include "kernels/resize_kernels.h"

/* Sums are unsigned, where wrapping around is defined. */
static uint8_t clip8(uint32_t high, uint32_t low)
{
    const uint32_t half = (uint32_t)1 << (CLIPC_RESIZE_BITS - 1);
    /* Shifts of negative numbers are arithmetic with gcc and clang. */
    int32_t sum = (int32_t)((high << CLIPC_RESIZE_LOW_BITS) + low + half) >>
                  CLIPC_RESIZE_BITS;

    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static void split_c(uint8_t *planes, size_t stride, const uint8_t *rgb,
                    size_t n)
{
    uint8_t *red = planes, *green = red + stride, *blue = green + stride;

    for (size_t i = 0; i < n; i++, rgb += 3) {
        red[i] = rgb[0];
        green[i] = rgb[1];
        blue[i] = rgb[2];
    }
}

/* Sums of at most this many products stay below 2^31: 255 * 2^12 * 2^10. */
enum { BLOCK = 1024 };

static uint8_t window_sum(const uint8_t *p, const int16_t *high,
                          const int16_t *low, size_t n_taps)
{
    uint32_t sum_high = 0, sum_low = 0;

    for (size_t at = 0; at < n_taps; at += BLOCK) {
        const size_t end = n_taps - at < BLOCK ? n_taps : at + BLOCK;
        int32_t block_high = 0, block_low = 0;

        for (size_t j = at; j < end; j++) {
            block_high += (int16_t)p[j] * high[j];
            block_low += (int16_t)p[j] * low[j];
        }
        sum_high += (uint32_t)block_high;
        sum_low += (uint32_t)block_low;
    }
    return clip8(sum_high, sum_low);
}

static void horizontal_c(uint8_t *out, const uint8_t *planes, size_t stride,
                         const uint32_t *begin, const int16_t *high,
                         const int16_t *low, size_t n_taps, size_t count)
{
    for (size_t i = 0; i < count; i++, high += n_taps, low += n_taps)
        for (size_t c = 0; c < 3; c++)
            *out++ = window_sum(planes + c * stride + begin[i], high, low,
                                n_taps);
}

static void vertical_c(uint8_t *out, const uint8_t *const *rows,
                       const int16_t *high, const int16_t *low, size_t n_rows,
                       size_t n_bytes)
{
    enum { CHUNK = 64 }; /* sums that fit registers and vectorise */

    for (size_t at = 0; at < n_bytes; at += CHUNK) {
        const size_t n = n_bytes - at < CHUNK ? n_bytes - at : CHUNK;
        uint32_t sums[CHUNK] = { 0 };

        for (size_t k = 0; k < n_rows; k++) {
            const uint8_t *row = rows[k] + at;
            const int32_t w = high[k] * (1 << CLIPC_RESIZE_LOW_BITS) + low[k];

            if (n == CHUNK)
                for (size_t j = 0; j < CHUNK; j++)
                    sums[j] += (uint32_t)(row[j] * w);
            else
                for (size_t j = 0; j < n; j++)
                    sums[j] += (uint32_t)(row[j] * w);
        }
        for (size_t j = 0; j < n; j++)
            out[at + j] = clip8(0, sums[j]);
    }
}

void clipc_resize_kernels_init_c(clipc_resize_kernels *kernels)
{
    *kernels = (clipc_resize_kernels){
        .name = "c",
        .split = split_c,
        .horizontal = horizontal_c,
        .vertical = vertical_c,
    };
}
