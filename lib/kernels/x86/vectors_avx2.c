/* SPDX-License-Identifier: MIT
 *
 * vectors_avx2.c - sums over stored vectors with AVX2, FMA and F16C.
 */
#include "kernels/x86/x86.h"

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "compile this file with -mavx2 -mfma -mf16c"
#endif
#include <immintrin.h>

#define FLOATS __m256
#define DOUBLES __m256d
#define V(op) _mm256_##op
enum { LANES = 8 };
#include "kernels/vectors_lanes.h"

INLINE __m256 load_floats(const void *p, const clipc_storage storage)
{
    switch (storage) {
    case CLIPC_STORE_F16: return _mm256_cvtph_ps(_mm_loadu_si128(p));
    case CLIPC_STORE_S8:
        return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p)));
    default: return _mm256_loadu_ps(p);
    }
}

INLINE __m256d load_doubles(const void *p, const clipc_storage storage)
{
    switch (storage) {
    case CLIPC_STORE_F16:
        return _mm256_cvtps_pd(_mm_cvtph_ps(_mm_loadl_epi64(p)));
    default: return _mm256_cvtps_pd(_mm_loadu_ps(p));
    }
}

INLINE double sum_of_doubles(__m256d v)
{
    const __m128d sums = _mm_add_pd(_mm256_castpd256_pd128(v),
                                    _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(sums, _mm_unpackhi_pd(sums, sums)));
}

INLINE double sum_squares_s8(const int8_t *x, size_t n)
{
    enum { STEP = 16, BLOCK = STEP << 14 }; /* 2^15 a pair: below 2^31 */
    int64_t total = 0;
    size_t i = 0;

    while (i + STEP <= n) {
        const size_t end = n - i > BLOCK ? i + BLOCK : n;
        int32_t lanes[LANES];
        __m256i sums = _mm256_setzero_si256();
        for (; i + STEP <= end; i += STEP) {
            const __m256i v = _mm256_cvtepi8_epi16(
                _mm_loadu_si128((const void *)(x + i)));
            sums = _mm256_add_epi32(sums, _mm256_madd_epi16(v, v));
        }
        _mm256_storeu_si256((void *)lanes, sums);
        for (int k = 0; k < LANES; k++)
            total += lanes[k];
    }
    for (; i < n; i++)
        total += x[i] * x[i];
    return (double)total;
}

void clipc_vectors_init_avx2(clipc_kernels *kernels)
{
    fill_vectors(kernels);
}
