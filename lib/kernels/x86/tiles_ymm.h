/* SPDX-License-Identifier: MIT
 *
 * tiles_ymm.h - products of up to 6 rows by 16 columns in registers of 32
 * bytes: 12 of the 16 hold sums, two a k-step of the weights, one a broadcast
 * input. Each element is one chain in increasing k. A file that includes this
 * header defines
 *
 *     MULTIPLY_ADD   "vfmadd231ps": sums += input * weights; of the operands
 *                    weights, input, sums, 4 bytes of K a lane
 *
 * and puts run_tile into the table.
 */
#ifndef CLIPC_X86_TILES_YMM_H
#define CLIPC_X86_TILES_YMM_H

#include "kernels/kernels.h"
#include "kernels/inline.h"

#include <immintrin.h>

enum {
    ROWS = 6,
    HALVES = 2, /* of a strip */
    UNIT = 8,   /* k-steps of the inner loop */
    BURST = CLIPC_PREFETCH_STEPS
};

/* Two row pointers and two multiples of the stride address six rows. */
typedef struct inputs {
    const char *row0, *row3;
    size_t stride;
} inputs;

INLINE const float *input(const inputs *in, int row)
{
    const char *base = row < 3 ? in->row0 : in->row3;
    return (const float *)(const void *)(base +
                                         (size_t)(row % 3) * in->stride);
}

/* One k-step of a row, written out like the loads of the weights so that
 * every sum stays in its register and nothing is hoisted. */
INLINE void row_step(__m256 sums[HALVES], const float *x,
                     const __m256 w[HALVES])
{
    __m256 t;

    __asm__ volatile("vbroadcastss %3, %2\n\t" MULTIPLY_ADD
                     " %4, %2, %0\n\t" MULTIPLY_ADD " %5, %2, %1"
                     : "+x"(sums[0]), "+x"(sums[1]), "=&x"(t)
                     : "m"(*x), "x"(w[0]), "x"(w[1]));
}

INLINE __m256 load(const char *weights)
{
    __m256 w;

    __asm__ volatile("vmovups %1, %0"
                     : "=x"(w)
                     : "m"(*(const __m256 *)(const void *)weights));
    return w;
}

/* n k-steps; rows and n are constants where this is inlined. */
INLINE void steps(__m256 acc[ROWS][HALVES], inputs *in, const char **weights,
                  int rows, int n)
{
    const char *b = *weights;

    UNROLL for (int k = 0; k < n; k++)
    {
        __m256 w[HALVES];
        UNROLL for (int j = 0; j < HALVES; j++)
            w[j] = load(b + k * CLIPC_STRIP_BYTES + j * (int)sizeof w[j]);
        UNROLL for (int i = 0; i < rows; i++)
            row_step(acc[i], input(in, i) + k, w);
    }
    *weights = b + n * CLIPC_STRIP_BYTES;
    in->row0 += n * sizeof(float);
    in->row3 += n * sizeof(float);
}

INLINE void product(const clipc_tile *tile, int rows)
{
    __m256 acc[ROWS][HALVES];
    const char *b = tile->b, *lines = tile->prefetch;
    size_t left = tile->k_steps, n_lines = tile->prefetch_lines;
    inputs in = { .row0 = tile->a, .stride = tile->a_stride };

    in.row3 = in.row0 + (rows > 3 ? 3 * in.stride : 0);
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < HALVES; j++)
            acc[i][j] = _mm256_setzero_ps();
    for (; left >= BURST; left -= BURST) {
        for (size_t i = 0; i < n_lines; i++, lines += CLIPC_STRIP_BYTES)
            _mm_prefetch(lines, _MM_HINT_T1);
        for (int k = 0; k < BURST; k += UNIT)
            steps(acc, &in, &b, rows, UNIT);
    }
    for (; left > 0; left--)
        steps(acc, &in, &b, rows, 1);

    char *c = tile->c;
    UNROLL for (int i = 0; i < rows; i++, c += tile->c_stride)
        UNROLL for (int j = 0; j < HALVES; j++)
            _mm256_storeu_ps((float *)(void *)c + j * 8, acc[i][j]);
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

#endif /* CLIPC_X86_TILES_YMM_H */
