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

#include "kernels/inline.h"
#include "kernels/kernels.h"

#include <arm_neon.h>

enum {
    ROWS = 6,
    VECTORS = 4, /* of a k-step of a strip */
    UNIT = 4,    /* k-steps of a register of a row */
    BURST = CLIPC_PREFETCH_STEPS
};

typedef float32x4_t sixteen_bytes __attribute__((aligned(1), may_alias));
typedef float four_bytes __attribute__((aligned(1), may_alias));

/* Loads and products are written out, in the order in which they stand, so
 * that every sum stays in its register: of 32 registers none is free. */
INLINE float32x4_t load(const char *p)
{
    float32x4_t v;

    __asm__ volatile("ldr %q0, %1"
                     : "=w"(v)
                     : "m"(*(const sixteen_bytes *)(const void *)p));
    return v;
}

/* One k-step of a row, zeros behind: a row ends with its last input. */
INLINE float32x4_t load_step(const char *p)
{
    float32x4_t v;

    __asm__ volatile("ldr %s0, %1"
                     : "=w"(v)
                     : "m"(*(const four_bytes *)(const void *)p));
    return v;
}

/* Rows times k-step number `lane` of their registers. The next weights are
 * loaded among the products: processors that compute in the order of the
 * program would wait for them. */
#define DEFINE_STEP(lane) \
    INLINE float32x4_t step_##lane(float32x4_t acc[ROWS][VECTORS], \
                                   const float32x4_t x[ROWS], float32x4_t w, \
                                   const char *b, int rows, bool last) \
    { \
        UNROLL for (int j = 0; j < VECTORS; j++) \
        { \
            float32x4_t next = w; \
            UNROLL for (int i = 0; i < rows; i++) \
            { \
                __asm__ volatile(MULTIPLY_ADD(#lane) \
                                 : "+w"(acc[i][j]) \
                                 : "w"(w), "w"(x[i])); \
                if (i == 0 && (!last || j + 1 < VECTORS)) \
                    next = load(b + (j + 1) * 16); \
            } \
            w = next; \
        } \
        return w; \
    }
DEFINE_STEP(0)
DEFINE_STEP(1)
DEFINE_STEP(2)
DEFINE_STEP(3)

/* rows is a constant where this is inlined. */
INLINE void product(const clipc_tile *tile, int rows)
{
    float32x4_t acc[ROWS][VECTORS], x[ROWS];
    const char *row[ROWS];
    const char *b = tile->b, *lines = tile->prefetch;
    const size_t n_lines = tile->prefetch_lines;
    size_t left = tile->k_steps;

    UNROLL for (int i = 0; i < rows; i++)
    {
        row[i] = (const char *)tile->a + (size_t)i * tile->a_stride;
        UNROLL for (int j = 0; j < VECTORS; j++) acc[i][j] = vdupq_n_f32(0.0f);
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
            UNROLL for (int i = 0; i < rows; i++)
            {
                x[i] = load(row[i]);
                row[i] += UNIT * 4;
            }
            float32x4_t w = load(b);
            w = step_0(acc, x, w, b, rows, false);
            w = step_1(acc, x, w, b + CLIPC_STRIP_BYTES, rows, false);
            w = step_2(acc, x, w, b + 2 * CLIPC_STRIP_BYTES, rows, false);
            step_3(acc, x, w, b + 3 * CLIPC_STRIP_BYTES, rows, true);
            b += UNIT * CLIPC_STRIP_BYTES;
        }
    }
    for (; left > 0; left--, b += CLIPC_STRIP_BYTES) {
        UNROLL for (int i = 0; i < rows; i++)
        {
            x[i] = load_step(row[i]);
            row[i] += 4;
        }
        step_0(acc, x, load(b), b, rows, true);
    }

    char *c = tile->c;
    UNROLL for (int i = 0; i < rows; i++, c += tile->c_stride)
        UNROLL for (int j = 0; j < VECTORS; j++)
            vst1q_u8((uint8_t *)c + j * 16, vreinterpretq_u8_f32(acc[i][j]));
}

static void run_tile(const clipc_tile *tile)
{
    switch (tile->rows) {
    case 6: product(tile, 6); break;
    case 5: product(tile, 5); break;
    case 4: product(tile, 4); break;
    case 3: product(tile, 3); break;
    case 2: product(tile, 2); break;
    default: product(tile, 1);
    }
}

#endif /* CLIPC_ARM_TILES_NEON_H */
