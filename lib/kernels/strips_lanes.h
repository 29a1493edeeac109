/* SPDX-License-Identifier: MIT
 *
 * strips_lanes.h - packs rows of weights into strips (kernels.h), whatever the
 * width of a vector. LANES rows give LANES vectors; seen as a square of 4-byte
 * lanes, its transpose is LANES k-steps of LANES columns. A file that includes
 * this header defines
 *
 *     FLOATS   type of a vector of LANES floats
 *     INTS     type of the same vector as integers
 *     LANES    4, 8 or 16
 *     MASKS_ARE_FREE  whether the functions below read rows that are absent or
 *              end within a block: then no block is cut out
 *
 * before, and after it the functions declared first here. The file
 * calls fill_table for the table.
 *
 * A program that runs once packs on the fly from a mapped file. The prefetches
 * are there because memory must never be waited for.
 */
#ifndef CLIPC_STRIPS_LANES_H
#define CLIPC_STRIPS_LANES_H

#include "kernels/inline.h"
#include "kernels/kernels.h"

#include <string.h>

enum {
    COLUMNS = CLIPC_STRIP_COLUMNS,
    LINE = CLIPC_STRIP_BYTES,
    PARTS = COLUMNS / LANES, /* vectors of a line, and of 16 numbers */
    AHEAD = 768              /* bytes of a row */
};

/* The rows of a strip. An absent row is never read and gives zeros. */
typedef struct source {
    const char *rows[COLUMNS];
    uint64_t present[COLUMNS];              /* all ones or zeros */
    float scale[COLUMNS], inverse[COLUMNS]; /* of bytes */
    size_t k, row_bytes;
} source;

/* ---- of each instruction set ------------------------------------------- */

/* 16 numbers of a row from element `at` on, zeros behind the end. `from` is a
 * constant here and below. */
INLINE void numbers(FLOATS x[PARTS], const source *s, int row,
                    clipc_storage from, size_t at);

/* A vector of a row, zeros behind the end: halves as they are; numbers as
 * bf16, to nearest even, NaN kept; numbers as bytes. */
INLINE INTS halves_of(const source *s, int row, size_t at);
INLINE INTS bf16_of(const source *s, int row, clipc_storage from, size_t at);
INLINE INTS bytes_of(const source *s, int row, clipc_storage from, size_t at);

/* The largest |x| of a row as bits. Bits of |x| grow with |x|; infinity and
 * NaN are above all numbers. */
INLINE uint32_t largest_bits(const source *s, int row, clipc_storage from);

INLINE INTS bits_of(FLOATS x);
INLINE void transpose(INTS square[LANES]);
INLINE void store_ints(void *to, INTS v);

/* sums + 128 times the sums of the four bytes of each lane. */
INLINE INTS add_columns(INTS sums, INTS bytes);

static void widen_strip(float *out, const uint16_t *strip,
                        clipc_storage storage, size_t k);

/* ---- rows -------------------------------------------------------------- */

static source open_rows(const void *const *rows, clipc_storage from,
                        size_t n_rows, size_t k)
{
    source s = { .k = k, .row_bytes = k * clipc_storage_bytes(from) };

    for (size_t i = 0; i < COLUMNS; i++) {
        s.rows[i] = rows[i < n_rows ? i : 0];
        s.present[i] = i < n_rows ? UINT64_MAX : 0;
    }
    return s;
}

/* The most bytes of a row in a block: 64 numbers. */
enum { BLOCK_BYTES = 256 };

/* Whether no row is absent. */
INLINE bool has_all_rows(const source *s)
{
    uint64_t present = UINT64_MAX;

    for (int i = 0; i < COLUMNS; i++)
        present &= s->present[i];
    return present;
}

/* The same rows with the n bytes from `at` on alone, zeros where there are
 * none. Rows that end before lie in `block`. */
static __attribute__((noinline)) void
cut_block(source *out, char block[COLUMNS][BLOCK_BYTES], const source *s,
          size_t at, size_t n)
{
    static const char zeros[BLOCK_BYTES];
    const size_t have = at >= s->row_bytes      ? 0
                        : s->row_bytes - at < n ? s->row_bytes - at
                                                : n;

    *out = *s;
    for (int i = 0; i < COLUMNS; i++) {
        out->present[i] = UINT64_MAX;
        if (!s->present[i]) {
            out->rows[i] = zeros;
        } else if (have == n) { /* as with the keys of a short text */
            out->rows[i] = s->rows[i] + at;
        } else {
            memcpy(block[i], s->rows[i] + at, have);
            memset(block[i] + have, 0, n - have);
            out->rows[i] = block[i];
        }
    }
}

/* With bytes [at, at + n) of a row in use, prefetches the lines that the row
 * needs soon: lines of the same row, or, past its end, of the row 16 rows on,
 * which the next strip reads. The address may be invalid. */
INLINE void prefetch(const source *s, int row, size_t at, size_t n)
{
    if (at % LINE != 0) /* the line was prefetched from its beginning */
        return;
    UNROLL for (size_t line = 0; line < n; line += LINE)
    {
        size_t soon = at + line + AHEAD;
        if (soon >= s->row_bytes)
            soon += (COLUMNS - 1) * s->row_bytes;
        __builtin_prefetch(s->rows[row] + soon);
    }
}

/* LANES vectors, a line apart. */
INLINE void store_lines(char *to, const INTS lines[LANES])
{
    UNROLL for (int i = 0; i < LANES; i++) store_ints(to + i * LINE, lines[i]);
}

/* ---- f32 --------------------------------------------------------------- */

/* 16 k-steps from `at` on. */
INLINE void pack_f32_steps(float *steps, const source *s, clipc_storage from,
                           size_t at)
{
    const size_t element = clipc_storage_bytes(from);

    UNROLL for (int part = 0; part < PARTS; part++)
    {
        char *to = (char *)(steps + part * LANES);
        INTS squares[PARTS][LANES];
        UNROLL for (int i = 0; i < LANES; i++)
        {
            const int row = part * LANES + i;
            FLOATS x[PARTS];
            numbers(x, s, row, from, at);
            UNROLL for (int j = 0; j < PARTS; j++)
                squares[j][i] = bits_of(x[j]);
            prefetch(s, row, at * element, 16 * element);
        }
        UNROLL for (int j = 0; j < PARTS; j++)
        {
            transpose(squares[j]);
            store_lines(to + j * LANES * LINE, squares[j]);
        }
    }
}

INLINE void pack_f32_of(float *strip, const source *s, clipc_storage from)
{
    const size_t element = clipc_storage_bytes(from);
    const bool all_rows = MASKS_ARE_FREE || has_all_rows(s);
    char block[COLUMNS][BLOCK_BYTES];
    float last[16 * COLUMNS];
    source end;

    for (size_t at = 0; at < s->k; at += 16) {
        float *steps = s->k - at < 16 ? last : strip + at * COLUMNS;
        const bool whole = MASKS_ARE_FREE || (all_rows && at + 16 <= s->k);
        if (!whole)
            cut_block(&end, block, s, at * element, 16 * element);
        pack_f32_steps(steps, whole ? s : &end, from, whole ? at : 0);
        if (steps == last)
            memcpy(strip + at * COLUMNS, last, (s->k - at) * LINE);
    }
}

static void pack_f32(float *strip, const void *const *rows,
                     clipc_storage storage, size_t n_rows, size_t k)
{
    const source s = open_rows(rows, storage, n_rows, k);

    if (storage == CLIPC_STORE_F32)
        pack_f32_of(strip, &s, CLIPC_STORE_F32);
    else if (storage == CLIPC_STORE_F16)
        pack_f32_of(strip, &s, CLIPC_STORE_F16);
    else
        pack_f32_of(strip, &s, CLIPC_STORE_BF16);
}

/* ---- 16 bits and bytes ------------------------------------------------- */

/* A strip of 2 or 4 inputs a k-step; sums: [16], S8 only. */
INLINE void pack_lines(void *strip, int32_t *sums, const source *s,
                       clipc_storage from, clipc_storage to)
{
    const size_t per_step = to == CLIPC_STORE_S8 ? 4 : 2;
    const size_t element = clipc_storage_bytes(from);
    const size_t unit = 16 * per_step; /* K is padded to a multiple of this */
    const size_t end = (s->k + unit - 1) / unit * unit;
    const size_t block_bytes = LANES * per_step * element;
    INTS total[PARTS] = { { 0 } }, lines[LANES];
    const bool all_rows = MASKS_ARE_FREE || has_all_rows(s);
    char block[COLUMNS][BLOCK_BYTES];
    source cut;

    for (size_t at = 0; at < end; at += LANES * per_step) {
        const bool whole = MASKS_ARE_FREE ||
                           (all_rows && at + LANES * per_step <= s->k);
        const source *from_rows = whole ? s : &cut;
        const size_t from_at = whole ? at : 0;
        if (!whole)
            cut_block(&cut, block, s, at * element, block_bytes);
        UNROLL for (int part = 0; part < PARTS; part++)
        {
            /* Bytes take so long that unrolling gains nothing; their rows were
             * read before, for the scale. */
            if (to == CLIPC_STORE_S8)
                KEEP_ROLLED for (int i = 0; i < LANES; i++)
                    lines[i] = bytes_of(from_rows, part * LANES + i, from,
                                        from_at);
            else
                UNROLL for (int i = 0; i < LANES; i++)
                {
                    const int row = part * LANES + i;
                    lines[i] = from == to
                                   ? halves_of(from_rows, row, from_at)
                                   : bf16_of(from_rows, row, from, from_at);
                    prefetch(s, row, at * element, block_bytes);
                }
            transpose(lines);
            store_lines((char *)strip + at / per_step * LINE +
                            part * LANES * 4,
                        lines);
            if (to == CLIPC_STORE_S8)
                UNROLL for (int i = 0; i < LANES; i++)
                    total[part] = add_columns(total[part], lines[i]);
        }
    }
    if (to == CLIPC_STORE_S8)
        UNROLL for (int part = 0; part < PARTS; part++)
            store_ints(sums + part * LANES, total[part]);
}

static void pack_bf16(uint16_t *strip, const void *const *rows,
                      clipc_storage storage, size_t n_rows, size_t k)
{
    const source s = open_rows(rows, storage, n_rows, k);

    if (storage == CLIPC_STORE_F32)
        pack_lines(strip, NULL, &s, CLIPC_STORE_F32, CLIPC_STORE_BF16);
    else if (storage == CLIPC_STORE_F16)
        pack_lines(strip, NULL, &s, CLIPC_STORE_F16, CLIPC_STORE_BF16);
    else
        pack_lines(strip, NULL, &s, CLIPC_STORE_BF16, CLIPC_STORE_BF16);
}

static void pack_f16(uint16_t *strip, const uint16_t *const *rows,
                     size_t n_rows, size_t k)
{
    const source s = open_rows((const void *const *)rows, CLIPC_STORE_F16,
                               n_rows, k);

    pack_lines(strip, NULL, &s, CLIPC_STORE_F16, CLIPC_STORE_F16);
}

/* A row with a number that is not finite has weights of 0 and the scale NaN. */
INLINE void pack_s8_of(int8_t *strip, float *scale, int32_t *sums, source *s,
                       clipc_storage from)
{
    for (int i = 0; i < COLUMNS; i++) {
        uint32_t bits = largest_bits(s, i, from);
        float largest;
        memcpy(&largest, &bits, sizeof largest);
        scale[i] = s->scale[i] = largest / 127.0f;
        if (bits >= 0x7F800000u) {
            s->present[i] = 0;
            s->scale[i] = 1.0f;
            scale[i] = __builtin_nanf("");
        } else if (scale[i] == 0.0f) { /* largest is 0, or nearly */
            scale[i] = s->scale[i] = 1.0f;
        }
        s->inverse[i] = 1.0f / s->scale[i];
    }
    pack_lines(strip, sums, s, from, CLIPC_STORE_S8);
}

static void pack_s8(int8_t *strip, float *scale, int32_t *sums,
                    const void *const *rows, clipc_storage storage,
                    size_t n_rows, size_t k)
{
    source s = open_rows(rows, storage, n_rows, k);

    if (storage == CLIPC_STORE_F32)
        pack_s8_of(strip, scale, sums, &s, CLIPC_STORE_F32);
    else if (storage == CLIPC_STORE_F16)
        pack_s8_of(strip, scale, sums, &s, CLIPC_STORE_F16);
    else
        pack_s8_of(strip, scale, sums, &s, CLIPC_STORE_BF16);
}

INLINE void fill_table(clipc_kernels *kernels)
{
    kernels->pack_f32 = pack_f32;
    kernels->pack_bf16 = pack_bf16;
    kernels->pack_f16 = pack_f16;
    kernels->pack_s8 = pack_s8;
    kernels->widen_strip = widen_strip;
}

#endif /* CLIPC_STRIPS_LANES_H */
