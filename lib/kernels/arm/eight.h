/* SPDX-License-Identifier: MIT
 *
 * eight.h - vectors of eight floats, and of eight integers, in two NEON
 * registers each. eight_NAME does what the AVX2 intrinsic _mm256_NAME does, to
 * the bit, also for a NaN in a minimum and a maximum.
 */
#ifndef CLIPC_ARM_EIGHT_H
#define CLIPC_ARM_EIGHT_H

#include "kernels/inline.h"

#include <arm_neon.h>
#include <stdint.h>

typedef struct eight {
    float32x4_t low, high;
} eight;

typedef struct eight_ints {
    int32x4_t low, high;
} eight_ints;

/* ---- memory and constants ---------------------------------------------- */

INLINE eight eight_loadu_ps(const void *p)
{
    const uint8_t *at = p; /* at any address */
    return (eight){ vreinterpretq_f32_u8(vld1q_u8(at)),
                    vreinterpretq_f32_u8(vld1q_u8(at + 16)) };
}

INLINE void eight_storeu_ps(void *p, eight v)
{
    uint8_t *at = p;
    vst1q_u8(at, vreinterpretq_u8_f32(v.low));
    vst1q_u8(at + 16, vreinterpretq_u8_f32(v.high));
}

INLINE eight eight_set1_ps(float x)
{
    return (eight){ vdupq_n_f32(x), vdupq_n_f32(x) };
}

INLINE eight eight_setzero_ps(void)
{
    return eight_set1_ps(0.0f);
}

INLINE eight_ints eight_set1_epi32(int32_t x)
{
    return (eight_ints){ vdupq_n_s32(x), vdupq_n_s32(x) };
}

INLINE eight_ints eight_castps_si256(eight v)
{
    return (eight_ints){ vreinterpretq_s32_f32(v.low),
                         vreinterpretq_s32_f32(v.high) };
}

INLINE eight eight_castsi256_ps(eight_ints v)
{
    return (eight){ vreinterpretq_f32_s32(v.low),
                    vreinterpretq_f32_s32(v.high) };
}

/* ---- operations on both halves ----------------------------------------- */

#define EIGHT_FROM_TWO(type, name, operation) \
    INLINE type eight_##name(type a, type b) \
    { \
        return (type){ operation(a.low, b.low), operation(a.high, b.high) }; \
    }

/* Of a number and a NaN: b. */
INLINE float32x4_t least_of(float32x4_t a, float32x4_t b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

INLINE float32x4_t greatest_of(float32x4_t a, float32x4_t b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

EIGHT_FROM_TWO(eight, add_ps, vaddq_f32)
EIGHT_FROM_TWO(eight, sub_ps, vsubq_f32)
EIGHT_FROM_TWO(eight, mul_ps, vmulq_f32)
EIGHT_FROM_TWO(eight, div_ps, vdivq_f32)
EIGHT_FROM_TWO(eight, min_ps, least_of)
EIGHT_FROM_TWO(eight, max_ps, greatest_of)
EIGHT_FROM_TWO(eight_ints, add_epi32, vaddq_s32)
EIGHT_FROM_TWO(eight_ints, sub_epi32, vsubq_s32)
EIGHT_FROM_TWO(eight_ints, max_epi32, vmaxq_s32)
EIGHT_FROM_TWO(eight_ints, and_si256, vandq_s32)
EIGHT_FROM_TWO(eight_ints, or_si256, vorrq_s32)
#undef EIGHT_FROM_TWO

/* a * b + c and c - a * b, rounded once. */
INLINE eight eight_fmadd_ps(eight a, eight b, eight c)
{
    return (eight){ vfmaq_f32(c.low, a.low, b.low),
                    vfmaq_f32(c.high, a.high, b.high) };
}

INLINE eight eight_fnmadd_ps(eight a, eight b, eight c)
{
    return (eight){ vfmsq_f32(c.low, a.low, b.low),
                    vfmsq_f32(c.high, a.high, b.high) };
}

INLINE eight eight_and_ps(eight a, eight b)
{
    return eight_castsi256_ps(
        eight_and_si256(eight_castps_si256(a), eight_castps_si256(b)));
}

/* b without the bits of a. */
INLINE eight eight_andnot_ps(eight a, eight b)
{
    const eight_ints x = eight_castps_si256(a), y = eight_castps_si256(b);
    return eight_castsi256_ps(
        (eight_ints){ vbicq_s32(y.low, x.low), vbicq_s32(y.high, x.high) });
}

INLINE eight eight_xor_ps(eight a, eight b)
{
    const eight_ints x = eight_castps_si256(a), y = eight_castps_si256(b);
    return eight_castsi256_ps(
        (eight_ints){ veorq_s32(x.low, y.low), veorq_s32(x.high, y.high) });
}

/* b in the lanes whose choice has its sign bit set, else a. */
INLINE eight eight_blendv_ps(eight a, eight b, eight choice)
{
    const eight_ints c = eight_castps_si256(choice);
    return (eight){ vbslq_f32(vcltzq_s32(c.low), b.low, a.low),
                    vbslq_f32(vcltzq_s32(c.high), b.high, a.high) };
}

/* Shifts by a constant n, through the operators of vectors: the intrinsics
 * want literals. */
INLINE eight_ints eight_slli_epi32(eight_ints v, const int n)
{
    return (eight_ints){ (int32x4_t)((uint32x4_t)v.low << n),
                         (int32x4_t)((uint32x4_t)v.high << n) };
}

INLINE eight_ints eight_srli_epi32(eight_ints v, const int n)
{
    return (eight_ints){ (int32x4_t)((uint32x4_t)v.low >> n),
                         (int32x4_t)((uint32x4_t)v.high >> n) };
}

/* ---- conversions ------------------------------------------------------- */

INLINE eight eight_cvtepi32_ps(eight_ints v)
{
    return (eight){ vcvtq_f32_s32(v.low), vcvtq_f32_s32(v.high) };
}

/* To nearest, ties to even. */
INLINE eight_ints eight_cvtps_epi32(eight v)
{
    return (eight_ints){ vcvtnq_s32_f32(v.low), vcvtnq_s32_f32(v.high) };
}

#endif /* CLIPC_ARM_EIGHT_H */
