/* SPDX-License-Identifier: MIT
 *
 * tiles_mmla.h - products of up to 6 rows by 16 columns with an instruction
 * that multiplies two rows by two columns, over eight bytes of K. A register
 * holds the four sums of two rows and two columns: 24 of the 32 registers hold
 * sums, three hold eight bytes of K of two rows each, two hold weights.
 *
 * The operands are eight bytes of two rows, and eight bytes of two columns,
 * side by side. So strips are zipped and rows are grouped before (kernels.h):
 *
 *     zipped strip: [k_steps / 2][8 pairs of columns][2 columns][8 bytes]
 *     grouped rows: [rows / 2 rounded up][k_steps / 2][2 rows][8 bytes]
 *
 * A file that includes this header defines
 *
 *     MULTIPLY_ADD   "smmla %0.4s, %1.16b, %2.16b": the sums %0 += the rows %1
 *                    * the columns %2
 *
 * and puts run_tile, zip_strip and group_rows into the table.
 */
#ifndef CLIPC_ARM_TILES_MMLA_H
#define CLIPC_ARM_TILES_MMLA_H

#include "kernels/arm/load.h"
#include "kernels/inline.h"
#include "kernels/kernels.h"

enum {
    ROWS = 6,
    PAIRS = ROWS / 2,
    COLUMN_PAIRS = CLIPC_STRIP_COLUMNS / 2,
    GROUP = 2 * CLIPC_STRIP_BYTES, /* of a zipped strip: eight bytes of K */
    BURST = CLIPC_PREFETCH_STEPS / 2
};

/* ---- operands ---------------------------------------------------------- */

/* A register of a k-step holds four bytes of K of four columns; with the same
 * columns of the next k-step, eight bytes of two columns each. */
static void zip_strip(void *out, const void *strip, size_t k_steps)
{
    const uint8_t *from = strip;
    uint8_t *to = out;

    for (; k_steps > 0; k_steps -= 2, from += GROUP, to += GROUP) {
        uint32x4_t step[2][4];
        UNROLL for (int i = 0; i < 8; i++)
            step[i / 4][i % 4] = vreinterpretq_u32_u8(vld1q_u8(from + i * 16));
        UNROLL for (int i = 0; i < 4; i++)
        {
            const uint32x4_t a = vzip1q_u32(step[0][i], step[1][i]);
            const uint32x4_t b = vzip2q_u32(step[0][i], step[1][i]);
            vst1q_u8(to + i * 32, vreinterpretq_u8_u32(a));
            vst1q_u8(to + i * 32 + 16, vreinterpretq_u8_u32(b));
        }
    }
}

static void group_rows(void *out, const void *rows, size_t stride,
                       size_t n_rows, size_t k_steps)
{
    const size_t row_bytes = k_steps * 4;
    const uint8_t *first = rows;
    uint8_t *to = out;

    for (size_t row = 0; row < n_rows; row += 2, first += 2 * stride) {
        const bool two = row + 1 < n_rows;
        const uint8_t *second = first + (two ? stride : 0);
        for (size_t at = 0; at < row_bytes; at += 16, to += 32) {
            const uint64x2_t a = vreinterpretq_u64_u8(vld1q_u8(first + at));
            uint64x2_t b = vreinterpretq_u64_u8(vld1q_u8(second + at));
            if (!two)
                b = vdupq_n_u64(0);
            vst1q_u8(to, vreinterpretq_u8_u64(vzip1q_u64(a, b)));
            vst1q_u8(to + 16, vreinterpretq_u8_u64(vzip2q_u64(a, b)));
        }
    }
}

/* ---- products ---------------------------------------------------------- */

/* Eight bytes of K, the first or the second after b; pairs and second are
 * constants where this is inlined. */
INLINE void step(uint8x16_t acc[PAIRS][COLUMN_PAIRS],
                 const char *const pair[PAIRS], const char *b, int pairs,
                 const int second)
{
    const int at = second * GROUP;
    uint8x16_t x[PAIRS], w = load(b, at);

    UNROLL for (int i = 0; i < pairs; i++) x[i] = load(pair[i], second * 16);
    UNROLL for (int j = 0; j < COLUMN_PAIRS; j++)
    {
        uint8x16_t next = w;
        UNROLL for (int i = 0; i < pairs; i++)
        {
            __asm__ volatile(MULTIPLY_ADD
                             : "+w"(acc[i][j])
                             : "w"(x[i]), "w"(w));
            if (i == 0 && j + 1 < COLUMN_PAIRS)
                next = load(b, at + (j + 1) * 16);
        }
        w = next;
    }
}

INLINE void product(const clipc_tile *tile, int pairs)
{
    uint8x16_t acc[PAIRS][COLUMN_PAIRS];
    const char *pair[PAIRS];
    const char *b = tile->b, *lines = tile->prefetch;

    UNROLL for (int i = 0; i < pairs; i++)
    {
        pair[i] = (const char *)tile->a + (size_t)i * tile->a_stride;
        UNROLL for (int j = 0; j < COLUMN_PAIRS; j++) acc[i][j] = zeros();
    }
    /* k_steps is a multiple of 16. */
    for (size_t left = tile->k_steps / 2; left > 0; left -= BURST) {
        for (size_t i = 0; i < tile->prefetch_lines;
             i++, lines += CLIPC_STRIP_BYTES)
            __builtin_prefetch(lines, 0, 2);
        KEEP_ROLLED for (int group = 0; group < BURST; group += 2)
        {
            step(acc, pair, b, pairs, 0);
            step(acc, pair, b, pairs, 1);
            UNROLL for (int i = 0; i < pairs; i++) pair[i] += 32;
            b += 2 * GROUP;
        }
    }

    UNROLL for (int i = 0; i < pairs; i++)
    {
        char *c = (char *)tile->c + (size_t)(2 * i) * tile->c_stride;
        const bool two = (size_t)(2 * i + 1) < tile->rows;
        UNROLL for (int j = 0; j < COLUMN_PAIRS; j += 2)
        {
            const uint64x2_t left = vreinterpretq_u64_u8(acc[i][j]);
            const uint64x2_t right = vreinterpretq_u64_u8(acc[i][j + 1]);
            uint8_t *to = (uint8_t *)c + j * 8;
            vst1q_u8(to, vreinterpretq_u8_u64(vzip1q_u64(left, right)));
            if (two)
                vst1q_u8(to + tile->c_stride,
                         vreinterpretq_u8_u64(vzip2q_u64(left, right)));
        }
    }
}

#define DEFINE_PRODUCT(pairs) \
    static void product_##pairs(const clipc_tile *tile) \
    { \
        product(tile, pairs); \
    }
DEFINE_PRODUCT(1)
DEFINE_PRODUCT(2)
DEFINE_PRODUCT(3)

static void run_tile(const clipc_tile *tile)
{
    static void (*const products[PAIRS])(
        const clipc_tile *) = { product_1, product_2, product_3 };
    products[(tile->rows - 1) / 2](tile);
}

#endif /* CLIPC_ARM_TILES_MMLA_H */
