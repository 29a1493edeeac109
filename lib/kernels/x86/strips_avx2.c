/* SPDX-License-Identifier: MIT
 *
 * strips_avx2.c - packing of weights with AVX2, 8 rows at a time, and the
 * widening of packed halves. strips_lanes.h has the packing.
 */
#if !defined(__AVX2__) || !defined(__F16C__)
#error "compile this file with -mavx2 -mf16c"
#endif
#include "kernels/x86/x86.h"

#include <immintrin.h>

#define FLOATS __m256
#define INTS __m256i
enum { LANES = 8, MASKS_ARE_FREE = 0 };
#include "kernels/strips_lanes.h"

INLINE __m256i bits_of(__m256 x)
{
    return _mm256_castps_si256(x);
}

INLINE void store_ints(void *to, __m256i v)
{
    _mm256_storeu_si256(to, v);
}

/* 32 bytes of a row, which has them. */
INLINE __m256i load(const source *s, int row, size_t at)
{
    return _mm256_loadu_si256((const void *)(s->rows[row] + at));
}

/* ---- numbers of a row -------------------------------------------------- */

INLINE void numbers(__m256 x[PARTS], const source *s, int row,
                    clipc_storage from, size_t at)
{
    if (from == CLIPC_STORE_F32) {
        x[0] = _mm256_castsi256_ps(load(s, row, at * 4));
        x[1] = _mm256_castsi256_ps(load(s, row, at * 4 + 32));
        return;
    }
    __m256i halves = load(s, row, at * 2);
    __m128i low = _mm256_castsi256_si128(halves);
    __m128i high = _mm256_extracti128_si256(halves, 1);
    if (from == CLIPC_STORE_F16) {
        x[0] = _mm256_cvtph_ps(low);
        x[1] = _mm256_cvtph_ps(high);
    } else {
        x[0] = _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(low), 16));
        x[1] = _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(high), 16));
    }
}

INLINE __m256i halves_of(const source *s, int row, size_t at)
{
    return load(s, row, at * 2);
}

/* To nearest, ties to even, NaN kept; 8 lanes of 32 bits. */
INLINE __m256i narrow_bf16(__m256 x)
{
    const __m256i bits = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16),
                                   _mm256_set1_epi32(1));
    __m256i rounded =
        _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)),
                         odd);
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
}

INLINE __m256i bf16_of(const source *s, int row, clipc_storage from, size_t at)
{
    __m256 x[PARTS];

    numbers(x, s, row, from, at);
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(narrow_bf16(x[0]),
                                                        narrow_bf16(x[1])),
                                    0xD8);
}

/* rne(x / scale) in [-127, 127], 8 lanes of 32 bits. */
INLINE __m256i quantise(__m256 x, __m256 scale)
{
    __m256i q = _mm256_cvtps_epi32(_mm256_div_ps(x, scale));
    q = _mm256_max_epi32(q, _mm256_set1_epi32(-127));
    return _mm256_min_epi32(q, _mm256_set1_epi32(127));
}

INLINE __m256i bytes_of(const source *s, int row, clipc_storage from,
                        size_t at)
{
    const __m256 scale = _mm256_set1_ps(s->scale[row]);
    __m256 x[4];

    numbers(x, s, row, from, at);
    numbers(x + 2, s, row, from, at + 16);
    __m256i low = _mm256_packs_epi32(quantise(x[0], scale),
                                     quantise(x[1], scale));
    __m256i high = _mm256_packs_epi32(quantise(x[2], scale),
                                      quantise(x[3], scale));
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high),
                                       _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3,
                                                         7));
}

/* 16 numbers of a row, and the largest magnitudes so far. */
INLINE void add_largest(__m256i most[2], const source *s, int row,
                        clipc_storage from, size_t at)
{
    __m256 x[2];

    numbers(x, s, row, from, at);
    UNROLL for (int j = 0; j < 2; j++) most[j] =
        _mm256_max_epu32(most[j],
                         _mm256_and_si256(_mm256_castps_si256(x[j]),
                                          _mm256_set1_epi32(0x7FFFFFFF)));
}

INLINE uint32_t largest_bits(const source *s, int row, clipc_storage from)
{
    const size_t element = clipc_storage_bytes(from);
    __m256i most[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
    uint32_t lanes[8], largest = 0;
    size_t at = 0;

    if (!s->present[row])
        return 0;
    for (; at + 16 <= s->k; at += 16)
        add_largest(most, s, row, from, at);
    if (at < s->k) {
        char part[64] = { 0 };
        source end;
        memcpy(part, s->rows[row] + at * element, (s->k - at) * element);
        end.rows[row] = part;
        add_largest(most, &end, row, from, 0);
    }
    _mm256_storeu_si256((__m256i *)(void *)lanes,
                        _mm256_max_epu32(most[0], most[1]));
    for (int i = 0; i < 8; i++)
        largest = lanes[i] > largest ? lanes[i] : largest;
    return largest;
}

/* ---- a square and its lines -------------------------------------------- */

INLINE void transpose(__m256i r[LANES])
{
    __m256i t[LANES], u[LANES];

    UNROLL for (int i = 0; i < 8; i += 2)
    {
        t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    UNROLL for (int i = 0; i < 8; i += 4)
    {
        u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        r[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
        r[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
    }
}

/* 64 times the sum of two bytes fits 16 bits. */
INLINE __m256i add_columns(__m256i sums, __m256i bytes)
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(64), bytes);
    return _mm256_add_epi32(sums,
                            _mm256_madd_epi16(pairs, _mm256_set1_epi16(2)));
}

/* ---- widening ---------------------------------------------------------- */

static void widen_strip(float *out, const uint16_t *strip,
                        clipc_storage storage, size_t k)
{
    const __m256i order = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6,
                                           7, 10, 11, 14, 15, 0, 1, 4, 5, 8, 9,
                                           12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    const __m256i upper = _mm256_set1_epi32((int)0xFFFF0000);

    for (size_t at = 0; at < k; at += 2, strip += 32, out += 2 * COLUMNS)
        UNROLL for (int half = 0; half < 2; half++)
        {
            __m256i pairs = _mm256_loadu_si256(
                (const __m256i *)(const void *)(strip + half * 16));
            __m256 even, odd;
            if (storage == CLIPC_STORE_F16) {
                pairs = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(pairs,
                                                                     order),
                                                 0xD8);
                even = _mm256_cvtph_ps(_mm256_castsi256_si128(pairs));
                odd = _mm256_cvtph_ps(_mm256_extracti128_si256(pairs, 1));
            } else {
                even = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
                odd = _mm256_castsi256_ps(_mm256_and_si256(pairs, upper));
            }
            _mm256_storeu_ps(out + half * 8, even);
            if (at + 1 < k)
                _mm256_storeu_ps(out + COLUMNS + half * 8, odd);
        }
}

void clipc_strips_init_avx2(clipc_kernels *kernels)
{
    fill_table(kernels);
}
