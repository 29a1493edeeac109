/* SPDX-License-Identifier: MIT
 *
 * rows_neon.c - rows of activations and the finish of a product, with NEON.
 * rows_eight.h has the arithmetic, and gives the bits that AVX2 gives.
 */
#include "kernels/arm/arm.h"

#include "kernels/arm/eight.h"

#define FLOATS eight
#define INTS eight_ints
#define MASK size_t /* how many of the first lanes */
#define V(op) eight_##op
#include "kernels/rows_eight.h"

INLINE size_t first(size_t n)
{
    return n < LANES ? n : LANES;
}

INLINE eight load_first(const void *p, const size_t n)
{
    float all[LANES] = { 0 };

    if (n >= LANES)
        return eight_loadu_ps(p);
    memcpy(all, p, n * sizeof *all);
    return eight_loadu_ps(all);
}

INLINE void store_first(void *p, eight v, const size_t n)
{
    float all[LANES];

    eight_storeu_ps(all, v);
    memcpy(p, all, n * sizeof *all);
}

INLINE eight lanes_of(const size_t n)
{
    static const int32_t ones_then_zeros[2 * LANES] = { -1, -1, -1, -1,
                                                        -1, -1, -1, -1 };
    return eight_loadu_ps(ones_then_zeros + LANES - n);
}

INLINE eight is_nan(eight v)
{
    const uint32x4_t low = vceqq_f32(v.low, v.low);
    const uint32x4_t high = vceqq_f32(v.high, v.high);
    return (eight){ vreinterpretq_f32_u32(vmvnq_u32(low)),
                    vreinterpretq_f32_u32(vmvnq_u32(high)) };
}

INLINE float max_of(eight v)
{
    const float32x4_t four = greatest_of(v.low, v.high);
    const float32x4_t two = greatest_of(four, vextq_f32(four, four, 2));
    const float a = vgetq_lane_f32(two, 0), b = vgetq_lane_f32(two, 1);
    return a > b ? a : b;
}

INLINE int32_t highest_of(eight_ints v)
{
    return vmaxvq_s32(vmaxq_s32(v.low, v.high));
}

INLINE void store_halves(uint16_t *out, eight_ints v)
{
    vst1q_u16(out, vcombine_u16(vmovn_u32(vreinterpretq_u32_s32(v.low)),
                                vmovn_u32(vreinterpretq_u32_s32(v.high))));
}

INLINE int16x8_t narrow(eight_ints v)
{
    return vcombine_s16(vqmovn_s32(v.low), vqmovn_s32(v.high));
}

INLINE void store_bytes(char *out, const eight_ints v[4], const int offset)
{
    const int8x16_t flip = vdupq_n_s8((int8_t)offset);
    int8_t *at = (int8_t *)out;

    UNROLL
    for (int i = 0; i < 2; i++) {
        const int8x16_t bytes = vcombine_s8(vqmovn_s16(narrow(v[2 * i])),
                                            vqmovn_s16(narrow(v[2 * i + 1])));
        vst1q_s8(at + 16 * i, veorq_s8(bytes, flip));
    }
}

INLINE eight widen8(const uint16_t *in, const bool is_f16)
{
    const uint16x8_t half = vld1q_u16(in);
    const uint16x4_t low = vget_low_u16(half), high = vget_high_u16(half);

    if (is_f16)
        return (eight){ vcvt_f32_f16(vreinterpret_f16_u16(low)),
                        vcvt_f32_f16(vreinterpret_f16_u16(high)) };
    return (eight){ vreinterpretq_f32_u32(vshll_n_u16(low, 16)),
                    vreinterpretq_f32_u32(vshll_n_u16(high, 16)) };
}

void clipc_rows_init_neon(clipc_kernels *kernels)
{
    kernels->name = "neon";
    fill_table(kernels);
}
