/* SPDX-License-Identifier: MIT
 *
 * tiles_zmm.h - products of up to 9 rows by 48 columns in registers of 64
 * bytes: 27 of the 32 hold sums, three a k-step of the weights, one a
 * broadcast input. 12 loads serve 27 multiply-adds. Each element is one chain
 * in increasing k. A file that includes this header defines
 *
 *     MULTIPLY_ADD   "vfmadd231ps": sums += input * weights; of the operands
 *                    weights, input, sums, 4 bytes of K a lane
 *
 * and puts run_tile into the table.
 */
#ifndef CLIPC_X86_TILES_ZMM_H
#define CLIPC_X86_TILES_ZMM_H

#include "kernels/kernels.h"
#include "kernels/inline.h"

#include <immintrin.h>

enum {
    ROWS = 9,
    STRIPS = 3,
    UNIT = 4, /* k-steps of the inner loop, after a few prefetches */
    BURST = CLIPC_PREFETCH_STEPS
};

/* Three row pointers and two multiples of the stride address nine rows; as
 * nine pointers they would not fit the registers. */
typedef struct inputs {
    const char *row0, *row3, *row6;
    size_t stride;
} inputs;

INLINE const char *input(const inputs *in, int row)
{
    const char *base = row < 3 ? in->row0 : row < 6 ? in->row3 : in->row6;
    return base + (size_t)(row % 3) * in->stride;
}

/* One k-step of a row. Written out, like the loads of the weights, so that
 * every sum stays in its register and nothing is hoisted: of 32 registers
 * only one is free, and compilers schedule intrinsics into copies and spills.
 * */
INLINE void row_step(__m512 sums[STRIPS], const float *x,
                     const __m512 w[STRIPS], int strips)
{
    __m512 t;

    if (strips == 3)
        __asm__ volatile("vbroadcastss %4, %3\n\t" MULTIPLY_ADD
                         " %5, %3, %0\n\t" MULTIPLY_ADD
                         " %6, %3, %1\n\t" MULTIPLY_ADD " %7, %3, %2"
                         : "+v"(sums[0]), "+v"(sums[1]), "+v"(sums[2]),
                           "=&v"(t)
                         : "m"(*x), "v"(w[0]), "v"(w[1]), "v"(w[2]));
    else if (strips == 2)
        __asm__ volatile("vbroadcastss %3, %2\n\t" MULTIPLY_ADD
                         " %4, %2, %0\n\t" MULTIPLY_ADD " %5, %2, %1"
                         : "+v"(sums[0]), "+v"(sums[1]), "=&v"(t)
                         : "m"(*x), "v"(w[0]), "v"(w[1]));
    else
        __asm__ volatile("vbroadcastss %2, %1\n\t" MULTIPLY_ADD " %3, %1, %0"
                         : "+v"(sums[0]), "=&v"(t)
                         : "m"(*x), "v"(w[0]));
}

INLINE __m512 load(const char *weights)
{
    __m512 w;

    __asm__ volatile("vmovups %1, %0"
                     : "=v"(w)
                     : "m"(*(const __m512 *)(const void *)weights));
    return w;
}

/* n k-steps; rows, strips and n are constants where this is inlined. */
INLINE void steps(__m512 acc[ROWS][STRIPS], inputs *in, const char **weights,
                  size_t b_stride, int rows, int strips, int n)
{
    const char *b = *weights;

    UNROLL for (int k = 0; k < n; k++)
    {
        __m512 w[STRIPS];
        UNROLL for (int j = 0; j < strips; j++)
            w[j] = load(b + (size_t)j * b_stride + k * CLIPC_STRIP_BYTES);
        UNROLL for (int i = 0; i < rows; i++)
            row_step(acc[i], (const float *)input(in, i) + k, w, strips);
    }
    *weights = b + n * CLIPC_STRIP_BYTES;
    in->row0 += n * sizeof(float);
    in->row3 += n * sizeof(float);
    in->row6 += n * sizeof(float);
}

INLINE void product(const clipc_tile *tile, int rows, int strips)
{
    __m512 acc[ROWS][STRIPS];
    const char *b = tile->b, *lines = tile->prefetch;
    size_t stride = tile->a_stride, b_stride = tile->b_stride;
    size_t left = tile->k_steps, n_lines = tile->prefetch_lines;
    const size_t per_unit = (n_lines + BURST / UNIT - 1) / (BURST / UNIT);
    inputs in = { .row0 = tile->a, .stride = stride };

    in.row3 = in.row0 + (rows > 3 ? 3 * stride : 0);
    in.row6 = in.row0 + (rows > 6 ? 6 * stride : 0);
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < strips; j++)
            acc[i][j] = _mm512_setzero_ps();
    for (; left >= BURST; left -= BURST) {
        size_t rest = n_lines;
        for (int k = 0; k < BURST; k += UNIT) {
            size_t now = rest < per_unit ? rest : per_unit;
            rest -= now;
            for (; now > 0; now--, lines += CLIPC_STRIP_BYTES)
                _mm_prefetch(lines, _MM_HINT_T1);
            steps(acc, &in, &b, b_stride, rows, strips, UNIT);
        }
    }
    for (; left > 0; left--)
        steps(acc, &in, &b, b_stride, rows, strips, 1);

    char *c = tile->c;
    UNROLL for (int i = 0; i < rows; i++, c += tile->c_stride)
        UNROLL for (int j = 0; j < strips; j++)
            _mm512_storeu_ps(c + j * CLIPC_STRIP_BYTES, acc[i][j]);
}

#define DEFINE_PRODUCTS(rows) \
    static void product_##rows##x1(const clipc_tile *tile) \
    { \
        product(tile, rows, 1); \
    } \
    static void product_##rows##x2(const clipc_tile *tile) \
    { \
        product(tile, rows, 2); \
    } \
    static void product_##rows##x3(const clipc_tile *tile) \
    { \
        product(tile, rows, 3); \
    }
DEFINE_PRODUCTS(1)
DEFINE_PRODUCTS(2)
DEFINE_PRODUCTS(3)
DEFINE_PRODUCTS(4)
DEFINE_PRODUCTS(5)
DEFINE_PRODUCTS(6)
DEFINE_PRODUCTS(7)
DEFINE_PRODUCTS(8)
DEFINE_PRODUCTS(9)

#define PRODUCTS(rows) \
    { \
        product_##rows##x1, product_##rows##x2, product_##rows##x3 \
    }

static void run_tile(const clipc_tile *tile)
{
    static void (*const products[ROWS][STRIPS])(const clipc_tile *) = {
        PRODUCTS(1), PRODUCTS(2), PRODUCTS(3), PRODUCTS(4), PRODUCTS(5),
        PRODUCTS(6), PRODUCTS(7), PRODUCTS(8), PRODUCTS(9)
    };
    products[tile->rows - 1][tile->strips - 1](tile);
}

#endif /* CLIPC_X86_TILES_ZMM_H */
