/* SPDX-License-Identifier: MIT
 *
 * rows_avx2.c - rows of activations and the finish of a product, with AVX2,
 * FMA and F16C. rows_eight.h has the arithmetic.
 *
 * Masked loads and stores cut the end of a row; masked elements are neither
 * read nor written.
 */
#include "kernels/x86/x86.h"

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "compile this file with -mavx2 -mfma -mf16c"
#endif
#include <immintrin.h>

#define FLOATS __m256
#define INTS __m256i
#define MASK __m256i
#define V(op) _mm256_##op
#include "kernels/rows_eight.h"

INLINE __m256i first(size_t n)
{
    static const int32_t ones_then_zeros[2 * LANES] = { -1, -1, -1, -1,
                                                        -1, -1, -1, -1 };
    const size_t skip = n < LANES ? LANES - n : 0;
    return _mm256_loadu_si256((const void *)(ones_then_zeros + skip));
}

INLINE __m256 load_first(const void *p, const __m256i mask)
{
    return _mm256_maskload_ps(p, mask);
}

INLINE void store_first(void *p, __m256 v, const __m256i mask)
{
    _mm256_maskstore_ps(p, mask, v);
}

INLINE __m256 lanes_of(const __m256i mask)
{
    return _mm256_castsi256_ps(mask);
}

INLINE __m256 is_nan(__m256 v)
{
    return _mm256_cmp_ps(v, v, _CMP_UNORD_Q);
}

INLINE float max_of(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v),
                          _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

INLINE int32_t highest_of(__m256i v)
{
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v),
                              _mm256_extracti128_si256(v, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4E));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xB1));
    return _mm_cvtsi128_si32(m);
}

INLINE void store_halves(uint16_t *out, __m256i v)
{
    _mm_storeu_si128((void *)out,
                     _mm_packus_epi32(_mm256_castsi256_si128(v),
                                      _mm256_extracti128_si256(v, 1)));
}

INLINE void store_bytes(char *out, const __m256i v[4], const int offset)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]),
                                             _mm256_packs_epi32(v[2], v[3]));
    _mm256_storeu_si256((void *)out,
                        _mm256_xor_si256(_mm256_permutevar8x32_epi32(bytes,
                                                                     order),
                                         _mm256_set1_epi8((char)offset)));
}

INLINE __m256 widen8(const uint16_t *in, const bool is_f16)
{
    const __m128i half = _mm_loadu_si128((const void *)in);
    return is_f16 ? _mm256_cvtph_ps(half)
                  : _mm256_castsi256_ps(
                        _mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

void clipc_rows_init_avx2(clipc_kernels *kernels)
{
    kernels->name = "avx2";
    fill_table(kernels);
}
