/* SPDX-License-Identifier: MIT
 *
 * strips_avx2.c - packing of weights with AVX2, and the widening of packed
 * halves. Of every format, 32 bytes of each of 8 rows, in the type of the
 * strip, are an 8x8 matrix of 4 bytes, whose transpose is one half of 8
 * k-steps; the other 8 rows give the other half.
 */
#if !defined(__AVX2__) || !defined(__F16C__)
#error "compile this file with -mavx2 -mf16c"
#endif
#include "kernels/x86/x86.h"
#include "kernels/inline.h"

#include <immintrin.h>
#include <string.h>

enum {
    COLUMNS = CLIPC_STRIP_COLUMNS,
    LINE = CLIPC_STRIP_BYTES,
    STEPS = 8, /* k-steps of a block */
    AHEAD = 768 /* bytes of a row */
};

/* Rows and how many of them there are; absent ones are never read. */
typedef struct source {
    const char *rows[COLUMNS];
    size_t n_rows, row_bytes;
} source;

static source open_rows(const void *const *rows, size_t n_rows, size_t k,
                        size_t element)
{
    source s = { .n_rows = n_rows, .row_bytes = k * element };

    for (size_t i = 0; i < COLUMNS; i++)
        s.rows[i] = rows[i < n_rows ? i : 0];
    return s;
}

/* The line that a row needs soon: of its own, or of the row that is its
 * successor in the next strip, where they lie in one tensor. Nothing need be
 * there. */
INLINE void prefetch(const source *s, int row, size_t at)
{
    size_t soon = at + AHEAD;

    if (soon >= s->row_bytes)
        soon += (COLUMNS - 1) * s->row_bytes;
    _mm_prefetch(s->rows[row] + soon, _MM_HINT_T0);
}

/* 32 bytes of a row from byte `at` on, zeros where there are none. */
INLINE __m256i bytes_of(const source *s, int row, size_t at)
{
    char part[32] = { 0 };

    if ((size_t)row < s->n_rows && at + sizeof part <= s->row_bytes)
        return _mm256_loadu_si256(
            (const __m256i *)(const void *)(s->rows[row] + at));
    if ((size_t)row < s->n_rows && at < s->row_bytes)
        memcpy(part, s->rows[row] + at, s->row_bytes - at);
    return _mm256_loadu_si256((const __m256i *)(const void *)part);
}

/* ---- numbers of a row -------------------------------------------------- */

/* 16 numbers from element `at` on. */
INLINE void numbers(__m256 x[2], const source *s, int row,
                    clipc_storage storage, size_t at)
{
    if (storage == CLIPC_STORE_F32) {
        x[0] = _mm256_castsi256_ps(bytes_of(s, row, at * 4));
        x[1] = _mm256_castsi256_ps(bytes_of(s, row, at * 4 + 32));
        return;
    }
    __m256i halves = bytes_of(s, row, at * 2);
    __m128i low = _mm256_castsi256_si128(halves);
    __m128i high = _mm256_extracti128_si256(halves, 1);
    if (storage == CLIPC_STORE_F16) {
        x[0] = _mm256_cvtph_ps(low);
        x[1] = _mm256_cvtph_ps(high);
    } else {
        x[0] = _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(low), 16));
        x[1] = _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(high), 16));
    }
}

/* To nearest, ties to even, NaN kept; 8 lanes of 32 bits. */
INLINE __m256i narrow_bf16(__m256 x)
{
    const __m256i bits = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16),
                                   _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(
        _mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
}

/* rne(x / scale) in [-127, 127], 8 lanes of 32 bits. */
INLINE __m256i quantise(__m256 x, __m256 scale)
{
    __m256i q = _mm256_cvtps_epi32(_mm256_div_ps(x, scale));
    q = _mm256_max_epi32(q, _mm256_set1_epi32(-127));
    return _mm256_min_epi32(q, _mm256_set1_epi32(127));
}

/* ---- transposition ----------------------------------------------------- */

INLINE void transpose(__m256i r[STEPS])
{
    __m256i t[STEPS], u[STEPS];

    UNROLL for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    UNROLL for (int i = 0; i < 8; i += 4) {
        u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
        r[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
    }
}

/* The first n of 8 half lines. */
INLINE void store_halves(char *to, const __m256i halves[STEPS], size_t n)
{
    UNROLL for (int i = 0; i < STEPS; i++)
        if ((size_t)i < n)
            _mm256_storeu_si256((__m256i *)(void *)(to + i * LINE),
                                halves[i]);
}

/* ---- f32 --------------------------------------------------------------- */

/* storage is a constant where this is inlined; so it is below. */
INLINE void pack_f32_of(float *strip, const source *s, clipc_storage storage,
                        size_t k)
{
    const size_t element = storage == CLIPC_STORE_F32 ? 4 : 2;
    __m256i low[STEPS], high[STEPS];

    for (size_t at = 0; at < k; at += 16)
        UNROLL for (int half = 0; half < COLUMNS; half += 8) {
            char *to = (char *)(strip + at * COLUMNS + half);
            UNROLL for (int i = 0; i < 8; i++) {
                __m256 x[2];
                numbers(x, s, half + i, storage, at);
                low[i] = _mm256_castps_si256(x[0]);
                high[i] = _mm256_castps_si256(x[1]);
                if (storage == CLIPC_STORE_F32 || at % 32 == 0)
                    prefetch(s, half + i, at * element);
            }
            transpose(low);
            store_halves(to, low, k - at);
            transpose(high);
            store_halves(to + STEPS * LINE, high, k - at < 8 ? 0 : k - at - 8);
        }
}

static void pack_f32(float *strip, const void *const *rows,
                     clipc_storage storage, size_t n_rows, size_t k)
{
    source s = open_rows(rows, n_rows, k, storage == CLIPC_STORE_F32 ? 4 : 2);

    if (storage == CLIPC_STORE_F32)
        pack_f32_of(strip, &s, CLIPC_STORE_F32, k);
    else if (storage == CLIPC_STORE_F16)
        pack_f32_of(strip, &s, CLIPC_STORE_F16, k);
    else
        pack_f32_of(strip, &s, CLIPC_STORE_BF16, k);
}

/* ---- halves ------------------------------------------------------------ */

static void pack_halves(uint16_t *strip, const source *s, size_t k)
{
    __m256i lines[STEPS];
    const size_t end = (k + 31) / 32 * 32;

    for (size_t at = 0; at < end; at += 16)
        UNROLL for (int half = 0; half < COLUMNS; half += 8) {
            UNROLL for (int i = 0; i < 8; i++) {
                lines[i] = bytes_of(s, half + i, at * 2);
                if (at % 32 == 0)
                    prefetch(s, half + i, at * 2);
            }
            transpose(lines);
            store_halves((char *)(strip + at * COLUMNS + half * 2), lines,
                         STEPS);
        }
}

INLINE void pack_bf16_of(uint16_t *strip, const source *s,
                         clipc_storage storage, size_t k)
{
    const size_t element = storage == CLIPC_STORE_F32 ? 4 : 2;
    const size_t end = (k + 31) / 32 * 32;
    __m256i lines[STEPS];

    for (size_t at = 0; at < end; at += 16)
        UNROLL for (int half = 0; half < COLUMNS; half += 8) {
            UNROLL for (int i = 0; i < 8; i++) {
                __m256 x[2];
                numbers(x, s, half + i, storage, at);
                lines[i] = _mm256_permute4x64_epi64(
                    _mm256_packus_epi32(narrow_bf16(x[0]), narrow_bf16(x[1])),
                    0xD8);
                prefetch(s, half + i, at * element);
            }
            transpose(lines);
            store_halves((char *)(strip + at * COLUMNS + half * 2), lines,
                         STEPS);
        }
}

static void pack_bf16(uint16_t *strip, const void *const *rows,
                      clipc_storage storage, size_t n_rows, size_t k)
{
    source s = open_rows(rows, n_rows, k, storage == CLIPC_STORE_F32 ? 4 : 2);

    if (storage == CLIPC_STORE_F32)
        pack_bf16_of(strip, &s, CLIPC_STORE_F32, k);
    else if (storage == CLIPC_STORE_F16)
        pack_bf16_of(strip, &s, CLIPC_STORE_F16, k);
    else
        pack_halves(strip, &s, k);
}

static void pack_f16(uint16_t *strip, const uint16_t *const *rows,
                     size_t n_rows, size_t k)
{
    source s = open_rows((const void *const *)rows, n_rows, k, 2);

    pack_halves(strip, &s, k);
}

/* ---- bytes ------------------------------------------------------------- */

/* Bits of |x| grow with |x|; infinity and NaN are above all numbers. */
INLINE uint32_t largest_bits(const source *s, int row, clipc_storage storage,
                             size_t k)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
    __m256i most[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
    uint32_t lanes[8], largest = 0;

    for (size_t at = 0; at < k; at += 16) {
        __m256 x[2];
        numbers(x, s, row, storage, at);
        UNROLL for (int j = 0; j < 2; j++)
            most[j] = _mm256_max_epu32(
                most[j],
                _mm256_and_si256(_mm256_castps_si256(x[j]), magnitude));
    }
    _mm256_storeu_si256((__m256i *)(void *)lanes,
                        _mm256_max_epu32(most[0], most[1]));
    for (int i = 0; i < 8; i++)
        largest = lanes[i] > largest ? lanes[i] : largest;
    return largest;
}

/* 32 weights of a row as bytes. */
INLINE __m256i quantised(const source *s, int row, clipc_storage storage,
                         size_t at, float row_scale)
{
    const __m256 scale = _mm256_set1_ps(row_scale);
    __m256 x[4];

    numbers(x, s, row, storage, at);
    numbers(x + 2, s, row, storage, at + 16);
    __m256i low = _mm256_packs_epi32(quantise(x[0], scale),
                                     quantise(x[1], scale));
    __m256i high = _mm256_packs_epi32(quantise(x[2], scale),
                                      quantise(x[3], scale));
    return _mm256_permutevar8x32_epi32(
        _mm256_packs_epi16(low, high),
        _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* 128 times the sums of four bytes: 64 times two of them fits 16 bits. */
INLINE __m256i add_columns(__m256i sums, __m256i half_line)
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(64), half_line);
    return _mm256_add_epi32(sums,
                            _mm256_madd_epi16(pairs, _mm256_set1_epi16(2)));
}

INLINE void pack_s8_of(int8_t *strip, float *scales, int32_t *sums, source *s,
                       clipc_storage storage, size_t k)
{
    const size_t end = (k + 63) / 64 * 64;
    __m256i total[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
    bool finite[COLUMNS];
    __m256i lines[STEPS];

    for (int i = 0; i < COLUMNS; i++) {
        uint32_t bits = largest_bits(s, i, storage, k);
        float largest;
        finite[i] = bits < 0x7F800000u;
        memcpy(&largest, &bits, sizeof largest);
        scales[i] = finite[i] ? largest / 127.0f : 1.0f;
        if (scales[i] == 0.0f)
            scales[i] = 1.0f;
    }
    for (size_t at = 0; at < end; at += 32)
        UNROLL for (int half = 0; half < 2; half++) {
            UNROLL for (int i = 0; i < 8; i++) {
                int row = half * 8 + i;
                lines[i] = finite[row]
                               ? quantised(s, row, storage, at, scales[row])
                               : _mm256_setzero_si256();
            }
            transpose(lines);
            store_halves((char *)strip + at * COLUMNS + half * 32, lines,
                         STEPS);
            UNROLL for (int i = 0; i < STEPS; i++)
                total[half] = add_columns(total[half], lines[i]);
        }
    for (int half = 0; half < 2; half++)
        _mm256_storeu_si256((__m256i *)(void *)(sums + half * 8), total[half]);
    for (int i = 0; i < COLUMNS; i++)
        if (!finite[i])
            scales[i] = __builtin_nanf("");
}

static void pack_s8(int8_t *strip, float *scale, int32_t *sums,
                    const void *const *rows, clipc_storage storage,
                    size_t n_rows, size_t k)
{
    source s = open_rows(rows, n_rows, k, storage == CLIPC_STORE_F32 ? 4 : 2);

    if (storage == CLIPC_STORE_F32)
        pack_s8_of(strip, scale, sums, &s, CLIPC_STORE_F32, k);
    else if (storage == CLIPC_STORE_F16)
        pack_s8_of(strip, scale, sums, &s, CLIPC_STORE_F16, k);
    else
        pack_s8_of(strip, scale, sums, &s, CLIPC_STORE_BF16, k);
}

/* ---- widening ---------------------------------------------------------- */

static void widen_strip(float *out, const uint16_t *strip,
                        clipc_storage storage, size_t k)
{
    const __m256i order = _mm256_setr_epi8(
        0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,
        0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    const __m256i upper = _mm256_set1_epi32((int)0xFFFF0000);

    for (size_t at = 0; at < k; at += 2, strip += 32, out += 2 * COLUMNS)
        UNROLL for (int half = 0; half < 2; half++) {
            __m256i pairs = _mm256_loadu_si256(
                (const __m256i *)(const void *)(strip + half * 16));
            __m256 even, odd;
            if (storage == CLIPC_STORE_F16) {
                pairs = _mm256_permute4x64_epi64(
                    _mm256_shuffle_epi8(pairs, order), 0xD8);
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
    kernels->pack_f32 = pack_f32;
    kernels->pack_bf16 = pack_bf16;
    kernels->pack_f16 = pack_f16;
    kernels->pack_s8 = pack_s8;
    kernels->widen_strip = widen_strip;
}
