/* SPDX-License-Identifier: MIT
 *
 * half.h - F16 and BF16 numbers in C, without branches, so that loops over such
 * numbers become vector code. Widening is exact. Narrowing rounds to nearest,
 * ties to even. NaN stays NaN; a subnormal keeps its value.
 */
#ifndef CLIPC_HALF_H
#define CLIPC_HALF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline float clipc_float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t clipc_bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The exponent of a normal number moves by 127 - 15, the exponent of infinity
 * and NaN by twice as much. A subnormal is built as 2^-14 plus its value; then
 * 2^-14 is subtracted. The difference is exact, and no operand is an f32
 * subnormal. */
static inline float clipc_widen_f16(uint16_t half)
{
    const uint32_t shift = 112u << 23, tiny = 113u << 23;
    uint32_t magnitude = (uint32_t)(half & 0x7FFFu) << 13;
    uint32_t is_small = 0u - (magnitude < 0x0400u << 13);
    uint32_t is_special = 0u - (magnitude >= 0x7C00u << 13);
    float small = clipc_float_of_bits(magnitude + tiny) -
                  clipc_float_of_bits(tiny);
    uint32_t large = magnitude + shift + (shift & is_special);
    uint32_t bits = (clipc_bits_of_float(small) & is_small) |
                    (large & ~is_small);
    return clipc_float_of_bits((uint32_t)(half & 0x8000u) << 16 | bits);
}

static inline float clipc_widen_bf16(uint16_t half)
{
    return clipc_float_of_bits((uint32_t)half << 16);
}

static inline uint16_t clipc_narrow_bf16(float x)
{
    uint32_t bits = clipc_bits_of_float(x);
    uint32_t is_nan = 0u - ((bits & 0x7FFFFFFFu) > 0x7F800000u);
    uint32_t rounded = bits + 0x7FFFu + (bits >> 16 & 1u);
    uint32_t quiet = bits | 0x00400000u; /* rounding may give infinity */
    return (uint16_t)(((rounded & ~is_nan) | (quiet & is_nan)) >> 16);
}

#endif /* CLIPC_HALF_H */
