/* SPDX-License-Identifier: MIT
 *
 * rows_lanes.h - rows of activations and the finish of a product, whatever the
 * width of a vector. A file that includes this header defines
 *
 *     FLOATS   type of a vector of LANES floats
 *     MASK     type that chooses among the lanes of a vector
 *     V(op)    what the intrinsic of that name does: V(add_ps)
 *     LANES    8 or 16
 *     MASKS_ARE_FREE  whether some lanes take no longer than all of them: then
 *              the code for all of them is left out where it would be long
 *
 * before, and after it the functions declared first here. The file
 * calls fill_table for the table.
 */
#ifndef CLIPC_ROWS_LANES_H
#define CLIPC_ROWS_LANES_H

#include "kernels/kernels.h"
#include "kernels/inline.h"
#include "kernels/sums.h"

#include <math.h>
#include <string.h>

typedef enum destination {
    TO_F32,
    TO_F32_ADDED,
    TO_F32_BF16,
    TO_BF16
} destination;

/* ---- of each instruction set ------------------------------------------- */

/* The first n lanes; all from LANES on. */
INLINE MASK first(size_t n);

/* The lanes of the mask. Other lanes are zeros, and are not read or written. */
INLINE FLOATS load_first(const void *p, const MASK mask);
INLINE void store_first(void *p, FLOATS v, const MASK mask);
INLINE FLOATS subtract_first(FLOATS x, FLOATS y, const MASK mask);

INLINE FLOATS round_to_bf16(FLOATS v);

/* n columns, at most LANES, of all rows of a tile. */
INLINE void finish_lanes(const clipc_finish *finish, const char *acc,
                         size_t acc_stride, size_t row, size_t n_rows,
                         size_t column, const size_t n, const bool is_s8,
                         const clipc_finish_op op, const destination to);

/* A row as bytes, with `offset` added to each; row_s8 of kernels.h. */
INLINE void row_bytes(void *out, float *scale, const float *x, size_t n,
                      size_t n_padded, const int offset);
INLINE void widen_half(float *out, const uint16_t *in, size_t n,
                       const bool is_f16);

/* y = (x - mean) * rstd * gain + bias */
INLINE void normalize(float *y, const float *x, const float *gain,
                      const float *bias, size_t width, const FLOATS mean,
                      const FLOATS rstd);

static void row_bf16(uint16_t *out, const float *x, size_t n, size_t n_padded);
static void add(float *x, const float *y, size_t n);
static void softmax(float *x, size_t n);

/* ---- finish: after a product ------------------------------------------- */

INLINE void finish_tile(const clipc_finish *finish, const void *acc,
                        size_t acc_stride, size_t row, size_t n_rows,
                        size_t column, size_t n_columns, const bool is_s8,
                        const clipc_finish_op op, const destination to)
{
    const size_t end = column + n_columns;
    const char *a = acc;

    if (!MASKS_ARE_FREE)
        for (; column + LANES <= end; column += LANES, a += LANES * 4)
            finish_lanes(finish, a, acc_stride, row, n_rows, column, LANES,
                         is_s8, op, to);
    for (; column < end; column += LANES, a += LANES * 4)
        finish_lanes(finish, a, acc_stride, row, n_rows, column, end - column,
                     is_s8, op, to);
}

/* Each combination that a finish may have is code of its own. */
INLINE void finish_to(const clipc_finish *finish, const void *acc,
                      size_t acc_stride, size_t row, size_t n_rows,
                      size_t column, size_t n_columns, const bool is_s8,
                      const clipc_finish_op op)
{
    if (!is_s8 && finish->format == CLIPC_OPERAND_BF16)
        finish_tile(finish, acc, acc_stride, row, n_rows, column, n_columns,
                    is_s8, op, TO_BF16);
    else if (!is_s8 && finish->format == CLIPC_OPERAND_F32_BF16)
        finish_tile(finish, acc, acc_stride, row, n_rows, column, n_columns,
                    is_s8, op, TO_F32_BF16);
    else
        finish_tile(finish, acc, acc_stride, row, n_rows, column, n_columns,
                    is_s8, op, TO_F32);
}

INLINE void finish_any(const clipc_finish *finish, const void *acc,
                       size_t acc_stride, size_t row, size_t n_rows,
                       size_t column, size_t n_columns, const bool is_s8)
{
    if (finish->add)
        finish_tile(finish, acc, acc_stride, row, n_rows, column, n_columns,
                    is_s8, CLIPC_FINISH_NONE, TO_F32_ADDED);
    else if (finish->op == CLIPC_FINISH_QUICK_GELU)
        finish_to(finish, acc, acc_stride, row, n_rows, column, n_columns,
                  is_s8, CLIPC_FINISH_QUICK_GELU);
    else if (finish->op == CLIPC_FINISH_GELU)
        finish_to(finish, acc, acc_stride, row, n_rows, column, n_columns,
                  is_s8, CLIPC_FINISH_GELU);
    else if (finish->op == CLIPC_FINISH_GELU_TANH)
        finish_to(finish, acc, acc_stride, row, n_rows, column, n_columns,
                  is_s8, CLIPC_FINISH_GELU_TANH);
    else
        finish_to(finish, acc, acc_stride, row, n_rows, column, n_columns,
                  is_s8, CLIPC_FINISH_NONE);
}

static void finish_f32(const clipc_finish *finish, const float *acc,
                       size_t acc_stride, size_t row, size_t n_rows,
                       size_t column, size_t n_columns)
{
    finish_any(finish, acc, acc_stride, row, n_rows, column, n_columns, false);
}

static void finish_s8(const clipc_finish *finish, const int32_t *acc,
                      size_t acc_stride, size_t row, size_t n_rows,
                      size_t column, size_t n_columns)
{
    finish_any(finish, acc, acc_stride, row, n_rows, column, n_columns, true);
}

/* ---- rows in operand formats ------------------------------------------- */

static void row_f32_bf16(float *out, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        V(storeu_ps)(out + i, round_to_bf16(V(loadu_ps)(x + i)));
    if (i < n) {
        const MASK mask = first(n - i);
        store_first(out + i, round_to_bf16(load_first(x + i, mask)), mask);
    }
}

static void row_s8(void *out, float *scale, const float *x, size_t n,
                   size_t n_padded)
{
    row_bytes(out, scale, x, n, n_padded, 0);
}

static void row_u8(void *out, float *scale, const float *x, size_t n,
                   size_t n_padded)
{
    row_bytes(out, scale, x, n, n_padded, 128);
}

static void widen(float *out, const void *in, clipc_storage storage, size_t n)
{
    if (storage == CLIPC_STORE_F32)
        memcpy(out, in, n * sizeof *out);
    else
        widen_half(out, in, n, storage == CLIPC_STORE_F16);
}

/* ---- rows -------------------------------------------------------------- */

/* Two passes, as in kernels.c, with more lanes. The mean is within 1e-6 of the
 * largest |x|. */
static void layernorm(float *y, const float *x, const float *gain,
                      const float *bias, float eps, size_t width)
{
    const float share = 1.0f / (float)width;
    FLOATS lanes[8];
    size_t i = 0;

    zero8(lanes);
    for (; i + 8 * LANES <= width; i += 8 * LANES) {
        UNROLL
        for (int k = 0; k < 8; k++)
            lanes[k] = V(add_ps)(lanes[k], V(loadu_ps)(x + i + k * LANES));
    }
    for (; i < width; i += LANES)
        lanes[0] = V(add_ps)(lanes[0], load_first(x + i, first(width - i)));
    const FLOATS mean = V(set1_ps)(sum8(lanes) * share);

    zero8(lanes);
    for (i = 0; i + 8 * LANES <= width; i += 8 * LANES) {
        UNROLL
        for (int k = 0; k < 8; k++) {
            FLOATS d = V(sub_ps)(V(loadu_ps)(x + i + k * LANES), mean);
            lanes[k] = V(fmadd_ps)(d, d, lanes[k]);
        }
    }
    for (; i < width; i += LANES) {
        const MASK mask = first(width - i);
        FLOATS d = subtract_first(load_first(x + i, mask), mean, mask);
        lanes[0] = V(fmadd_ps)(d, d, lanes[0]);
    }
    normalize(y, x, gain, bias, width, mean,
              V(set1_ps)(1.0f / sqrtf(sum8(lanes) * share + eps)));
}

INLINE void fill_table(clipc_kernels *kernels)
{
    kernels->finish_f32 = finish_f32;
    kernels->finish_s8 = finish_s8;
    kernels->layernorm = layernorm;
    kernels->row_bf16 = row_bf16;
    kernels->row_f32_bf16 = row_f32_bf16;
    kernels->row_s8 = row_s8;
    kernels->row_u8 = row_u8;
    kernels->widen = widen;
    kernels->add = add;
    kernels->softmax = softmax;
}

#endif /* CLIPC_ROWS_LANES_H */
