/* SPDX-License-Identifier: MIT
 *
 * resize_kernels.h - the table of inner loops of the resize. C fills the whole
 * table; files of an instruction set then override entries. All give the same
 * bytes, because the order of a sum of integers does not matter.
 *
 * A weight w, 22-bit fixed point, comes as two 16-bit halves,
 * w = high * 2^11 + low with 0 <= low < 2^11, because processors multiply
 * pairs of 16-bit numbers (pmaddwd) much faster than 32-bit numbers:
 *
 *     sum(p * w) = sum(p * high) * 2^11 + sum(p * low)
 *
 * Ranges. A window's weights add up to 1, and their magnitudes to less than
 * 1.6 (Lanczos, clipped to two inputs at a border, is the worst), so |w| is
 * below 2^23 and high below 2^12. A pair of products with 8-bit p is below
 * 2 * 255 * 2^12 in size. The two sums over a window may wrap around at 2^32.
 * Joining them undoes the wrap: the joined sum is the sum of p * w, below
 * 255 * 1.6 * 2^22, and below 2^31 with the 2^21 of the rounding.
 */
#ifndef CLIPC_RESIZE_KERNELS_H
#define CLIPC_RESIZE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum {
    CLIPC_RESIZE_BITS = 22,     /* of the fixed point */
    CLIPC_RESIZE_LOW_BITS = 11, /* of the lower half */
    /* Windows are continued with weights 0 to a multiple of this. */
    CLIPC_RESIZE_TAPS = 16,
    /* Bytes behind the last window of a plane that kernels may read. Their
     * values have no effect. */
    CLIPC_RESIZE_SLACK = 16
};

typedef struct clipc_resize_kernels {
    const char *name; /* "c", "avx2", "avx512", "neon" */
    /* planes: [3, stride], the first n of each written; rgb: [n, 3]. */
    void (*split)(uint8_t *planes, size_t stride, const uint8_t *rgb,
                  size_t n);
    /* out: [count, 3]; planes: [3, stride]; begin: [count], where in a plane
     * each window begins; high, low: [count, n_taps], n_taps a multiple of
     * CLIPC_RESIZE_TAPS. */
    void (*horizontal)(uint8_t *out, const uint8_t *planes, size_t stride,
                       const uint32_t *begin, const int16_t *high,
                       const int16_t *low, size_t n_taps, size_t count);
    /* out: [n_bytes], no row; rows: [n_rows] pointers to as many bytes; high,
     * low: [n_rows]; n_rows is even. */
    void (*vertical)(uint8_t *out, const uint8_t *const *rows,
                     const int16_t *high, const int16_t *low, size_t n_rows,
                     size_t n_bytes);
} clipc_resize_kernels;

/* The table in C. */
void clipc_resize_kernels_init_c(clipc_resize_kernels *kernels);

#endif /* CLIPC_RESIZE_KERNELS_H */
