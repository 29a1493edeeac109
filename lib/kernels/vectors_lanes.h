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
    return (const char *)p + i * clipc_storage_bytes(storage);
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

INLINE void zero4(FLOATS v[4])
{
    UNROLL
    for (int k = 0; k < 4; k++)
        v[k] = V(setzero_ps)();
}

/* Adds the lanes of four sums, each at most 16 products long, in double. */
INLINE DOUBLES add_squares(DOUBLES total, const FLOATS v[4])
{
    const FLOATS low = V(add_ps)(v[0], v[1]), high = V(add_ps)(v[2], v[3]);
    const FLOATS sum = V(add_ps)(low, high);
    float lanes[LANES];
    DOUBLES half;

    memcpy(lanes, &sum, sizeof lanes);
    half = load_doubles(lanes, CLIPC_STORE_F32);
    total = V(add_pd)(total, half);
    half = load_doubles(lanes + LANES / 2, CLIPC_STORE_F32);
    return V(add_pd)(total, half);
}

enum {
    LINE = 64,
    AHEAD = 128 * LINE, /* prefetched: the processor's own prefetches end with
                         * a page of memory */
    EIGHT = 8 * LANES   /* numbers in eight vectors */
};

/* A step's share, so that lines come while numbers are multiplied. The address
 * may be invalid. */
INLINE void prefetch_step(const char *y, const clipc_storage storage)
{
    const size_t bytes = (size_t)(at(y, EIGHT, storage) - y);

    UNROLL
    for (size_t line = 0; line < bytes; line += LINE)
        __builtin_prefetch(y + AHEAD + line);
}

/* squares NULL: the dot product alone. Else a step is prefetched with each
 * step, and what is loaded is squared, too. */
INLINE float dot_of(double *squares, const float *x, const void *y, size_t n,
                    const clipc_storage storage)
{
    enum { BLOCK = 8 * EIGHT };
    FLOATS lanes[8], sums[4], v;
    DOUBLES total = V(setzero_pd)();
    size_t i = 0;

    zero8(lanes);
    while (i + EIGHT <= n) {
        const size_t end = n - i < BLOCK ? n : i + BLOCK;
        zero4(sums);
        for (; i + EIGHT <= end; i += EIGHT) {
            if (squares)
                prefetch_step(at(y, i, storage), storage);
            UNROLL
            for (int k = 0; k < 8; k++) {
                v = load_floats(at(y, i + (size_t)k * LANES, storage),
                                storage);
                lanes[k] = V(fmadd_ps)(V(loadu_ps)(x + i + k * LANES), v,
                                       lanes[k]);
                if (squares)
                    sums[k % 4] = V(fmadd_ps)(v, v, sums[k % 4]);
            }
        }
        if (squares)
            total = add_squares(total, sums);
    }
    zero4(sums);
    for (; i + LANES <= n; i += LANES) {
        v = load_floats(at(y, i, storage), storage);
        lanes[0] = V(fmadd_ps)(V(loadu_ps)(x + i), v, lanes[0]);
        sums[0] = V(fmadd_ps)(v, v, sums[0]);
    }
    if (i < n) {
        const rest a = rest_of(x, i, n, CLIPC_STORE_F32);
        const rest b = rest_of(y, i, n, storage);
        v = load_floats(b.bytes, storage);
        lanes[0] = V(fmadd_ps)(load_floats(a.bytes, CLIPC_STORE_F32), v,
                               lanes[0]);
        sums[1] = V(fmadd_ps)(v, v, sums[1]);
    }
    if (squares)
        *squares = sum_of_doubles(add_squares(total, sums));
    return sum8(lanes);
}

static float dot(const float *x, const void *y, clipc_storage storage,
                 size_t n)
{
    switch (storage) {
    case CLIPC_STORE_F16: return dot_of(NULL, x, y, n, CLIPC_STORE_F16);
    case CLIPC_STORE_S8: return dot_of(NULL, x, y, n, CLIPC_STORE_S8);
    default: return dot_of(NULL, x, y, n, CLIPC_STORE_F32);
    }
}

static float dot_squares(double *squares, const float *x, const void *y,
                         clipc_storage storage, size_t n)
{
    switch (storage) {
    case CLIPC_STORE_F16: return dot_of(squares, x, y, n, CLIPC_STORE_F16);
    case CLIPC_STORE_S8: return dot_of(squares, x, y, n, CLIPC_STORE_S8);
    default: return dot_of(squares, x, y, n, CLIPC_STORE_F32);
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
    case CLIPC_STORE_S8: return sum_squares_s8(x, n);
    default: return sum_squares_of(x, n, CLIPC_STORE_F32);
    }
}

INLINE void fill_vectors(clipc_kernels *kernels)
{
    kernels->dot = dot;
    kernels->dot_squares = dot_squares;
    kernels->sum_squares = sum_squares;
}

#endif /* CLIPC_VECTORS_LANES_H */
