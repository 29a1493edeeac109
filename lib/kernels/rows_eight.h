/* SPDX-License-Identifier: MIT
 *
 * rows_eight.h - rows of activations and the finish of a product, eight floats
 * at a time: in one register of AVX2, in two of NEON. Each operation rounds as
 * the other set's does, and sums have the same order, so the two sets give the
 * same bits. The arithmetic is that of kernels.c, with two differences:
 * polynomials and the sums of LayerNorm and dot use fused multiply-adds, and
 * these sums have 8 x 8 lanes.
 *
 * A file that includes this header defines FLOATS, MASK and V(op) for
 * rows_lanes.h, which this header includes, and
 *
 *     INTS     type of a vector of eight integers of 32 bits
 *
 * before, and after it the functions declared first here and in rows_lanes.h
 * that this header does not define. Of two numbers of which one is a NaN,
 * V(min_ps) and V(max_ps) give the second.
 */
#ifndef CLIPC_ROWS_EIGHT_H
#define CLIPC_ROWS_EIGHT_H

#include "kernels/half.h"

#include <float.h>

enum { LANES = 8, MASKS_ARE_FREE = 0 };
#include "kernels/rows_lanes.h"

/* ---- of each instruction set ------------------------------------------- */

/* All ones in the lanes of the mask, and in those that hold a NaN. */
INLINE FLOATS lanes_of(const MASK mask);
INLINE FLOATS is_nan(FLOATS v);

/* The largest lane: of lanes i and i + 4, then of i and i + 2, then of both
 * left, each by V(max_ps). sum_of() adds in this order. */
INLINE float max_of(FLOATS v);
INLINE int32_t highest_of(INTS v);

/* Eight numbers of 16 bits; 32 numbers of 8, with `offset` added to each. */
INLINE void store_halves(uint16_t *out, INTS v);
INLINE void store_bytes(char *out, const INTS v[4], const int offset);

/* Eight halves as f32, exactly. */
INLINE FLOATS widen8(const uint16_t *in, const bool is_f16);

/* ---- ends of rows ------------------------------------------------------ */

/* n lanes, zeros behind; `mask` is first(n). */
INLINE FLOATS load(const void *p, const MASK mask, const size_t n)
{
    return n >= LANES ? V(loadu_ps)(p) : load_first(p, mask);
}

INLINE void store(void *p, FLOATS v, const MASK mask, const size_t n)
{
    if (n >= LANES)
        V(storeu_ps)(p, v);
    else
        store_first(p, v, mask);
}

INLINE FLOATS subtract_first(FLOATS x, FLOATS y, const MASK mask)
{
    return V(and_ps)(V(sub_ps)(x, y), lanes_of(mask));
}

/* ---- exponential ------------------------------------------------------- */

/* The method of kernels.c, with ln 2 in two whole floats, since fused products
 * are not rounded. x is clamped to [-87.3, 88.3], where the relative error is
 * below 1.3e-7. NaN stays NaN. */
INLINE FLOATS exp8(FLOATS x)
{
    const FLOATS round = V(set1_ps)(12582912.0f); /* 1.5 * 2^23: ulp 1 */

    x = V(max_ps)(V(set1_ps)(-87.3f), V(min_ps)(V(set1_ps)(88.3f), x));
    const FLOATS shifted = V(fmadd_ps)(x, V(set1_ps)(1.44269504f), round);
    const FLOATS n = V(sub_ps)(shifted, round);
    FLOATS r = V(fnmadd_ps)(n, V(set1_ps)(0.693147182f), x);
    r = V(fnmadd_ps)(n, V(set1_ps)(-1.90465421e-9f), r);
    FLOATS q = V(set1_ps)(1.38145386e-3f);
    q = V(fmadd_ps)(q, r, V(set1_ps)(8.36874515e-3f));
    q = V(fmadd_ps)(q, r, V(set1_ps)(4.16683908e-2f));
    q = V(fmadd_ps)(q, r, V(set1_ps)(1.66665204e-1f));
    q = V(fmadd_ps)(q, r, V(set1_ps)(4.99999934e-1f));
    q = V(fmadd_ps)(V(mul_ps)(r, r), q, r);
    /* The low bits of `shifted` are n, which becomes the exponent. */
    const INTS power = V(
        add_epi32)(V(slli_epi32)(V(castps_si256)(shifted), 23),
                   V(set1_epi32)(127 << 23));
    return V(mul_ps)(V(add_ps)(q, V(set1_ps)(1.0f)), V(castsi256_ps)(power));
}

/* ---- activations ------------------------------------------------------- */

/* Relative error: below 4e-7 + 1.5e-7 |x| (the error of the exponent, rounded
 * once) where the result is above 1e-35. */
INLINE FLOATS quick_gelu8(FLOATS x)
{
    const FLOATS e = exp8(V(mul_ps)(x, V(set1_ps)(-1.702f)));
    return V(div_ps)(x, V(add_ps)(e, V(set1_ps)(1.0f)));
}

/* The method of kernels.c; the bound of its error holds here too. */
INLINE FLOATS gelu_tanh8(FLOATS x)
{
    const FLOATS t = V(max_ps)(V(set1_ps)(-10.0f),
                               V(min_ps)(V(set1_ps)(10.0f), x));
    const FLOATS slope = V(fmadd_ps)(V(mul_ps)(t, t),
                                     V(set1_ps)(-7.13548163e-2f),
                                     V(set1_ps)(-1.59576912f));
    const FLOATS e = exp8(V(mul_ps)(t, slope));
    return V(div_ps)(x, V(add_ps)(e, V(set1_ps)(1.0f)));
}

/* The polynomial of kernels.c; the bounds of its error hold here too. */
INLINE FLOATS gelu8(FLOATS x)
{
    const FLOATS sign = V(set1_ps)(-0.0f);
    const FLOATS t = V(min_ps)(V(set1_ps)(6.0f), V(andnot_ps)(sign, x));
    FLOATS p = V(set1_ps)(-1.49713729e-7f);
    p = V(fmadd_ps)(p, t, V(set1_ps)(3.44605737e-6f));
    p = V(fmadd_ps)(p, t, V(set1_ps)(-3.1844375e-5f));
    p = V(fmadd_ps)(p, t, V(set1_ps)(1.29643953e-4f));
    p = V(fmadd_ps)(p, t, V(set1_ps)(1.1913659e-4f));
    p = V(fmadd_ps)(p, t, V(set1_ps)(-4.94814331e-3f));
    p = V(fmadd_ps)(p, t, V(set1_ps)(3.64336124e-2f));
    p = V(fmadd_ps)(p, t, V(set1_ps)(3.1828098e-1f));
    p = V(fmadd_ps)(p, t, V(set1_ps)(7.97887829e-1f));
    p = V(fmadd_ps)(p, t, V(set1_ps)(6.93147121e-1f));
    const FLOATS tail = V(mul_ps)(x, exp8(V(xor_ps)(sign, p)));
    /* Chosen by the sign bit of x: for a zero, both sides are zero. */
    return V(blendv_ps)(V(sub_ps)(x, tail), tail, x);
}

/* ---- finish: after a product ------------------------------------------- */

/* Nearest bf16, ties to even, in the upper halves. The lower halves hold
 * leftover bits. NaN stays NaN. */
INLINE INTS to_bf16(FLOATS v)
{
    const INTS bits = V(castps_si256)(v);
    const INTS odd = V(and_si256)(V(srli_epi32)(bits, 16), V(set1_epi32)(1));
    const INTS rounded = V(
        add_epi32)(bits, V(add_epi32)(odd, V(set1_epi32)(0x7FFF)));
    const INTS quiet = V(or_si256)(bits, V(set1_epi32)(0x00400000));
    return V(castps_si256)(V(blendv_ps)(V(castsi256_ps)(rounded),
                                        V(castsi256_ps)(quiet), is_nan(v)));
}

INLINE FLOATS round_to_bf16(FLOATS v)
{
    return V(castsi256_ps)(
        V(and_si256)(to_bf16(v), V(set1_epi32)((int)0xFFFF0000u)));
}

INLINE void store_bf16(uint16_t *out, FLOATS v, size_t n)
{
    const INTS half = V(srli_epi32)(to_bf16(v), 16);
    if (n >= LANES) {
        store_halves(out, half);
    } else {
        uint16_t all[LANES];
        store_halves(all, half);
        memcpy(out, all, n * sizeof *out);
    }
}

/* A bias of -0 and a scale of 1 change no bit. */
INLINE void finish_lanes(const clipc_finish *finish, const char *acc,
                         size_t acc_stride, size_t row, size_t n_rows,
                         size_t column, const size_t n, const bool is_s8,
                         const clipc_finish_op op, const destination to)
{
    const MASK mask = first(n);
    const size_t stride = finish->out_stride;
    char *out = (char *)finish->out + row * stride +
                column * (to == TO_BF16 ? 2 : 4);
    const FLOATS bias = finish->bias ? load(finish->bias + column, mask, n)
                                     : V(set1_ps)(-0.0f);
    const FLOATS scale = V(set1_ps)(finish->scale);
    FLOATS column_scale = V(setzero_ps)();
    INTS sums = V(set1_epi32)(0);

    if (is_s8) {
        column_scale = load(finish->column_scale + column, mask, n);
        if (finish->column_sums)
            sums = V(castps_si256)(
                load(finish->column_sums + column, mask, n));
    }
    for (size_t i = 0; i < n_rows; i++, out += stride, acc += acc_stride * 4) {
        FLOATS v = load(acc, mask, n);
        if (is_s8) {
            INTS exact = V(sub_epi32)(V(castps_si256)(v), sums);
            FLOATS both = V(mul_ps)(V(set1_ps)(finish->row_scale[row + i]),
                                    column_scale);
            v = V(mul_ps)(V(cvtepi32_ps)(exact), both);
        }
        v = V(mul_ps)(V(add_ps)(v, bias), scale);
        if (op == CLIPC_FINISH_QUICK_GELU)
            v = quick_gelu8(v);
        else if (op == CLIPC_FINISH_GELU)
            v = gelu8(v);
        else if (op == CLIPC_FINISH_GELU_TANH)
            v = gelu_tanh8(v);
        if (to == TO_BF16) {
            store_bf16((uint16_t *)(void *)out, v, n);
            continue;
        }
        if (to == TO_F32_BF16)
            v = round_to_bf16(v);
        else if (to == TO_F32_ADDED)
            v = V(add_ps)(load(out, mask, n), v);
        store(out, v, mask, n);
    }
}

/* ---- rows in operand formats ------------------------------------------- */

static void row_bf16(uint16_t *out, const float *x, size_t n, size_t n_padded)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store_bf16(out + i, V(loadu_ps)(x + i), LANES);
    if (i < n)
        store_bf16(out + i, load_first(x + i, first(n - i)), n - i);
    memset(out + n, 0, (n_padded - n) * sizeof *out);
}

/* The bits of the largest |x|. As integers, the bits order like the numbers,
 * with infinity and NaN above all. */
INLINE int32_t row_absmax(const float *x, size_t n)
{
    const INTS magnitude = V(set1_epi32)(0x7FFFFFFF);
    INTS highest[4];
    size_t i = 0;

    UNROLL
    for (int k = 0; k < 4; k++)
        highest[k] = V(set1_epi32)(0);
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        UNROLL
        for (int k = 0; k < 4; k++)
            highest[k] = V(
                max_epi32)(highest[k],
                           V(and_si256)(magnitude, V(castps_si256)(V(loadu_ps)(
                                                       x + i + k * LANES))));
    }
    for (; i < n; i += LANES)
        highest[0] = V(
            max_epi32)(highest[0],
                       V(and_si256)(magnitude,
                                    V(castps_si256)(
                                        load_first(x + i, first(n - i)))));
    return highest_of(V(max_epi32)(V(max_epi32)(highest[0], highest[1]),
                                   V(max_epi32)(highest[2], highest[3])));
}

INLINE INTS quantized(FLOATS x, FLOATS inverse)
{
    return V(cvtps_epi32)(V(mul_ps)(x, inverse));
}

/* The method of kernels.c. */
INLINE void row_bytes(void *out, float *scale, const float *x, size_t n,
                      size_t n_padded, const int offset)
{
    const int32_t max = row_absmax(x, n);
    const float s = clipc_float_of_bits((uint32_t)max) / 127.0f;
    char *q = out;
    size_t i = 0;

    if (max >= 0x7F800000 || s < FLT_MIN) {
        *scale = max >= 0x7F800000 ? NAN : 1.0f;
        memset(q, offset, n_padded);
        return;
    }
    *scale = s;
    const FLOATS inverse = V(set1_ps)(1.0f / s);
    for (; i < n; i += 4 * LANES) {
        INTS v[4];
        UNROLL
        for (size_t k = 0; k < 4; k++) {
            const size_t at = i + k * LANES;
            v[k] = V(set1_epi32)(0);
            if (at + LANES <= n)
                v[k] = quantized(V(loadu_ps)(x + at), inverse);
            else if (at < n)
                v[k] = quantized(load_first(x + at, first(n - at)), inverse);
        }
        if (i + 4 * LANES <= n) {
            store_bytes(q + i, v, offset);
        } else {
            char all[4 * LANES];
            store_bytes(all, v, offset);
            memcpy(q + i, all, n - i);
        }
    }
    memset(q + n, offset, n_padded - n);
}

INLINE void widen_half(float *out, const uint16_t *in, size_t n,
                       const bool is_f16)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        V(storeu_ps)(out + i, widen8(in + i, is_f16));
    if (i < n) {
        uint16_t rest[LANES] = { 0 };
        memcpy(rest, in + i, (n - i) * sizeof *in);
        store_first(out + i, widen8(rest, is_f16), first(n - i));
    }
}

/* ---- rows -------------------------------------------------------------- */

static void add(float *x, const float *y, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        V(storeu_ps)(x + i, V(add_ps)(V(loadu_ps)(x + i), V(loadu_ps)(y + i)));
    for (; i < n; i++)
        x[i] += y[i];
}

INLINE void normalize(float *y, const float *x, const float *gain,
                      const float *bias, size_t width, const FLOATS mean,
                      const FLOATS rstd)
{
    for (size_t i = 0; i < width; i += LANES) {
        const size_t n = width - i;
        const MASK mask = first(n);
        FLOATS unit = V(mul_ps)(V(sub_ps)(load(x + i, mask, n), mean), rstd);
        store(y + i,
              V(fmadd_ps)(unit, load(gain + i, mask, n),
                          load(bias + i, mask, n)),
              mask, n);
    }
}

static void softmax(float *x, size_t n)
{
    const FLOATS least = V(set1_ps)(-FLT_MAX);
    const size_t whole = n & ~(size_t)(2 * LANES - 1);
    FLOATS highest[2], total[2];
    size_t i;

    highest[0] = highest[1] = least;
    total[0] = total[1] = V(setzero_ps)();
    for (i = 0; i < whole; i += 2 * LANES) {
        highest[0] = V(max_ps)(V(loadu_ps)(x + i), highest[0]);
        highest[1] = V(max_ps)(V(loadu_ps)(x + i + LANES), highest[1]);
    }
    for (; i < n; i += LANES) {
        const MASK mask = first(n - i);
        highest[0] = V(max_ps)(V(blendv_ps)(least, load(x + i, mask, n - i),
                                            lanes_of(mask)),
                               highest[0]);
    }
    const FLOATS max = V(set1_ps)(max_of(V(max_ps)(highest[0], highest[1])));

    for (i = 0; i < whole; i += 2 * LANES) {
        UNROLL
        for (int k = 0; k < 2; k++) {
            float *at = x + i + k * LANES;
            FLOATS e = exp8(V(sub_ps)(V(loadu_ps)(at), max));
            V(storeu_ps)(at, e);
            total[k] = V(add_ps)(total[k], e);
        }
    }
    for (; i < n; i += LANES) {
        const MASK mask = first(n - i);
        FLOATS e = exp8(V(sub_ps)(load(x + i, mask, n - i), max));
        store(x + i, e, mask, n - i);
        total[0] = V(add_ps)(total[0], V(and_ps)(e, lanes_of(mask)));
    }
    const FLOATS share = V(set1_ps)(1.0f /
                                    sum_of(V(add_ps)(total[0], total[1])));
    for (i = 0; i < n; i += LANES) {
        const MASK mask = first(n - i);
        store(x + i, V(mul_ps)(load(x + i, mask, n - i), share), mask, n - i);
    }
}

#endif /* CLIPC_ROWS_EIGHT_H */
