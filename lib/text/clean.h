/* SPDX-License-Identifier: MIT
 *
 * clean.h - what open_clip does to a text before a tokenizer of Hugging Face:
 * repair (ftfy, HTML entities), white space, case, punctuation.
 *
 * The repair follows a heuristic about mixed-up encodings. clipc does not
 * repair: a text that the repair might change is refused. clean_tables.c says
 * which texts the repair never changes, but for quotation marks, which it
 * makes straight.
 */
#ifndef CLIPC_CLEAN_H
#define CLIPC_CLEAN_H

#include "text/unicode.h"

/* Steps, or'ed. 0: the text stays as it is. */
enum {
    CLIPC_CLEAN_SPACES = 1,     /* repair; one space for each run of white
                                 * space, none at the ends */
    CLIPC_CLEAN_LOWER = 2,      /* as Python's str.lower() */
    CLIPC_CLEAN_PUNCTUATION = 4 /* no ASCII punctuation, a space for "_" */
};

/* The result replaces *out; text is valid UTF-8. CLIPC_ERR_UNSUPPORTED: the
 * repair might change the text; the offset says where. */
clipc_status clipc_clean_text(clipc_utf8 *out, clipc_text text, unsigned steps,
                              clipc_error *err);

/* ---- tables (clean_tables.c) ------------------------------------------- */

typedef enum clipc_clean_kind {
    CLIPC_CLEAN_PLAIN,
    CLIPC_CLEAN_SMALL,  /* a small letter that the heuristic knows */
    CLIPC_CLEAN_LARGE,  /* a large accented letter: not behind such a one */
    CLIPC_CLEAN_SINGLE, /* quotation marks: between ASCII characters */
    CLIPC_CLEAN_DOUBLE
} clipc_clean_kind;

/* Sorted; what is not in them, and not ASCII, may be changed. */
typedef struct clipc_clean_range {
    uint32_t first, last, kind;
} clipc_clean_range;
extern const clipc_clean_range clipc_clean_harmless[];
extern const size_t clipc_n_clean_harmless;

/* Names of HTML entities that need no semicolon. */
extern const char *const clipc_clean_entities[];
extern const size_t clipc_n_clean_entities;

#endif /* CLIPC_CLEAN_H */
