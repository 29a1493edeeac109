/* SPDX-License-Identifier: MIT
 *
 * vectors.c - sums over vectors as they are stored, in C: dot products and
 * lengths. Numbers of fewer bits are widened, exactly, on the way into the sum:
 * the sum is that of the same numbers as f32, bit for bit.
 *
 * Sums run in a fixed number of lanes, as in kernels.c.
 */
#include "kernels/kernels.h"

#include "kernels/half.h"
#include "kernels/inline.h"

#include <string.h>

enum { LANES = 4 };

typedef float vec __attribute__((vector_size(16)));

/* n <= LANES numbers from number i on, zeros behind. */
INLINE vec load(const void *p, size_t i, size_t n, clipc_storage storage)
{
    const unsigned char *at = p;
    float x[LANES] = { 0 };
    vec v;

    clipc_widen(x, at + i * clipc_storage_bytes(storage), storage, n);
    memcpy(&v, x, sizeof v);
    return v;
}

/* 4 x LANES lanes. */
INLINE float dot_of(const float *x, const void *y, size_t n,
                    const clipc_storage storage)
{
    vec lanes[4] = { { 0 }, { 0 }, { 0 }, { 0 } };
    size_t i = 0;

    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (size_t l = 0; l < 4; l++)
            lanes[l] += load(x, i + l * LANES, LANES, CLIPC_STORE_F32) *
                        load(y, i + l * LANES, LANES, storage);
    for (; i + LANES <= n; i += LANES)
        lanes[0] += load(x, i, LANES, CLIPC_STORE_F32) *
                    load(y, i, LANES, storage);
    if (i < n)
        lanes[1] += load(x, i, n - i, CLIPC_STORE_F32) *
                    load(y, i, n - i, storage);
    const vec v = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
    return (v[0] + v[1]) + (v[2] + v[3]);
}

static float dot(const float *x, const void *y, clipc_storage storage,
                 size_t n)
{
    return storage == CLIPC_STORE_F32 ? dot_of(x, y, n, CLIPC_STORE_F32)
                                      : dot_of(x, y, n, storage);
}

/* LANES lanes. */
static double sum_squares(const void *x, clipc_storage storage, size_t n)
{
    double lanes[LANES] = { 0, 0, 0, 0 };

    for (size_t i = 0; i < n; i += LANES) {
        const size_t count = n - i < LANES ? n - i : LANES;
        const vec v = load(x, i, count, storage);
        for (size_t l = 0; l < LANES; l++)
            lanes[l] += (double)v[l] * (double)v[l];
    }
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

static float dot_squares(double *squares, const float *x, const void *y,
                         clipc_storage storage, size_t n)
{
    *squares = sum_squares(y, storage, n);
    return dot(x, y, storage, n);
}

void clipc_vectors_init_c(clipc_kernels *kernels)
{
    kernels->dot = dot;
    kernels->dot_squares = dot_squares;
    kernels->sum_squares = sum_squares;
}
