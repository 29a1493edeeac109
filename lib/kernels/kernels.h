/* SPDX-License-Identifier: MIT
 *
 * kernels.h - the table of inner loops. clipc_kernels_init() (dispatch.h)
 * fills the table with C first. Files in x86/ or arm/ then override entries,
 * from the oldest instruction set that the CPU has to the newest. Parameters
 * come in the order outputs, inputs, sizes.
 *
 * Every kernel gives an element the same bits wherever the element stands. No
 * result depends on the number of rows or columns computed together, on
 * alignment or on the thread. An element depends on other elements only where
 * the operation says so, and only on those of its own row. NaN stays NaN.
 *
 * Matrix products. Weights lie in strips of 16 output columns:
 *
 *     strip: [k_steps][16 columns][g], 64 bytes a k-step, 64-byte aligned
 *     f32: g = 1   bf16, f16: g = 2   s8: g = 4 consecutive inputs of a column
 *
 * k_steps = padded K / g, where K is padded with zeros to a multiple of 1
 * (f32), 32 (16-bit) or 64 (s8) inputs, and columns to 16. Rows of
 * activations have the same padding. A tile is a few rows by a few adjacent
 * strips over the whole of K; its sums stay in registers. A `finish` kernel
 * then reads the sums from the first-level cache and does the rest: bias,
 * activation, residual.
 */
#ifndef CLIPC_KERNELS_H
#define CLIPC_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CLIPC_STRIP_COLUMNS = 16,
    CLIPC_STRIP_BYTES = 64,    /* of one k-step */
    CLIPC_PREFETCH_STEPS = 16, /* k-steps between two bursts of prefetches */
    CLIPC_MAX_TILE_ROWS = 32,
    CLIPC_MAX_TILE_STRIPS = 4
};

/* How a number is stored. */
typedef enum clipc_storage {
    CLIPC_STORE_F32,
    CLIPC_STORE_F16,
    CLIPC_STORE_BF16,
    CLIPC_STORE_S8 /* of weights: one scale a column */
} clipc_storage;

/* What the rows of the left operand hold. */
typedef enum clipc_operand_format {
    CLIPC_OPERAND_F32,
    CLIPC_OPERAND_F32_BF16, /* f32, each rounded to a bf16 value */
    CLIPC_OPERAND_BF16,
    CLIPC_OPERAND_S8, /* q in [-127, 127], one scale a row */
    CLIPC_OPERAND_U8  /* q + 128 */
} clipc_operand_format;

/* One product of a tile. */
typedef struct clipc_tile {
    void *c;         /* [rows, strips * 16] float, or int32_t of s8 */
    size_t c_stride; /* bytes from row to row */
    const void *a;   /* [rows, padded K] in the kernel's operand format, or as
                      * group_rows() wrote them, from a group's first row on */
    size_t a_stride; /* bytes from row to row, or from group to group */
    const void *b;   /* first strip, or what zip_strip() made of it */
    size_t b_stride; /* bytes from strip to strip */
    size_t k_steps;
    size_t rows, strips; /* 1..max_rows, 1..max_strips */
    /* Lines of 64 bytes to prefetch while the product runs, from `prefetch`
     * on: prefetch_lines (may be 0) every CLIPC_PREFETCH_STEPS k-steps. The
     * address may be invalid: prefetch, never read. */
    const void *prefetch;
    size_t prefetch_lines;
} clipc_tile;

typedef struct clipc_tile_kernel {
    const char *name; /* "avx512 9x48": for reports */
    clipc_operand_format format;
    unsigned max_rows, max_strips; /* best shape; smaller tiles work too */
    /* c = a * b. s8: the sums are exact; with U8 operands they are sums of
     * (q + 128) * weight, and finish subtracts 128 * weight. f32: an element
     * is one chain of multiply-adds in increasing k, separate in C, fused
     * everywhere else. */
    void (*run)(const clipc_tile *tile);
    /* begin(rows): call when the tile height changes on this thread.
     * done(): call once at the end. Both are NULL if the instruction set needs
     * neither (only AMX does). Where they are not NULL, give all tiles the
     * same height: each change costs time. */
    void (*begin)(size_t rows);
    void (*done)(void);
    /* Not NULL: the kernel reads `group` rows side by side, 2 (MMLA of Arm) or
     * 16 (SME), that group_rows() has arranged: all rows of a layer, n_rows /
     * group rounded up groups of group * k_steps * 4 bytes, without gaps. */
    void (*group_rows)(void *out, const void *rows, size_t stride,
                       size_t n_rows, size_t k_steps);
    unsigned group;
    /* Not NULL: so does it columns, two (MMLA). One strip, of as many bytes;
     * out may be the strip. k_steps is a multiple of 16. */
    void (*zip_strip)(void *out, const void *strip, size_t k_steps);
} clipc_tile_kernel;

typedef enum clipc_finish_op {
    CLIPC_FINISH_NONE,
    CLIPC_FINISH_QUICK_GELU,
    CLIPC_FINISH_GELU,
    CLIPC_FINISH_GELU_TANH
} clipc_finish_op;

/* What follows a product: v = acc (s8: see below); v += bias; v *= scale;
 * v = op(v); out = v or out += v. Each step rounds once; no operation is
 * fused. So all instruction sets agree, except in op(). */
typedef struct clipc_finish {
    const float *bias; /* [N] or NULL */
    float scale;       /* 1: no effect */
    clipc_finish_op op;
    bool add; /* out += v: the residual; format F32, no op */
    clipc_operand_format format; /* of out: F32, F32_BF16 or BF16; s8: F32 */
    void *out;                   /* [T, N] */
    size_t out_stride;           /* bytes */
    /* s8: v = (float)(acc - column_sums[n]) * (row_scale[t] *
     * column_scale[n]); column_sums NULL for S8 operands, 128 times the sum
     * of the column's weights for U8. */
    const float *row_scale;     /* [T] or NULL */
    const float *column_scale;  /* [N] */
    const int32_t *column_sums; /* [N] */
} clipc_finish;

typedef struct clipc_kernels {
    const char *name; /* "c", "avx2", "avx512", "amx", "neon", "sme" */

    /* ---- matrix products ---- */
    clipc_tile_kernel f32; /* operand F32, strips F32; rows as they are */
    /* The same with grouped rows, for linear layers, where it is faster; else
     * run is NULL. The same bits but for NaN's own. */
    clipc_tile_kernel f32_grouped;
    /* operand BF16, strips BF16. run is NULL where widening to f32 is at
     * least as fast. */
    clipc_tile_kernel bf16;
    clipc_tile_kernel s8; /* operand S8 or U8, strips S8 */

    /* acc: the sums of rows [row, row + n_rows) and columns [column, column +
     * n_columns) of out. acc_stride counts elements. */
    void (*finish_f32)(const clipc_finish *finish, const float *acc,
                       size_t acc_stride, size_t row, size_t n_rows,
                       size_t column, size_t n_columns);
    void (*finish_s8)(const clipc_finish *finish, const int32_t *acc,
                      size_t acc_stride, size_t row, size_t n_rows,
                      size_t column, size_t n_columns);

    /* One strip from n_rows <= 16 rows of weights, each [k], of type
     * `storage` (not S8), at any address. Absent rows and inputs become
     * zeros. */
    void (*pack_f32)(float *strip, const void *const *rows,
                     clipc_storage storage, size_t n_rows, size_t k);
    /* Rounds to nearest even and keeps NaN. BF16 rows are copied. */
    void (*pack_bf16)(uint16_t *strip, const void *const *rows,
                      clipc_storage storage, size_t n_rows, size_t k);
    /* F16 rows are copied. */
    void (*pack_f16)(uint16_t *strip, const uint16_t *const *rows,
                     size_t n_rows, size_t k);
    /* scale[16] = absmax(row) / 127 (absmax 0: 1; not finite: NaN), weight =
     * clamp(round to even(x / scale), -127, 127); sums[16] = 128 times the sum
     * of a row's weights. */
    void (*pack_s8)(int8_t *strip, float *scale, int32_t *sums,
                    const void *const *rows, clipc_storage storage,
                    size_t n_rows, size_t k);
    /* An F32 strip of k inputs from an F16 or BF16 strip, exactly. */
    void (*widen_strip)(float *out, const uint16_t *strip,
                        clipc_storage storage, size_t k);

    /* ---- rows of activations ---- */
    /* y = (x - mean) * rstd * gain + bias, one row; y may be x. */
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
    /* The same for U8 operands. clipc_kernels_init() puts this into row_s8
     * where s8.format is U8. */
    void (*row_u8)(void *out, float *scale, const float *x, size_t n,
                   size_t n_padded);
    /* n numbers as f32, exactly. */
    void (*widen)(float *out, const void *in, clipc_storage storage, size_t n);
    /* x += y, n elements. */
    void (*add)(float *x, const float *y, size_t n);
    /* Softmax of one row in place, max subtracted. */
    void (*softmax)(float *x, size_t n);

    /* ---- vectors of a search, as they are stored: F32, F16 or S8 ---- */
    /* Dot product of x and y, which may lie at any address. The bits are those
     * of y widened to f32. The order of the sum depends on n alone. */
    float (*dot)(const float *x, const void *y, clipc_storage storage,
                 size_t n);
    /* dot(), the same bits, and the sum of squares of y, whose numbers are read
     * once and prefetched some KiB ahead, as if vectors followed one another.
     * Squares are summed in f32: within 1.1e-6 of itself where the sum is 1e-24
     * to 1e24, anything elsewhere. The bits of *squares are those of y widened
     * to f32, and depend on y and n alone. */
    float (*dot_squares)(double *squares, const float *x, const void *y,
                         clipc_storage storage, size_t n);
    /* Sum of squares in double; the same holds. */
    double (*sum_squares)(const void *x, clipc_storage storage, size_t n);
} clipc_kernels;

/* The f32 tile of linear layers. */
static inline const clipc_tile_kernel *
clipc_layer_tile_f32(const clipc_kernels *kernels)
{
    return kernels->f32_grouped.run ? &kernels->f32_grouped : &kernels->f32;
}

/* Bytes of a number. */
static inline size_t clipc_storage_bytes(clipc_storage storage)
{
    return storage == CLIPC_STORE_F32 ? 4 : storage == CLIPC_STORE_S8 ? 1 : 2;
}

/* The table's `widen` in C, for callers without a table. */
void clipc_widen(float *out, const void *in, clipc_storage storage, size_t n);

/* The C table. Call the first (rows of activations, kernels.c), which clears
 * the table, then the others (tiles and packing, tiles.c; vectors.c). */
void clipc_rows_init_c(clipc_kernels *kernels);
void clipc_tiles_init_c(clipc_kernels *kernels);
void clipc_vectors_init_c(clipc_kernels *kernels);

#endif /* CLIPC_KERNELS_H */
