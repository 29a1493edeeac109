/* SPDX-License-Identifier: MIT
 *
 * unicode.h - the character properties the tokenizer needs, as the
 * reference (tokenizers 0.23) has them: classes of Unicode 16, lower case of
 * Unicode 17, canonical composition (NFC) of Unicode 9.
 */
#ifndef CLIPC_UNICODE_H
#define CLIPC_UNICODE_H

#include "base/utf8.h"

/* ---- properties -------------------------------------------------------- */

typedef enum clipc_code_class {
    CLIPC_CODE_OTHER,  /* [^\s\p{L}\p{N}] */
    CLIPC_CODE_LETTER, /* \p{L} */
    CLIPC_CODE_NUMBER, /* \p{N} */
    CLIPC_CODE_SPACE   /* \s */
} clipc_code_class;

clipc_code_class clipc_unicode_class(uint32_t code);

/* A word character: an added token that is single_word does not match beside
 * one. */
bool clipc_unicode_is_word(uint32_t code);

/* Lower case of one code point, without context; returns 1 or 2 codes. */
size_t clipc_unicode_lowercase(uint32_t code, uint32_t out[2]);

/* ---- NFC --------------------------------------------------------------- */

/* A growable text of code points; all zero is empty. Free codes with
 * free(). */
typedef struct clipc_codes {
    uint32_t *codes;
    size_t n, capacity;
} clipc_codes;

/* Appends; false when memory runs out. */
bool clipc_codes_push(clipc_codes *text, uint32_t code);

/* Normalises in place, in time proportional to the length. False when memory
 * runs out; the text is then unspecified. */
bool clipc_unicode_nfc(clipc_codes *text);

/* ---- CLIP's normaliser ------------------------------------------------- */

/* Growable bytes; all zero is empty. Free data with free(). */
typedef struct clipc_utf8 {
    char *data;
    size_t n, capacity;
} clipc_utf8;

/* Appends n bytes; false when memory runs out. */
bool clipc_utf8_push(clipc_utf8 *out, const char *bytes, size_t n);

/* NFC, then every run of white space to one space, then lower case; the
 * result replaces *out. s is valid UTF-8. False when memory runs out. */
bool clipc_unicode_normalize(const char *s, size_t n, clipc_utf8 *out);

/* ---- tables (unicode_tables.c) ----------------------------------------- */

/* All sorted by first or code. Where nothing else is said, as tokenizers has
 * them. */
typedef struct clipc_code_range {
    uint32_t first, last;
} clipc_code_range;

typedef struct clipc_lower_range {
    uint32_t first, last, step;
    int32_t delta;
} clipc_lower_range;

typedef struct clipc_rank_range {
    uint32_t first, last, rank;
} clipc_rank_range;

typedef struct clipc_decomposition {
    uint32_t code, first, second;
} clipc_decomposition;

bool clipc_in_code_ranges(const clipc_code_range *ranges, size_t n,
                          uint32_t code);

extern const clipc_code_range clipc_unicode_letters[];
extern const size_t clipc_n_unicode_letters;
extern const clipc_code_range clipc_unicode_numbers[];
extern const size_t clipc_n_unicode_numbers;
extern const clipc_code_range clipc_unicode_spaces[];
extern const size_t clipc_n_unicode_spaces;
extern const clipc_code_range clipc_unicode_words[];
extern const size_t clipc_n_unicode_words;
/* As Python 3.11 has them; python_text.h. */
extern const clipc_code_range clipc_unicode_python_unlowered[];
extern const size_t clipc_n_unicode_python_unlowered;
extern const clipc_code_range clipc_unicode_python_cased[];
extern const size_t clipc_n_unicode_python_cased;
extern const clipc_code_range clipc_unicode_python_ignored[];
extern const size_t clipc_n_unicode_python_ignored;
extern const clipc_lower_range clipc_unicode_lower[];
extern const size_t clipc_n_unicode_lower;
extern const clipc_rank_range clipc_unicode_ranks[];
extern const size_t clipc_n_unicode_ranks;
/* Classes of graphemes.c. */
extern const clipc_rank_range clipc_unicode_graphemes[];
extern const size_t clipc_n_unicode_graphemes;
extern const clipc_decomposition clipc_unicode_decompositions[];
extern const size_t clipc_n_unicode_decompositions;
/* Indices into the decompositions, sorted by (first, second). */
extern const uint16_t clipc_unicode_compositions[];
extern const size_t clipc_n_unicode_compositions;

#endif /* CLIPC_UNICODE_H */
