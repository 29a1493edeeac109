/* SPDX-License-Identifier: MIT
 *
 * tiles_neon.h - products of up to 6 rows by 16 columns: 24 of the 32
 * registers hold sums, six hold four k-steps of a row each, two hold weights.
 * Each element is one chain in increasing k. A file that includes this header
 * defines
 *
 *     MULTIPLY_ADD(lane)  "fmla %0.4s, %1.4s, %2.s[" lane "]": the sums %0 +=
 *                         the weights %1 * 4 bytes of K of the row %2; lane is
 *                         a string
 *
 * and puts run_tile into the table.
 */
#ifndef CLIPC_ARM_TILES_NEON_H
#define CLIPC_ARM_TILES_NEON_H

#include "kernels/arm/load.h"
#include "kernels/inline.h"
#include "kernels/kernels.h"

#include <string.h>

enum {
    ROWS = 6,
    VECTORS = 4, /* of a k-step of a strip */
    UNIT = 4,    /* k-steps of a register of a row */
    BURST = CLIPC_PREFETCH_STEPS
};

/* One k-step of a row, zeros behind: a row ends with its last input. */
INLINE uint8x16_t load_step(const char *p)
{
    float x;

    memcpy(&x, p, sizeof x);
    return vreinterpretq_u8_f32(vsetq_lane_f32(x, vdupq_n_f32(0.0f), 0));
}

/* Rows times k-step number `lane` of the four after b. The products are written
 * out, in the order in which they stand, so that every sum stays in its
 * register. The next weights are loaded among them: processors that compute in
 * the order of the program would wait for them. */
#define DEFINE_STEP(lane) \
    INLINE uint8x16_t step_##lane(uint8x16_t acc[ROWS][VECTORS], \
                                  const uint8x16_t x[ROWS], uint8x16_t w, \
                                  const char *b, int rows) \
    { \
        UNROLL for (int j = 0; j < VECTORS; j++) \
        { \
            uint8x16_t next = w; \
            UNROLL for (int i = 0; i < rows; i++) \
            { \
                __asm__ volatile(MULTIPLY_ADD(#lane) \
                                 : "+w"(acc[i][j]) \
                                 : "w"(w), "w"(x[i])); \
                if (i == 0 && lane * VECTORS + j + 1 < UNIT * VECTORS) \
                    next = load(b, (lane * VECTORS + j + 1) * 16); \
            } \
            w = next; \
        } \
        return w; \
    }
DEFINE_STEP(0)
DEFINE_STEP(1)
DEFINE_STEP(2)
DEFINE_STEP(3)

/* One k-step alone. */
INLINE void last_step(uint8x16_t acc[ROWS][VECTORS],
                      const char *const row[ROWS], const char *b, int rows)
{
    uint8x16_t x[ROWS];

    UNROLL for (int i = 0; i < rows; i++) x[i] = load_step(row[i]);
    UNROLL for (int j = 0; j < VECTORS; j++)
    {
        const uint8x16_t w = load(b, j * 16);
        UNROLL for (int i = 0; i < rows;
                    i++) __asm__ volatile(MULTIPLY_ADD("0") : "+w"(acc[i][j]) :
                                          "w"(w), "w"(x[i]));
    }
}

/* rows is a constant where this is inlined. */
INLINE void product(const clipc_tile *tile, int rows)
{
    uint8x16_t acc[ROWS][VECTORS];
    const char *row[ROWS];
    const char *b = tile->b, *lines = tile->prefetch;
    const size_t n_lines = tile->prefetch_lines;
    size_t left = tile->k_steps;

    UNROLL for (int i = 0; i < rows; i++)
    {
        row[i] = (const char *)tile->a + (size_t)i * tile->a_stride;
        UNROLL for (int j = 0; j < VECTORS; j++) acc[i][j] = zeros();
    }
    while (left >= UNIT) {
        size_t units = left / UNIT;
        if (units > BURST / UNIT)
            units = BURST / UNIT;
        left -= units * UNIT;
        for (size_t i = 0; i < n_lines; i++, lines += CLIPC_STRIP_BYTES)
            __builtin_prefetch(lines, 0, 2);
        KEEP_ROLLED for (; units > 0; units--)
        {
            uint8x16_t x[ROWS];
            UNROLL for (int i = 0; i < rows; i++)
            {
                x[i] = load(row[i], 0);
                row[i] += UNIT * 4;
            }
            uint8x16_t w = load(b, 0);
            w = step_0(acc, x, w, b, rows);
            w = step_1(acc, x, w, b, rows);
            w = step_2(acc, x, w, b, rows);
            step_3(acc, x, w, b, rows);
            b += UNIT * CLIPC_STRIP_BYTES;
        }
    }
    for (; left > 0; left--, b += CLIPC_STRIP_BYTES) {
        last_step(acc, row, b, rows);
        UNROLL for (int i = 0; i < rows; i++) row[i] += 4;
    }

    uint8_t *c = tile->c;
    UNROLL for (int j = 0; j < VECTORS; j++, c += 16)
        UNROLL for (int i = 0; i < rows; i++)
            vst1q_u8(c + (size_t)i * tile->c_stride, acc[i][j]);
}

#define DEFINE_PRODUCT(rows) \
    static void product_##rows(const clipc_tile *tile) \
    { \
        product(tile, rows); \
    }
DEFINE_PRODUCT(1)
DEFINE_PRODUCT(2)
DEFINE_PRODUCT(3)
DEFINE_PRODUCT(4)
DEFINE_PRODUCT(5)
DEFINE_PRODUCT(6)

static void run_tile(const clipc_tile *tile)
{
    static void (*const products[ROWS])(const clipc_tile *) = {
        product_1, product_2, product_3, product_4, product_5, product_6
    };
    products[tile->rows - 1](tile);
}

#endif /* CLIPC_ARM_TILES_NEON_H */
