/* SPDX-License-Identifier: MIT
 *
 * strips_neon.c - packing of weights with NEON, 4 rows at a time, and the
 * widening of packed halves. strips_lanes.h has the packing.
 */
#include "kernels/arm/arm.h"

#include <arm_neon.h>

#define FLOATS float32x4_t
#define INTS int32x4_t
enum { LANES = 4, MASKS_ARE_FREE = 0 };
#include "kernels/strips_lanes.h"

INLINE int32x4_t bits_of(float32x4_t x)
{
    return vreinterpretq_s32_f32(x);
}

INLINE void store_ints(void *to, int32x4_t v)
{
    vst1q_s32(to, v);
}

/* 16 bytes of a row, which has them. */
INLINE uint8x16_t load(const source *s, int row, size_t at)
{
    return vld1q_u8((const uint8_t *)s->rows[row] + at);
}

/* ---- numbers of a row -------------------------------------------------- */

/* Four numbers from element `at` on. */
INLINE float32x4_t four_numbers(const source *s, int row, clipc_storage from,
                                size_t at)
{
    if (from == CLIPC_STORE_F32)
        return vreinterpretq_f32_u8(load(s, row, at * 4));
    const uint16x4_t halves = vreinterpret_u16_u8(
        vld1_u8((const uint8_t *)s->rows[row] + at * 2));
    return from == CLIPC_STORE_F16
               ? vcvt_f32_f16(vreinterpret_f16_u16(halves))
               : vreinterpretq_f32_u32(vshll_n_u16(halves, 16));
}

INLINE void numbers(float32x4_t x[PARTS], const source *s, int row,
                    clipc_storage from, size_t at)
{
    UNROLL for (int i = 0; i < PARTS; i++)
        x[i] = four_numbers(s, row, from, at + 4 * (size_t)i);
}

INLINE int32x4_t halves_of(const source *s, int row, size_t at)
{
    return vreinterpretq_s32_u8(load(s, row, at * 2));
}

/* To nearest, ties to even, NaN kept. */
INLINE uint16x4_t narrow_bf16(float32x4_t x)
{
    const uint32x4_t bits = vreinterpretq_u32_f32(x);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7FFF)),
                                         odd);
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x00400000));
    return vshrn_n_u32(vbslq_u32(vceqq_f32(x, x), rounded, quiet), 16);
}

INLINE int32x4_t bf16_of(const source *s, int row, clipc_storage from,
                         size_t at)
{
    return vreinterpretq_s32_u16(
        vcombine_u16(narrow_bf16(four_numbers(s, row, from, at)),
                     narrow_bf16(four_numbers(s, row, from, at + 4))));
}

/* rne(x / scale) in [-127, 127]. */
INLINE int16x4_t quantise(float32x4_t x, float32x4_t scale)
{
    int32x4_t q = vcvtnq_s32_f32(vdivq_f32(x, scale));
    q = vmaxq_s32(q, vdupq_n_s32(-127));
    return vmovn_s32(vminq_s32(q, vdupq_n_s32(127)));
}

INLINE int32x4_t bytes_of(const source *s, int row, clipc_storage from,
                          size_t at)
{
    const float32x4_t scale = vdupq_n_f32(s->scale[row]);
    float32x4_t x[PARTS];

    numbers(x, s, row, from, at);
    const int16x8_t low = vcombine_s16(quantise(x[0], scale),
                                       quantise(x[1], scale));
    const int16x8_t high = vcombine_s16(quantise(x[2], scale),
                                        quantise(x[3], scale));
    return vreinterpretq_s32_s8(vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}

INLINE uint32x4_t larger_bits(uint32x4_t most, float32x4_t x)
{
    return vmaxq_u32(most, vandq_u32(vreinterpretq_u32_f32(x),
                                     vdupq_n_u32(0x7FFFFFFF)));
}

INLINE uint32_t largest_bits(const source *s, int row, clipc_storage from)
{
    const size_t element = clipc_storage_bytes(from);
    uint32x4_t most[PARTS];
    float32x4_t x[PARTS];
    size_t at = 0;

    if (!s->present[row])
        return 0;
    UNROLL for (int i = 0; i < PARTS; i++) most[i] = vdupq_n_u32(0);
    for (; at + 16 <= s->k; at += 16) {
        numbers(x, s, row, from, at);
        UNROLL for (int i = 0; i < PARTS; i++)
            most[i] = larger_bits(most[i], x[i]);
    }
    if (at < s->k) {
        char part[64] = { 0 };
        source end;
        memcpy(part, s->rows[row] + at * element, (s->k - at) * element);
        end.rows[row] = part;
        numbers(x, &end, row, from, 0);
        UNROLL for (int i = 0; i < PARTS; i++)
            most[i] = larger_bits(most[i], x[i]);
    }
    return vmaxvq_u32(
        vmaxq_u32(vmaxq_u32(most[0], most[1]), vmaxq_u32(most[2], most[3])));
}

/* ---- a square and its lines -------------------------------------------- */

INLINE int64x2_t pairs_of(int32x4_t v)
{
    return vreinterpretq_s64_s32(v);
}

INLINE void transpose(int32x4_t r[LANES])
{
    const int32x4_t a = vtrn1q_s32(r[0], r[1]), b = vtrn2q_s32(r[0], r[1]);
    const int32x4_t c = vtrn1q_s32(r[2], r[3]), d = vtrn2q_s32(r[2], r[3]);

    r[0] = vreinterpretq_s32_s64(vtrn1q_s64(pairs_of(a), pairs_of(c)));
    r[1] = vreinterpretq_s32_s64(vtrn1q_s64(pairs_of(b), pairs_of(d)));
    r[2] = vreinterpretq_s32_s64(vtrn2q_s64(pairs_of(a), pairs_of(c)));
    r[3] = vreinterpretq_s32_s64(vtrn2q_s64(pairs_of(b), pairs_of(d)));
}

INLINE int32x4_t add_columns(int32x4_t sums, int32x4_t bytes)
{
    const int16x8_t two = vpaddlq_s8(vreinterpretq_s8_s32(bytes));
    return vaddq_s32(sums, vshlq_n_s32(vpaddlq_s16(two), 7));
}

/* ---- widening ---------------------------------------------------------- */

static void widen_strip(float *out, const uint16_t *strip,
                        clipc_storage storage, size_t k)
{
    for (size_t at = 0; at < k; at += 2, strip += 32, out += 2 * COLUMNS)
        UNROLL for (int i = 0; i < PARTS; i++)
        {
            const uint16x8_t pairs = vld1q_u16(strip + i * 8);
            float32x4_t even, odd;
            if (storage == CLIPC_STORE_F16) {
                const uint16x8_t parted =
                    vcombine_u16(vmovn_u32(vreinterpretq_u32_u16(pairs)),
                                 vshrn_n_u32(vreinterpretq_u32_u16(pairs),
                                             16));
                const float16x8_t both = vreinterpretq_f16_u16(parted);
                even = vcvt_f32_f16(vget_low_f16(both));
                odd = vcvt_high_f32_f16(both);
            } else {
                const uint32x4_t both = vreinterpretq_u32_u16(pairs);
                even = vreinterpretq_f32_u32(vshlq_n_u32(both, 16));
                odd = vreinterpretq_f32_u32(
                    vandq_u32(both, vdupq_n_u32(0xFFFF0000u)));
            }
            vst1q_f32(out + i * 4, even);
            if (at + 1 < k)
                vst1q_f32(out + COLUMNS + i * 4, odd);
        }
}

void clipc_strips_init_neon(clipc_kernels *kernels)
{
    fill_table(kernels);
}
