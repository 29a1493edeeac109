/* SPDX-License-Identifier: MIT
 *
 * vectors_avx512.c - sums over stored vectors with AVX-512 F, BW, DQ and VL.
 */
#include "kernels/x86/x86.h"

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || \
    !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "compile this file with -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif
#include <immintrin.h>

#define FLOATS __m512
#define DOUBLES __m512d
#define V(op) _mm512_##op
enum { LANES = 16 };
#include "kernels/vectors_lanes.h"

INLINE __m512 load_floats(const void *p, const clipc_storage storage)
{
    switch (storage) {
    case CLIPC_STORE_F16: return _mm512_cvtph_ps(_mm256_loadu_si256(p));
    case CLIPC_STORE_S8:
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p)));
    default: return _mm512_loadu_ps(p);
    }
}

INLINE __m512d load_doubles(const void *p, const clipc_storage storage)
{
    switch (storage) {
    case CLIPC_STORE_F16:
        return _mm512_cvtps_pd(
            _mm256_maskz_cvtph_ps(0xFF, _mm_loadu_si128(p)));
    default: return _mm512_cvtps_pd(_mm256_loadu_ps(p));
    }
}

INLINE double sum_of_doubles(__m512d v)
{
    return _mm512_reduce_add_pd(v);
}

INLINE double sum_squares_s8(const int8_t *x, size_t n)
{
    enum { STEP = 32, BLOCK = STEP << 14 }; /* 2^15 a pair: below 2^31 */
    int64_t total = 0;
    size_t i = 0;

    while (i + STEP <= n) {
        const size_t end = n - i > BLOCK ? i + BLOCK : n;
        __m512i sums = _mm512_setzero_si512();
        for (; i + STEP <= end; i += STEP) {
            const __m512i v = _mm512_cvtepi8_epi16(
                _mm256_loadu_si256((const void *)(x + i)));
            sums = _mm512_add_epi32(sums, _mm512_madd_epi16(v, v));
        }
        total += _mm512_reduce_add_epi64(
            _mm512_add_epi64(_mm512_cvtepi32_epi64(
                                 _mm512_castsi512_si256(sums)),
                             _mm512_cvtepi32_epi64(
                                 _mm512_extracti64x4_epi64(sums, 1))));
    }
    for (; i < n; i++)
        total += x[i] * x[i];
    return (double)total;
}

void clipc_vectors_init_avx512(clipc_kernels *kernels)
{
    fill_vectors(kernels);
}
