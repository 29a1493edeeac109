/* SPDX-License-Identifier: MIT
 *
 * tiles_s8_avx2.c - exact products of bytes with AVX2: vpmaddwd on 16-bit
 * numbers. Shifts split four bytes of a column into two even and two odd
 * inputs, once for six rows. Rows are widened once for up to four strips, a
 * piece of K at a time.
 */
#if !defined(__AVX2__)
#error "compile this file with -mavx2"
#endif
#include "kernels/x86/x86.h"
#include "kernels/inline.h"

#include <immintrin.h>

enum {
    ROWS = 6,
    STRIPS = 4,
    HALVES = 2, /* of a strip */
    UNIT = CLIPC_PREFETCH_STEPS,
    PIECE = 256 /* k-steps widened at once: 12 KiB */
};

/* Pairs of inputs 0, 2 and 1, 3 of each k-step. */
typedef struct wide_rows {
    _Alignas(32) int32_t even[ROWS][PIECE], odd[ROWS][PIECE];
} wide_rows;

INLINE __m256i even_bytes(__m256i v)
{
    return _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8);
}

INLINE __m256i odd_bytes(__m256i v)
{
    return _mm256_srai_epi16(v, 8);
}

INLINE __m256i load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* n k-steps, a multiple of 16. */
static void widen_rows(wide_rows *wide, const char *a, size_t a_stride,
                       size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++, a += a_stride)
        for (size_t k = 0; k < n; k += 8) {
            __m256i v = load(a + k * 4);
            _mm256_store_si256((__m256i *)(void *)&wide->even[i][k],
                               even_bytes(v));
            _mm256_store_si256((__m256i *)(void *)&wide->odd[i][k],
                               odd_bytes(v));
        }
}

/* Half a k-step of a row: two products and their sum a lane. Written out,
 * because compilers spill some of the 16 registers otherwise. */
INLINE void row_step(__m256i sums[HALVES], const int32_t *x, __m256i w0,
                     __m256i w1)
{
    __m256i t, u;

    __asm__ volatile("vpbroadcastd %4, %2\n\t"
                     "vpmaddwd %5, %2, %3\n\t"
                     "vpmaddwd %6, %2, %2\n\t"
                     "vpaddd %3, %0, %0\n\t"
                     "vpaddd %2, %1, %1"
                     : "+x"(sums[0]), "+x"(sums[1]), "=&x"(t), "=&x"(u)
                     : "m"(*x), "x"(w0), "x"(w1));
}

/* c (+)= n k-steps, a multiple of 16; rows is a constant where this is
 * inlined. */
INLINE void product(char *c, size_t c_stride, const wide_rows *wide,
                    const char *b, const char *lines, size_t n_lines, size_t n,
                    bool add, int rows)
{
    __m256i acc[ROWS][HALVES];

    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < HALVES; j++)
            acc[i][j] = add ? load(c + (size_t)i * c_stride + j * 32)
                            : _mm256_setzero_si256();
    for (size_t k = 0; k < n;) {
        for (size_t i = 0; i < n_lines; i++, lines += CLIPC_STRIP_BYTES)
            _mm_prefetch(lines, _MM_HINT_T1);
        for (size_t end = k + UNIT; k < end; k++, b += CLIPC_STRIP_BYTES) {
            __m256i w0 = even_bytes(load(b)), w1 = even_bytes(load(b + 32));
            UNROLL for (int i = 0; i < rows; i++)
                row_step(acc[i], &wide->even[i][k], w0, w1);
            w0 = odd_bytes(load(b));
            w1 = odd_bytes(load(b + 32));
            UNROLL for (int i = 0; i < rows; i++)
                row_step(acc[i], &wide->odd[i][k], w0, w1);
        }
    }
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < HALVES; j++)
            _mm256_storeu_si256((__m256i *)(void *)(c + (size_t)i * c_stride +
                                                    j * 32),
                                acc[i][j]);
}

INLINE void run_rows(const clipc_tile *tile, int rows)
{
    wide_rows wide;
    /* Each strip takes its share of the prefetches. */
    const size_t per_strip = (tile->prefetch_lines + tile->strips - 1) /
                             tile->strips;
    size_t left = tile->prefetch_lines * (tile->k_steps / UNIT);
    const char *lines = tile->prefetch;

    for (size_t k = 0; k < tile->k_steps; k += PIECE) {
        size_t n = tile->k_steps - k < PIECE ? tile->k_steps - k : PIECE;
        widen_rows(&wide, (const char *)tile->a + k * 4, tile->a_stride,
                   (size_t)rows, n);
        for (size_t j = 0; j < tile->strips; j++) {
            size_t most = per_strip * (n / UNIT);
            size_t n_lines = left >= most ? per_strip : 0;
            product((char *)tile->c + j * CLIPC_STRIP_BYTES, tile->c_stride,
                    &wide,
                    (const char *)tile->b + j * tile->b_stride +
                        k * CLIPC_STRIP_BYTES,
                    lines, n_lines, n, k > 0, rows);
            if (n_lines > 0) /* else there may be no address to add to */
                lines += n_lines * (n / UNIT) * CLIPC_STRIP_BYTES;
            left -= n_lines * (n / UNIT);
        }
    }
}

static void run_tile(const clipc_tile *tile)
{
    clipc_tile twice = *tile;

    switch (tile->rows) {
    case 6: run_rows(tile, 6); break;
    case 5: run_rows(tile, 5); break;
    case 4: run_rows(tile, 4); break;
    case 3: run_rows(tile, 3); break;
    case 2: run_rows(tile, 2); break;
    default: /* one row: computed twice, in the same place */
        twice.a_stride = twice.c_stride = 0;
        run_rows(&twice, 2);
    }
}

void clipc_tiles_s8_init_avx2(clipc_kernels *kernels)
{
    kernels->s8 = (clipc_tile_kernel){ .name = "avx2 6x64",
                                       .format = CLIPC_OPERAND_S8,
                                       .max_rows = ROWS,
                                       .max_strips = STRIPS,
                                       .run = run_tile };
}
