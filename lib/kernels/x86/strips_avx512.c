/* SPDX-License-Identifier: MIT
 *
 * strips_avx512.c - packing of weights with AVX-512, and the widening of packed
 * halves. Of every format, 64 bytes of each of 16 rows, in the type of the
 * strip, are a 16x16 matrix of 4 bytes, and its transpose is 16 k-steps.
 *
 * One-shot programs pack on the fly from a mapped file: what counts is that
 * memory is never waited for, hence the prefetches.
 */
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__)
#error "compile this file with -mavx512f -mavx512bw -mavx512dq"
#endif
#include "kernels/x86/x86.h"
#include "kernels/inline.h"

#include <immintrin.h>

enum {
    COLUMNS = CLIPC_STRIP_COLUMNS,
    LINE = CLIPC_STRIP_BYTES,
    AHEAD = 768 /* bytes of a row */
};

/* Rows and how many of them there are; absent ones are never read. */
typedef struct source {
    const char *rows[COLUMNS];
    __mmask64 present[COLUMNS]; /* all ones or zeros */
    size_t row_bytes, next_rows; /* bytes to the same row of the next strip */
} source;

static source open_rows(const void *const *rows, size_t n_rows, size_t k,
                        size_t element)
{
    source s = { .row_bytes = k * element };

    for (size_t i = 0; i < COLUMNS; i++) {
        s.rows[i] = rows[i < n_rows ? i : 0];
        s.present[i] = i < n_rows ? ~(__mmask64)0 : 0;
    }
    s.next_rows = COLUMNS * s.row_bytes; /* where they lie in one tensor */
    return s;
}

/* The line that row `row` needs soon: of its own, or of the row that is its
 * successor in the next strip. Nothing need be there. */
INLINE void prefetch(const source *s, int row, size_t at)
{
    size_t soon = at + AHEAD;

    if (soon >= s->row_bytes)
        soon += s->next_rows - s->row_bytes;
    _mm_prefetch(s->rows[row] + soon, _MM_HINT_T0);
}

/* ---- numbers of a row -------------------------------------------------- */

/* The first n of 16 or 32 elements: a mask. */
INLINE __mmask32 first(size_t n, size_t most)
{
    return (__mmask32)(((uint64_t)1 << (n < most ? n : most)) - 1);
}

/* 16 numbers from element `at` of k on, zeros behind the end. */
INLINE __m512 numbers(const source *s, int row, clipc_storage storage,
                      size_t at, size_t k)
{
    __mmask16 mask = at >= k ? 0 : (__mmask16)(first(k - at, 16) &
                                               s->present[row]);
    const char *p = s->rows[row];

    if (storage == CLIPC_STORE_F32)
        return _mm512_maskz_loadu_ps(mask, p + at * 4);
    __m256i halves = _mm512_castsi512_si256(
        _mm512_maskz_loadu_epi16((__mmask32)mask, p + at * 2));
    if (storage == CLIPC_STORE_F16)
        return _mm512_cvtph_ps(halves);
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

/* 32 halves as they are. */
INLINE __m512i halves_of(const source *s, int row, size_t at, size_t k)
{
    __mmask32 mask = at >= k ? 0 : (__mmask32)(first(k - at, 32) &
                                               s->present[row]);
    return _mm512_maskz_loadu_epi16(mask, s->rows[row] + at * 2);
}

/* To nearest, ties to even, NaN kept. (The instruction for it would flush
 * subnormal numbers.) */
INLINE __m256i narrow_bf16(__m512 x)
{
    const __m512i bits = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16),
                                   _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(
        _mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, nan, bits,
                                   _mm512_set1_epi32(0x00400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}

/* rne(x / scale) in [-127, 127]. The product with 1 / scale is within 3e-5 of
 * the quotient: it rounds alike unless it is that near to a tie, or not a
 * number because scale is subnormal. */
INLINE __m128i quantise(__m512 x, __m512 scale, __m512 inverse)
{
    enum { NEAREST = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC };
    __m512 quotient = _mm512_mul_ps(x, inverse);
    __m512 rounded = _mm512_roundscale_ps(quotient, NEAREST);
    __m512 distance = _mm512_abs_ps(_mm512_sub_ps(quotient, rounded));

    if (__builtin_expect(_mm512_cmp_ps_mask(distance, _mm512_set1_ps(0.4999f),
                                            _CMP_NLE_UQ) != 0, 0))
        rounded = _mm512_roundscale_ps(_mm512_div_ps(x, scale), NEAREST);
    __m512i q = _mm512_max_epi32(_mm512_cvtps_epi32(rounded),
                                 _mm512_set1_epi32(-127));
    return _mm512_cvtsepi32_epi8(q);
}

/* ---- transposition ----------------------------------------------------- */

INLINE void transpose(__m512i r[COLUMNS])
{
    __m512i t[COLUMNS];

    UNROLL for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    UNROLL for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xDD);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xDD);
    }
    UNROLL for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xDD);
    }
}

INLINE void store_lines(void *to, const __m512i lines[COLUMNS])
{
    UNROLL for (int i = 0; i < COLUMNS; i++)
        _mm512_storeu_si512((char *)to + i * LINE, lines[i]);
}

/* ---- f32 --------------------------------------------------------------- */

/* storage is a constant where this is inlined. */
INLINE void pack_f32_of(float *strip, const source *s, clipc_storage storage,
                        size_t k)
{
    const size_t element = storage == CLIPC_STORE_F32 ? 4 : 2;
    __m512i lines[COLUMNS];
    size_t at = 0;

    for (; at + 16 <= k; at += 16, strip += 16 * COLUMNS) {
        UNROLL for (int i = 0; i < COLUMNS; i++) {
            lines[i] = _mm512_castps_si512(numbers(s, i, storage, at, k));
            if (storage == CLIPC_STORE_F32 || at % 32 == 0)
                prefetch(s, i, at * element);
        }
        transpose(lines);
        store_lines(strip, lines);
    }
    if (at < k) {
        UNROLL for (int i = 0; i < COLUMNS; i++)
            lines[i] = _mm512_castps_si512(numbers(s, i, storage, at, k));
        transpose(lines);
        UNROLL for (int i = 0; i < COLUMNS; i++)
            if (at + (size_t)i < k)
                _mm512_storeu_si512(strip + i * COLUMNS, lines[i]);
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
    __m512i lines[COLUMNS];

    for (size_t at = 0; at < k; at += 32, strip += 32 * COLUMNS) {
        UNROLL for (int i = 0; i < COLUMNS; i++) {
            lines[i] = halves_of(s, i, at, k);
            prefetch(s, i, at * 2);
        }
        transpose(lines);
        store_lines(strip, lines);
    }
}

INLINE void pack_bf16_of(uint16_t *strip, const source *s,
                         clipc_storage storage, size_t k)
{
    const size_t element = storage == CLIPC_STORE_F32 ? 4 : 2;
    __m512i lines[COLUMNS];

    for (size_t at = 0; at < k; at += 32, strip += 32 * COLUMNS) {
        UNROLL for (int i = 0; i < COLUMNS; i++) {
            __m256i low = narrow_bf16(numbers(s, i, storage, at, k));
            __m256i high = narrow_bf16(numbers(s, i, storage, at + 16, k));
            lines[i] = _mm512_inserti64x4(_mm512_castsi256_si512(low), high,
                                          1);
            prefetch(s, i, at * element);
            if (storage == CLIPC_STORE_F32)
                prefetch(s, i, at * element + LINE);
        }
        transpose(lines);
        store_lines(strip, lines);
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
    const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
    __m512i most[4];

    UNROLL for (int j = 0; j < 4; j++)
        most[j] = _mm512_setzero_si512();
    for (size_t at = 0; at < k; at += 64)
        UNROLL for (int j = 0; j < 4; j++) {
            __m512 x = numbers(s, row, storage, at + (size_t)j * 16, k);
            most[j] = _mm512_max_epu32(
                most[j], _mm512_and_si512(_mm512_castps_si512(x), magnitude));
        }
    return _mm512_reduce_max_epu32(
        _mm512_max_epu32(_mm512_max_epu32(most[0], most[1]),
                         _mm512_max_epu32(most[2], most[3])));
}

/* 128 times the sums of four bytes: 64 times two of them fits 16 bits. */
INLINE __m512i add_columns(__m512i sums, __m512i line)
{
    __m512i pairs = _mm512_maddubs_epi16(_mm512_set1_epi8(64), line);
    return _mm512_add_epi32(
        sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(2)));
}

INLINE void pack_s8_of(int8_t *strip, float *scales, int32_t *sums, source *s,
                       clipc_storage storage, size_t k)
{
    const __m512 one = _mm512_set1_ps(1.0f);
    _Alignas(64) uint32_t largest[COLUMNS];
    _Alignas(64) float inverses[COLUMNS];
    __m512i total = _mm512_setzero_si512(), lines[COLUMNS];

    for (int i = 0; i < COLUMNS; i++)
        largest[i] = largest_bits(s, i, storage, k);

    /* absmax / 127; 1 where that is 0; NaN, and weights of 0, where a number
     * is not finite. */
    __m512i bits = _mm512_load_si512(largest);
    __mmask16 bad = _mm512_cmpge_epu32_mask(bits,
                                            _mm512_set1_epi32(0x7F800000));
    __m512 scale = _mm512_div_ps(_mm512_castsi512_ps(bits),
                                 _mm512_set1_ps(127.0f));
    __mmask16 zero = _mm512_cmp_ps_mask(scale, _mm512_setzero_ps(),
                                        _CMP_EQ_OQ);
    scale = _mm512_mask_mov_ps(scale, zero | bad, one);
    _mm512_store_ps(inverses, _mm512_div_ps(one, scale));
    _mm512_storeu_ps(scales, scale);
    for (int i = 0; i < COLUMNS; i++)
        if (bad >> i & 1)
            s->present[i] = 0;

    for (size_t at = 0; at < k; at += 64, strip += 64 * COLUMNS) {
        UNROLL for (int i = 0; i < COLUMNS; i++) {
            const __m512 divisor = _mm512_set1_ps(scales[i]);
            const __m512 inverse = _mm512_set1_ps(inverses[i]);
            __m128i q[4];
            UNROLL for (int j = 0; j < 4; j++)
                q[j] = quantise(numbers(s, i, storage, at + (size_t)j * 16, k),
                                divisor, inverse);
            lines[i] = _mm512_inserti32x4(_mm512_castsi128_si512(q[0]), q[1],
                                          1);
            lines[i] = _mm512_inserti32x4(lines[i], q[2], 2);
            lines[i] = _mm512_inserti32x4(lines[i], q[3], 3);
        }
        transpose(lines);
        store_lines(strip, lines);
        UNROLL for (int i = 0; i < COLUMNS; i++)
            total = add_columns(total, lines[i]);
    }
    _mm512_storeu_si512(sums, total);
    _mm512_storeu_ps(scales, _mm512_mask_mov_ps(
        scale, bad, _mm512_castsi512_ps(_mm512_set1_epi32(0x7FC00000))));
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
    const __m512i order = _mm512_set_epi16(
        31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1,
        30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i high = _mm512_set1_epi32((int)0xFFFF0000);

    for (size_t at = 0; at < k; at += 2, strip += 32, out += 2 * COLUMNS) {
        __m512i pairs = _mm512_loadu_si512(strip);
        __m512 even, odd;
        _mm_prefetch((const char *)strip + 1536, _MM_HINT_T0);
        if (storage == CLIPC_STORE_F16) {
            pairs = _mm512_permutexvar_epi16(order, pairs);
            even = _mm512_cvtph_ps(_mm512_castsi512_si256(pairs));
            odd = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(pairs, 1));
        } else {
            even = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
            odd = _mm512_castsi512_ps(_mm512_and_si512(pairs, high));
        }
        _mm512_storeu_ps(out, even);
        if (at + 1 < k)
            _mm512_storeu_ps(out + COLUMNS, odd);
    }
}

void clipc_strips_init_avx512(clipc_kernels *kernels)
{
    kernels->pack_f32 = pack_f32;
    kernels->pack_bf16 = pack_bf16;
    kernels->pack_f16 = pack_f16;
    kernels->pack_s8 = pack_s8;
    kernels->widen_strip = widen_strip;
}
