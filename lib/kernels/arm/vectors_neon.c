/* SPDX-License-Identifier: MIT
 *
 * vectors_neon.c - sums over stored vectors with NEON, eight floats or four
 * doubles in two registers. They have the bits of AVX2's.
 */
#include "kernels/arm/arm.h"

#include "kernels/arm/eight.h"

/* Four doubles. */
typedef struct quad {
    float64x2_t low, high;
} quad;

INLINE quad eight_setzero_pd(void)
{
    return (quad){ vdupq_n_f64(0.0), vdupq_n_f64(0.0) };
}

INLINE quad eight_add_pd(quad a, quad b)
{
    return (quad){ vaddq_f64(a.low, b.low), vaddq_f64(a.high, b.high) };
}

INLINE quad eight_fmadd_pd(quad a, quad b, quad c)
{
    return (quad){ vfmaq_f64(c.low, a.low, b.low),
                   vfmaq_f64(c.high, a.high, b.high) };
}

#define FLOATS eight
#define DOUBLES quad
#define V(op) eight_##op
enum { LANES = 8 };
#include "kernels/vectors_lanes.h"

/* Four numbers of 16 bits as f32. */
INLINE float32x4_t widen4(uint16x4_t half, const clipc_storage storage)
{
    return storage == CLIPC_STORE_F16
               ? vcvt_f32_f16(vreinterpret_f16_u16(half))
               : vreinterpretq_f32_u32(vshll_n_u16(half, 16));
}

INLINE eight load_floats(const void *p, const clipc_storage storage)
{
    const uint8_t *at = p; /* at any address */

    if (storage == CLIPC_STORE_F32)
        return eight_loadu_ps(p);
    if (storage == CLIPC_STORE_S8) {
        const int16x8_t v = vmovl_s8(vreinterpret_s8_u8(vld1_u8(at)));
        return (eight){ vcvtq_f32_s32(vmovl_s16(vget_low_s16(v))),
                        vcvtq_f32_s32(vmovl_s16(vget_high_s16(v))) };
    }
    const uint16x8_t half = vreinterpretq_u16_u8(vld1q_u8(at));
    return (eight){ widen4(vget_low_u16(half), storage),
                    widen4(vget_high_u16(half), storage) };
}

INLINE quad load_doubles(const void *p, const clipc_storage storage)
{
    const uint8_t *at = p;
    const float32x4_t v = storage == CLIPC_STORE_F32
                              ? vreinterpretq_f32_u8(vld1q_u8(at))
                              : widen4(vreinterpret_u16_u8(vld1_u8(at)),
                                       storage);

    return (quad){ vcvt_f64_f32(vget_low_f32(v)), vcvt_high_f64_f32(v) };
}

INLINE double sum_of_doubles(quad v)
{
    const float64x2_t sums = vaddq_f64(v.low, v.high);
    return vgetq_lane_f64(sums, 0) + vgetq_lane_f64(sums, 1);
}

INLINE double sum_squares_s8(const int8_t *x, size_t n)
{
    enum { STEP = 8, BLOCK = STEP << 14 }; /* 2^15 a lane: below 2^31 */
    int64_t total = 0;
    size_t i = 0;

    while (i + STEP <= n) {
        const size_t end = n - i > BLOCK ? i + BLOCK : n;
        int32x4_t sums = vdupq_n_s32(0);
        for (; i + STEP <= end; i += STEP) {
            const int8x8_t v = vld1_s8(x + i);
            sums = vpadalq_s16(sums, vmull_s8(v, v));
        }
        total += vaddlvq_s32(sums);
    }
    for (; i < n; i++)
        total += x[i] * x[i];
    return (double)total;
}

void clipc_vectors_init_neon(clipc_kernels *kernels)
{
    fill_vectors(kernels);
}
