/* SPDX-License-Identifier: MIT
 *
 * python_text.c - see python_text.h.
 *
 * A capital sigma becomes a final one where a cased letter stands before it
 * and none after it; characters that case ignores do not count.
 */
#include "text/python_text.h"

#define CAPITAL_SIGMA 0x3A3u
#define SMALL_SIGMA 0x3C3u
#define FINAL_SIGMA 0x3C2u

bool clipc_python_is_space(uint32_t code)
{
    if (code < 0x80)
        return (code >= '\t' && code <= '\r') || (code >= 0x1C && code <= ' ');
    return clipc_unicode_class(code) == CLIPC_CODE_SPACE;
}

typedef enum letter_case { CASED, IGNORED, UNCASED } letter_case;

static letter_case case_of(uint32_t code)
{
    if (code < 0x80 && (code | 0x20) >= 'a' && (code | 0x20) <= 'z')
        return CASED;
    if (code == ' ')
        return UNCASED;
    if (clipc_in_code_ranges(clipc_unicode_python_cased,
                             clipc_n_unicode_python_cased, code))
        return CASED;
    return clipc_in_code_ranges(clipc_unicode_python_ignored,
                                clipc_n_unicode_python_ignored, code)
               ? IGNORED
               : UNCASED;
}

/* Lower case without context; returns 1 or 2 codes. */
static size_t lowercase(uint32_t code, uint32_t out[2])
{
    out[0] = code;
    if (code >= 0x80 &&
        clipc_in_code_ranges(clipc_unicode_python_unlowered,
                             clipc_n_unicode_python_unlowered, code))
        return 1;
    return clipc_unicode_lowercase(code, out);
}

/* Whether the first character of a text that case does not ignore is cased.
 * *at moves to that character, so that no character is read twice. */
static bool cased_follows(const char *text, size_t n, size_t *at)
{
    while (*at < n) {
        uint32_t code;
        size_t length = clipc_utf8_decode(text + *at, n - *at, &code);
        const letter_case kind = case_of(code);
        if (kind != IGNORED)
            return kind == CASED;
        *at += length;
    }
    return false;
}

bool clipc_python_lower(const char *text, size_t n, clipc_utf8 *out)
{
    bool after_cased = false;
    size_t next_counted = 0;

    out->n = 0;
    for (size_t i = 0; i < n;) {
        uint32_t code, lower[2];
        char bytes[8];
        size_t n_codes = 1, n_bytes = 0;
        i += clipc_utf8_decode(text + i, n - i, &code);
        if (code == CAPITAL_SIGMA) {
            if (next_counted < i)
                next_counted = i;
            lower[0] = after_cased && !cased_follows(text, n, &next_counted)
                           ? FINAL_SIGMA
                           : SMALL_SIGMA;
        } else {
            n_codes = lowercase(code, lower);
        }
        for (size_t k = 0; k < n_codes; k++)
            n_bytes += clipc_utf8_encode(lower[k], bytes + n_bytes);
        if (!clipc_utf8_push(out, bytes, n_bytes))
            return false;
        const letter_case kind = case_of(code);
        if (kind != IGNORED)
            after_cased = kind == CASED;
    }
    return true;
}
