/* SPDX-License-Identifier: MIT
 *
 * sums.h - the lanes of a vector and of eight vectors, added in one order in
 * every file. A file that includes this header has defined FLOATS and V
 * (rows_lanes.h).
 */
#ifndef CLIPC_SUMS_H
#define CLIPC_SUMS_H

#include "kernels/inline.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
INLINE float sum_of(__m512 v)
{
    return _mm512_reduce_add_ps(v);
}
#elif defined(__x86_64__)
INLINE float sum_of(__m256 v)
{
    __m128 m = _mm_add_ps(_mm256_castps256_ps128(v),
                          _mm256_extractf128_ps(v, 1));
    m = _mm_add_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_add_ss(m, _mm_movehdup_ps(m)));
}
#else
INLINE float sum_of(FLOATS v) /* of NEON: two registers, arm/eight.h */
{
    const float32x4_t four = vaddq_f32(v.low, v.high);
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
#endif

INLINE float sum8(const FLOATS *v)
{
    const FLOATS low = V(add_ps)(V(add_ps)(v[0], v[1]), V(add_ps)(v[2], v[3]));
    const FLOATS high = V(add_ps)(V(add_ps)(v[4], v[5]),
                                  V(add_ps)(v[6], v[7]));
    return sum_of(V(add_ps)(low, high));
}

INLINE void zero8(FLOATS *v)
{
    UNROLL
    for (int k = 0; k < 8; k++)
        v[k] = V(setzero_ps)();
}

#endif /* CLIPC_SUMS_H */
