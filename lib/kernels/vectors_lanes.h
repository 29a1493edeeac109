/* SPDX-License-Identifier: MIT
 *
 * vectors_lanes.h - sums over vectors as they are stored (vectors.c), whatever
 * the width of a register. A file that includes this header defines
 *
 *     FLOATS   type of a vector of LANES floats
 *     DOUBLES  type of a vector of LANES / 2 doubles
 *     V(op)    intrinsic of that width: V(add_ps)
 *     LANES    8 or 16
 *
 * before, and after it the functions declared first here. The file calls
 * fill_vectors for the table.
 */
#ifndef CLIPC_VECTORS_LANES_H
#define CLIPC_VECTORS_LANES_H

#include "kernels/kernels.h"
#include "kernels/sums.h"

#include <string.h>

/* LANES numbers at any address as floats, LANES / 2 as doubles. */
INLINE FLOATS load_floats(const void *p, const clipc_storage storage);
INLINE DOUBLES load_doubles(const void *p, const clipc_storage storage);

INLINE double sum_of_doubles(DOUBLES v);

/* The sum of squares of n bytes, exact. */
INLINE double sum_squares_s8(const int8_t *x, size_t n);

INLINE const char *at(const void *p, size_t i, const clipc_storage storage)
{
    const size_t bytes = storage == CLIPC_STORE_F32  ? 4
                         : storage == CLIPC_STORE_S8 ? 1
                                                     : 2;
    return (const char *)p + i * bytes;
}

/* The rest of a vector, zeros behind. */
typedef struct rest {
    char bytes[LANES * sizeof(float)];
} rest;

INLINE rest rest_of(const void *p, size_t i, size_t n,
                    const clipc_storage storage)
{
    rest r = { { 0 } };
    memcpy(r.bytes, at(p, i, storage),
           (size_t)(at(p, n, storage) - at(p, i, storage)));
    return r;
}

INLINE float dot_of(const float *x, const void *y, size_t n,
                    const clipc_storage storage)
{
    FLOATS lanes[8];
    size_t i = 0;

    zero8(lanes);
    for (; i + 8 * LANES <= n; i += 8 * LANES) {
        UNROLL
        for (int k = 0; k < 8; k++)
            lanes[k] = V(
                fmadd_ps)(V(loadu_ps)(x + i + k * LANES),
                          load_floats(at(y, i + (size_t)k * LANES, storage),
                                      storage),
                          lanes[k]);
    }
    for (; i + LANES <= n; i += LANES)
        lanes[0] = V(fmadd_ps)(V(loadu_ps)(x + i),
                               load_floats(at(y, i, storage), storage),
                               lanes[0]);
    if (i < n) {
        const rest a = rest_of(x, i, n, CLIPC_STORE_F32);
        const rest b = rest_of(y, i, n, storage);
        lanes[0] = V(fmadd_ps)(load_floats(a.bytes, CLIPC_STORE_F32),
                               load_floats(b.bytes, storage), lanes[0]);
    }
    return sum8(lanes);
}

static float dot(const float *x, const void *y, clipc_storage storage,
                 size_t n)
{
    switch (storage) {
    case CLIPC_STORE_F16: return dot_of(x, y, n, CLIPC_STORE_F16);
    case CLIPC_STORE_BF16: return dot_of(x, y, n, CLIPC_STORE_BF16);
    case CLIPC_STORE_S8: return dot_of(x, y, n, CLIPC_STORE_S8);
    default: return dot_of(x, y, n, CLIPC_STORE_F32);
    }
}

/* 4 x LANES / 2 lanes. */
INLINE double sum_squares_of(const void *x, size_t n,
                             const clipc_storage storage)
{
    enum { STEP = LANES / 2 };
    DOUBLES v[4], lanes[4];
    size_t i = 0;

    UNROLL
    for (int k = 0; k < 4; k++)
        lanes[k] = V(setzero_pd)();
    for (; i + 4 * STEP <= n; i += 4 * STEP) {
        UNROLL
        for (int k = 0; k < 4; k++)
            v[k] = load_doubles(at(x, i + (size_t)k * STEP, storage), storage);
        UNROLL
        for (int k = 0; k < 4; k++)
            lanes[k] = V(fmadd_pd)(v[k], v[k], lanes[k]);
    }
    for (; i < n; i += STEP) {
        const size_t end = n - i < STEP ? n : i + STEP;
        const rest r = rest_of(x, i, end, storage);
        v[0] = load_doubles(r.bytes, storage);
        lanes[0] = V(fmadd_pd)(v[0], v[0], lanes[0]);
    }
    return sum_of_doubles(V(add_pd)(V(add_pd)(lanes[0], lanes[1]),
                                    V(add_pd)(lanes[2], lanes[3])));
}

static double sum_squares(const void *x, clipc_storage storage, size_t n)
{
    switch (storage) {
    case CLIPC_STORE_F16: return sum_squares_of(x, n, CLIPC_STORE_F16);
    case CLIPC_STORE_BF16: return sum_squares_of(x, n, CLIPC_STORE_BF16);
    case CLIPC_STORE_S8: return sum_squares_s8(x, n);
    default: return sum_squares_of(x, n, CLIPC_STORE_F32);
    }
}

INLINE void fill_vectors(clipc_kernels *kernels)
{
    kernels->dot = dot;
    kernels->sum_squares = sum_squares;
}

#endif /* CLIPC_VECTORS_LANES_H */
