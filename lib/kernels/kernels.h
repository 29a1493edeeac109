/* SPDX-License-Identifier: MIT
 *
 * kernels.h - the table of inner loops. clipc_kernels_init() (dispatch.h)
 * fills it with C first; files in x86/ then override entries upward, by the
 * CPU's features. Order of parameters: outputs, inputs, sizes.
 *
 * Every kernel gives an element the same bits wherever it stands: no result
 * depends on the number of rows or columns computed together, on alignment,
 * on the thread, or on elements beside it but those of its own row where the
 * operation says so. NaN stays NaN.
 *
 * Matrix products. Weights lie in strips of 16 output columns:
 *
 *     strip: [k_steps][16 columns][g], 64 bytes a k-step, 64-byte aligned
 *     f32: g = 1   bf16, f16: g = 2   s8: g = 4 consecutive inputs of a column
 *
 * k_steps = padded K / g, where K is padded with zeros to a multiple of 1
 * (f32), 32 (16-bit) or 64 (s8) inputs, and columns to 16. Rows of
 * activations have the same padding. A tile is a few rows by a few adjacent
 * strips over the whole of K, kept in registers; what comes after the sum
 * (bias, activation, residual ...) is a `finish` kernel that reads the tile
 * from the first-level cache.
 */
#ifndef CLIPC_KERNELS_H
#define CLIPC_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CLIPC_STRIP_COLUMNS = 16,
    CLIPC_STRIP_BYTES = 64, /* of one k-step */
    CLIPC_PREFETCH_STEPS = 16, /* k-steps between two bursts of prefetches */
    CLIPC_MAX_TILE_ROWS = 32,
    CLIPC_MAX_TILE_STRIPS = 4
};

/* How a number is stored. */
typedef enum clipc_storage {
    CLIPC_STORE_F32,
    CLIPC_STORE_F16,
    CLIPC_STORE_BF16,
    CLIPC_STORE_S8 /* weights only, one scale a column */
} clipc_storage;

/* What the rows of the left operand hold. */
typedef enum clipc_operand_format {
    CLIPC_OPERAND_F32,
    CLIPC_OPERAND_F32_BF16, /* f32 that were rounded to bf16 */
    CLIPC_OPERAND_BF16,
    CLIPC_OPERAND_S8, /* q in [-127, 127], one scale a row */
    CLIPC_OPERAND_U8  /* q + 128 */
} clipc_operand_format;

/* One product of a tile. */
typedef struct clipc_tile {
    void *c;             /* [rows, strips * 16] float, or int32_t of s8 */
    size_t c_stride;     /* bytes from row to row */
    const void *a;       /* [rows, padded K] in the kernel's operand format */
    size_t a_stride;     /* bytes */
    const void *b;       /* first strip */
    size_t b_stride;     /* bytes from strip to strip */
    size_t k_steps;
    size_t rows, strips; /* 1..max_rows, 1..max_strips */
    /* Lines of 64 bytes to bring towards the core while computing: from
     * `prefetch` on, `prefetch_lines` of them every CLIPC_PREFETCH_STEPS (0: none),
     * spread evenly. They may lie anywhere; never read through. */
    const void *prefetch;
    size_t prefetch_lines;
} clipc_tile;

typedef struct clipc_tile_kernel {
    const char *name; /* "avx512 9x48": for reports */
    clipc_operand_format format;
    unsigned max_rows, max_strips; /* best shape; smaller ones work too */
    /* c = a * b, exact sums for s8 (for U8 operands of q + 128, which finish
     * takes away again); for f32 each element is one chain of fused (x86) or
     * separate (C) multiply-adds in increasing k. */
    void (*run)(const clipc_tile *tile);
    /* NULL, or called before run() for tiles of another number of rows than
     * the last ones on this thread, and once after the last of a piece of
     * work. Where they are, all tiles should have as many rows. */
    void (*begin)(size_t rows);
    void (*done)(void);
} clipc_tile_kernel;

typedef enum clipc_finish_op {
    CLIPC_FINISH_NONE,
    CLIPC_FINISH_QUICK_GELU,
    CLIPC_FINISH_GELU
} clipc_finish_op;

/* What follows a product: v = acc (s8: see below); v += bias; v *= scale;
 * v = op(v); out = v or out += v. Each step rounds once, no fused operation,
 * so that all instruction sets agree but for op(). */
typedef struct clipc_finish {
    const float *bias; /* [N] or NULL */
    float scale;       /* 1: left out */
    clipc_finish_op op;
    bool add;          /* out += v, F32 only: the residual */
    clipc_operand_format format; /* of out: F32, F32_BF16 or BF16 */
    void *out;         /* [T, N] */
    size_t out_stride; /* bytes */
    /* s8: v = (float)(acc - column_sums[n]) * (row_scale[t] *
     * column_scale[n]); column_sums NULL for S8 operands, 128 times the sum
     * of the column's weights for U8. */
    const float *row_scale;     /* [T] or NULL */
    const float *column_scale;  /* [N] */
    const int32_t *column_sums; /* [N] */
} clipc_finish;

typedef struct clipc_kernels {
    const char *name; /* "c", "avx2", "avx512", "amx" */

    /* ---- matrix products ---- */
    clipc_tile_kernel f32;  /* operand F32, strips F32 */
    clipc_tile_kernel bf16; /* operand BF16, strips BF16; run NULL: none that
                             * is faster than widening to f32 */
    clipc_tile_kernel s8;   /* operand S8 or U8, strips S8 */

    /* acc: tile at rows [row, row + n_rows) and columns [column, column +
     * n_columns) of out, acc_stride in elements; float or int32_t (s8). */
    void (*finish_f32)(const clipc_finish *finish, const float *acc,
                       size_t acc_stride, size_t row, size_t n_rows,
                       size_t column, size_t n_columns);
    void (*finish_s8)(const clipc_finish *finish, const int32_t *acc,
                      size_t acc_stride, size_t row, size_t n_rows,
                      size_t column, size_t n_columns);

    /* One strip from n_rows <= 16 rows of weights, each [k] as `storage`
     * says (unaligned; not S8); absent rows and inputs become zeros. */
    void (*pack_f32)(float *strip, const void *const *rows,
                     clipc_storage storage, size_t n_rows, size_t k);
    /* To bf16, round to nearest even, NaN kept; from BF16 a copy. */
    void (*pack_bf16)(uint16_t *strip, const void *const *rows,
                      clipc_storage storage, size_t n_rows, size_t k);
    /* F16 rows as they are. */
    void (*pack_f16)(uint16_t *strip, const uint16_t *const *rows,
                     size_t n_rows, size_t k);
    /* scale[16] = absmax(row) / 127 (absmax 0: 1; not finite: NaN), weight =
     * clamp(round to even(x / scale), -127, 127); sums[16] = 128 times the sum
     * of a row's weights. */
    void (*pack_s8)(int8_t *strip, float *scale, int32_t *sums,
                    const void *const *rows, clipc_storage storage,
                    size_t n_rows, size_t k);
    /* An F16 or BF16 strip as an F32 one, k inputs, exactly. */
    void (*widen_strip)(float *out, const uint16_t *strip,
                        clipc_storage storage, size_t k);

    /* ---- rows of activations ---- */
    /* y = (x - mean) * rstd * gain + bias, one row; may alias. */
    void (*layernorm)(float *y, const float *x, const float *gain,
                      const float *bias, float eps, size_t width);
    /* One row in an operand format, padded with zeros to n_padded. */
    void (*row_bf16)(uint16_t *out, const float *x, size_t n, size_t n_padded);
    void (*row_f32_bf16)(float *out, const float *x, size_t n);
    /* scale = absmax / 127, q = clamp(round to even(x * (1 / scale)), -127,
     * 127), stored as s8.format says, q = 0 behind n. Not finite: scale NaN,
     * all q 0; absmax below 127 * 2^-126, as if zero: scale 1, all q 0. The
     * same bits on every instruction set. */
    void (*row_s8)(void *out, float *scale, const float *x, size_t n,
                   size_t n_padded);
    /* That for U8 operands; clipc_kernels_init() makes it row_s8 if need be. */
    void (*row_u8)(void *out, float *scale, const float *x, size_t n,
                   size_t n_padded);
    /* n numbers widened exactly, and narrowed (round to nearest even). */
    void (*widen)(float *out, const void *in, clipc_storage storage, size_t n);
    /* x += y, n elements. */
    void (*add)(float *x, const float *y, size_t n);
    /* Softmax of one row in place, max subtracted. */
    void (*softmax)(float *x, size_t n);
    /* Dot product in a fixed order that depends on n alone. */
    float (*dot)(const float *x, const float *y, size_t n);
    /* Sum of squares in double, likewise. */
    double (*sum_squares)(const float *x, size_t n);
} clipc_kernels;

/* The table's `widen` in C, for callers without a table. */
void clipc_widen(float *out, const void *in, clipc_storage storage, size_t n);

/* The C part of a table: rows of activations, then tiles and packing. */
void clipc_rows_init_c(clipc_kernels *kernels);
void clipc_tiles_init_c(clipc_kernels *kernels);

#endif /* CLIPC_KERNELS_H */
