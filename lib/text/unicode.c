/* SPDX-License-Identifier: MIT
 *
 * unicode.c - classes, lower case and canonical composition over the tables in
 * unicode_tables.c.
 *
 * NFC (Unicode Standard Annex 15): decompose every code point fully, put each
 * run of combining marks in rising order of combining class (stable), then
 * compose every mark with the last starter before it unless one between them
 * blocks it. Hangul syllables are computed (Unicode Standard 3.12).
 */
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

/* ---- properties -------------------------------------------------------- */

bool clipc_in_code_ranges(const clipc_code_range *ranges, size_t n,
                          uint32_t code)
{
    size_t low = 0, high = n; /* search the first range with end >= code */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && ranges[low].first <= code;
}

clipc_code_class clipc_unicode_class(uint32_t code)
{
    if (code < 0x80) {
        if ((code | 0x20) >= 'a' && (code | 0x20) <= 'z')
            return CLIPC_CODE_LETTER;
        if (code >= '0' && code <= '9')
            return CLIPC_CODE_NUMBER;
        return code == ' ' || (code >= '\t' && code <= '\r')
                   ? CLIPC_CODE_SPACE
                   : CLIPC_CODE_OTHER;
    }
    if (clipc_in_code_ranges(clipc_unicode_letters, clipc_n_unicode_letters,
                             code))
        return CLIPC_CODE_LETTER;
    if (clipc_in_code_ranges(clipc_unicode_numbers, clipc_n_unicode_numbers,
                             code))
        return CLIPC_CODE_NUMBER;
    if (clipc_in_code_ranges(clipc_unicode_spaces, clipc_n_unicode_spaces,
                             code))
        return CLIPC_CODE_SPACE;
    return CLIPC_CODE_OTHER;
}

bool clipc_unicode_is_word(uint32_t code)
{
    return clipc_in_code_ranges(clipc_unicode_words, clipc_n_unicode_words,
                                code);
}

size_t clipc_unicode_lowercase(uint32_t code, uint32_t out[2])
{
    out[0] = code;
    if (code < 0x80) {
        if (code >= 'A' && code <= 'Z')
            out[0] = code + 32;
        return 1;
    }
    if (code == 0x130) { /* the only code that becomes two: i, dot above */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    size_t low = 0, high = clipc_n_unicode_lower;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (clipc_unicode_lower[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < clipc_n_unicode_lower) {
        const clipc_lower_range *range = &clipc_unicode_lower[low];
        if (range->first <= code && (code - range->first) % range->step == 0)
            out[0] = (uint32_t)((int32_t)code + range->delta);
    }
    return 1;
}

/* ---- NFC: decomposition ------------------------------------------------ */

bool clipc_codes_push(clipc_codes *text, uint32_t code)
{
    if (text->n == text->capacity) {
        size_t capacity = text->capacity ? text->capacity * 2 : 64;
        uint32_t *codes = clipc_realloc(text->codes, capacity,
                                        sizeof *text->codes);
        if (!codes)
            return false;
        text->codes = codes;
        text->capacity = capacity;
    }
    text->codes[text->n++] = code;
    return true;
}

#define HANGUL_S 0xAC00u
#define HANGUL_L 0x1100u
#define HANGUL_V 0x1161u
#define HANGUL_T 0x11A7u /* the code before the first final consonant */
#define N_L 19u
#define N_V 21u
#define N_T 28u
#define N_S (N_L * N_V * N_T)

static const clipc_decomposition *find_decomposition(uint32_t code)
{
    size_t low = 0, high = clipc_n_unicode_decompositions;
    if (code < 0xC0)
        return NULL;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (clipc_unicode_decompositions[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < clipc_n_unicode_decompositions &&
        clipc_unicode_decompositions[low].code == code)
        return &clipc_unicode_decompositions[low];
    return NULL;
}

static bool decompose(clipc_codes *out, uint32_t code)
{
    uint32_t seconds[8]; /* the longest full decomposition has 4 codes */
    size_t n = 0;

    if (code - HANGUL_S < N_S) {
        uint32_t s = code - HANGUL_S;
        return clipc_codes_push(out, HANGUL_L + s / (N_V * N_T)) &&
               clipc_codes_push(out, HANGUL_V + s % (N_V * N_T) / N_T) &&
               (s % N_T == 0 || clipc_codes_push(out, HANGUL_T + s % N_T));
    }
    /* Only the first code of a pair decomposes further. */
    const clipc_decomposition *d;
    while ((d = find_decomposition(code)) != NULL) {
        if (d->second)
            seconds[n++] = d->second;
        code = d->first;
    }
    if (!clipc_codes_push(out, code))
        return false;
    while (n > 0)
        if (!clipc_codes_push(out, seconds[--n]))
            return false;
    return true;
}

/* ---- NFC: canonical order ---------------------------------------------- */

#define MAX_RANK 63 /* 55 ranks are in use */

static uint8_t rank_of(uint32_t code)
{
    size_t low = 0, high = clipc_n_unicode_ranks;
    if (code < 0x300)
        return 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (clipc_unicode_ranks[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < clipc_n_unicode_ranks && clipc_unicode_ranks[low].first <= code)
        return (uint8_t)clipc_unicode_ranks[low].rank;
    return 0;
}

/* Stable sort of one run of marks by rank. */
static bool sort_marks(uint32_t *codes, uint8_t *ranks, size_t n)
{
    if (n <= 16) {
        for (size_t i = 1; i < n; i++) {
            uint32_t code = codes[i];
            uint8_t rank = ranks[i];
            size_t j = i;
            for (; j > 0 && ranks[j - 1] > rank; j--) {
                codes[j] = codes[j - 1];
                ranks[j] = ranks[j - 1];
            }
            codes[j] = code;
            ranks[j] = rank;
        }
        return true;
    }
    /* A counting sort stays linear for a megabyte of marks. */
    size_t next[MAX_RANK + 2] = { 0 };
    uint32_t *sorted = clipc_alloc(n, sizeof *sorted);
    if (!sorted)
        return false;
    for (size_t i = 0; i < n; i++)
        next[ranks[i] + 1]++;
    for (size_t rank = 1; rank <= MAX_RANK + 1; rank++)
        next[rank] += next[rank - 1];
    for (size_t i = 0; i < n; i++)
        sorted[next[ranks[i]]++] = codes[i];
    memcpy(codes, sorted, n * sizeof *codes);
    free(sorted);
    /* next[r] is now the end of rank r. */
    for (size_t i = 0, rank = 0; i < n; i++) {
        while (i >= next[rank])
            rank++;
        ranks[i] = (uint8_t)rank;
    }
    return true;
}

static bool sort_all_marks(clipc_codes *text, uint8_t *ranks)
{
    for (size_t i = 0; i < text->n;) {
        size_t start = i;
        while (i < text->n && ranks[i] != 0)
            i++;
        if (i > start + 1 &&
            !sort_marks(text->codes + start, ranks + start, i - start))
            return false;
        i += i == start;
    }
    return true;
}

/* ---- NFC: composition -------------------------------------------------- */

/* Returns the composition of first and second, or 0. */
static uint32_t compose_pair(uint32_t first, uint32_t second)
{
    if (first - HANGUL_L < N_L && second - HANGUL_V < N_V)
        return HANGUL_S +
               ((first - HANGUL_L) * N_V + (second - HANGUL_V)) * N_T;
    if (first - HANGUL_S < N_S && (first - HANGUL_S) % N_T == 0 &&
        second - HANGUL_T - 1 < N_T - 1)
        return first + (second - HANGUL_T);

    uint64_t key = (uint64_t)first << 32 | second;
    size_t low = 0, high = clipc_n_unicode_compositions;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const clipc_decomposition *d =
            &clipc_unicode_decompositions[clipc_unicode_compositions[middle]];
        uint64_t here = (uint64_t)d->first << 32 | d->second;
        if (here == key)
            return d->code;
        if (here < key)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

static void compose_all(clipc_codes *text, const uint8_t *ranks)
{
    size_t n = 0, starter = 0;
    bool has_starter = false;
    uint8_t last_rank = 0; /* rank of the last kept code */

    for (size_t i = 0; i < text->n; i++) {
        uint32_t code = text->codes[i];
        uint8_t rank = ranks[i];
        /* A starter composes only with a starter right before. */
        if (has_starter && (n == starter + 1 || last_rank < rank)) {
            uint32_t whole = compose_pair(text->codes[starter], code);
            if (whole) {
                text->codes[starter] = whole;
                continue;
            }
        }
        if (rank == 0) {
            starter = n;
            has_starter = true;
        }
        last_rank = rank;
        text->codes[n++] = code;
    }
    text->n = n;
}

bool clipc_unicode_nfc(clipc_codes *text)
{
    clipc_codes full = { 0 };
    uint8_t *ranks = NULL;
    size_t i = 0;

    /* Below U+0300 nothing combines. */
    while (i < text->n && text->codes[i] < 0x300)
        i++;
    if (i == text->n)
        return true;

    for (i = 0; i < text->n; i++)
        if (!decompose(&full, text->codes[i]))
            goto fail;
    ranks = clipc_alloc(full.n, 1);
    if (!ranks)
        goto fail;
    for (i = 0; i < full.n; i++)
        ranks[i] = rank_of(full.codes[i]);
    if (!sort_all_marks(&full, ranks))
        goto fail;
    compose_all(&full, ranks);
    free(ranks);
    free(text->codes);
    *text = full;
    return true;

fail:
    free(ranks);
    free(full.codes);
    return false;
}

/* ---- CLIP's normaliser ------------------------------------------------- */

bool clipc_utf8_push(clipc_utf8 *out, const char *bytes, size_t n)
{
    if (out->capacity - out->n < n) {
        size_t capacity = out->capacity ? out->capacity * 2 : 128;
        while (capacity - out->n < n && capacity <= SIZE_MAX / 2)
            capacity *= 2;
        char *data = clipc_realloc(out->data, capacity, 1);
        if (!data)
            return false;
        out->data = data;
        out->capacity = capacity;
    }
    if (n > 0)
        memcpy(out->data + out->n, bytes, n);
    out->n += n;
    return true;
}

static bool push_lowercase(clipc_utf8 *out, uint32_t code)
{
    uint32_t lower[2];
    char bytes[8];
    const size_t n = clipc_unicode_lowercase(code, lower);
    size_t n_bytes = 0;

    for (size_t i = 0; i < n; i++)
        n_bytes += clipc_utf8_encode(lower[i], bytes + n_bytes);
    return clipc_utf8_push(out, bytes, n_bytes);
}

static bool push_normalized(clipc_utf8 *out, const clipc_codes *text)
{
    bool after_space = false;

    for (size_t i = 0; i < text->n; i++) {
        uint32_t code = text->codes[i];
        bool space = clipc_unicode_class(code) == CLIPC_CODE_SPACE;
        if (space && after_space)
            continue;
        after_space = space;
        if (!push_lowercase(out, space ? ' ' : code))
            return false;
    }
    return true;
}

bool clipc_unicode_normalize(const char *s, size_t n, clipc_utf8 *out)
{
    clipc_codes text = { 0 };
    bool ok = true;

    out->n = 0;
    for (size_t i = 0; ok && i < n;) {
        uint32_t code = 0;
        size_t len = clipc_utf8_decode(s + i, n - i, &code);
        i += len ? len : 1;
        ok = clipc_codes_push(&text, code);
    }
    ok = ok && clipc_unicode_nfc(&text) && push_normalized(out, &text);
    free(text.codes);
    return ok;
}
