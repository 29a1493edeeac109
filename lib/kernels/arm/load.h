/* SPDX-License-Identifier: MIT
 *
 * load.h - what a product of tiles does beside multiplying, written out: loads
 * that stay where they stand among the products, so that no register more is
 * needed, and zeros. (From zeros of C clang makes a block of memory, and leaves
 * sums there.)
 */
#ifndef CLIPC_ARM_LOAD_H
#define CLIPC_ARM_LOAD_H

#include "kernels/inline.h"

#include <arm_neon.h>

typedef uint8x16_t stored __attribute__((aligned(1), may_alias));

/* 16 bytes at any address; the offset is a constant. clang adds it to the
 * address before it loads from "m", unless it is an operand of its own. */
INLINE uint8x16_t load(const char *base, const int offset)
{
    uint8x16_t v;

#if defined(__clang__)
    typedef struct reach {
        char bytes[256];
    } reach;
    __asm__ volatile("ldr %q0, [%1, %2]"
                     : "=w"(v)
                     : "r"(base), "i"(offset),
                       "m"(*(const reach *)(const void *)base));
#else
    __asm__ volatile("ldr %q0, %1"
                     : "=w"(v)
                     : "m"(*(const stored *)(const void *)(base + offset)));
#endif
    return v;
}

INLINE uint8x16_t zeros(void)
{
    uint8x16_t v;

    __asm__("movi %0.4s, #0" : "=w"(v));
    return v;
}

#endif /* CLIPC_ARM_LOAD_H */
