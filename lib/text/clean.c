/* SPDX-License-Identifier: MIT
 *
 * clean.c - see clean.h. Reference: open_clip 3.3 (basic_clean(),
 * canonicalize_text(), whitespace_clean()), ftfy 6.3.1 and Python 3.11.
 * tests/golden/make_clean_tables.py has the same rules in Python, and tries
 * them against ftfy.
 */
#include "text/clean.h"

#include "base/utf8.h"
#include "text/python_text.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ENTITY = 32 }; /* characters of a name, as Python's html has it */

/* ---- whether a text is harmless ---------------------------------------- */

/* false: not in the table. */
static bool find_kind(uint32_t code, clipc_clean_kind *kind)
{
    size_t low = 0, high = clipc_n_clean_harmless;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const clipc_clean_range *r = &clipc_clean_harmless[middle];
        if (code < r->first) {
            high = middle;
        } else if (code > r->last) {
            low = middle + 1;
        } else {
            *kind = (clipc_clean_kind)r->kind;
            return true;
        }
    }
    return false;
}

/* Whether what follows an ampersand may be an HTML entity. */
static bool is_entity(const char *s, size_t n)
{
    size_t name = 0, characters = 0;

    if (n > 0 && *s == '#')
        return true;
    while (name < n && characters < MAX_ENTITY &&
           !strchr("\t\n\f <&#;", s[name])) {
        uint32_t code;
        name += clipc_utf8_decode(s + name, n - name, &code);
        characters++;
    }
    if (name > 0 && name < n && s[name] == ';')
        return true;
    for (size_t i = 0; i < clipc_n_clean_entities; i++) {
        const size_t length = strlen(clipc_clean_entities[i]);
        if (length <= name && memcmp(s, clipc_clean_entities[i], length) == 0)
            return true;
    }
    return false;
}

static bool is_ascii_harmless(const char *s, size_t n)
{
    const unsigned char c = (unsigned char)*s;

    if (c < 0x20 || c == 0x7F)
        return c == '\t' || c == '\n' || c == '\r';
    return c != '&' || !is_entity(s + 1, n - 1);
}

/* A walk over the characters of a text. */
typedef struct walk {
    clipc_clean_kind kind; /* of the character before */
    bool ascii;            /* the character before is ASCII, or none is */
} walk;

/* Takes the character of `length` bytes at s. false: it may be changed. */
static bool take(walk *w, uint32_t code, const char *s, size_t n)
{
    const bool ascii = code < 0x80;
    clipc_clean_kind kind = CLIPC_CLEAN_PLAIN;

    if (ascii ? !is_ascii_harmless(s, n) : !find_kind(code, &kind))
        return false;
    if (kind == CLIPC_CLEAN_LARGE && w->kind == CLIPC_CLEAN_SMALL)
        return false;
    if (kind >= CLIPC_CLEAN_SINGLE && !w->ascii)
        return false;
    if (w->kind >= CLIPC_CLEAN_SINGLE && !ascii)
        return false;
    *w = (walk){ kind, ascii };
    return true;
}

/* ---- the steps --------------------------------------------------------- */

static bool is_punctuation(char c)
{
    return c > ' ' && c < 0x7F &&
           !((c >= '0' && c <= '9') ||
             ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'));
}

/* Appends what the steps before the lower case leave of a character. */
static bool push(clipc_utf8 *out, const walk *w, const char *s, size_t length,
                 unsigned steps)
{
    if (w->kind == CLIPC_CLEAN_SINGLE)
        s = "'", length = 1;
    else if (w->kind == CLIPC_CLEAN_DOUBLE)
        s = "\"", length = 1;
    if (length == 1 && (steps & CLIPC_CLEAN_PUNCTUATION) &&
        is_punctuation(*s)) {
        if (*s != '_')
            return true;
        s = " ";
    }
    return clipc_utf8_push(out, s, length);
}

/* " ".join(text.split()), in place. */
static void join_words(clipc_utf8 *text)
{
    size_t kept = 0;
    bool gap = false;

    for (size_t i = 0; i < text->n;) {
        uint32_t code;
        const size_t length = clipc_utf8_decode(text->data + i, text->n - i,
                                                &code);
        if (clipc_python_is_space(code)) {
            gap = kept > 0;
        } else {
            /* A gap was at least a byte: the text never grows. */
            if (gap)
                text->data[kept++] = ' ';
            gap = false;
            memmove(text->data + kept, text->data + i, length);
            kept += length;
        }
        i += length;
    }
    text->n = kept;
}

clipc_status clipc_clean_text(clipc_utf8 *out, clipc_text text, unsigned steps,
                              clipc_error *err)
{
    walk w = { .ascii = true };
    clipc_utf8 plain = { 0 };
    bool good = true;

    out->n = 0;
    for (size_t i = 0; good && i < text.len;) {
        uint32_t code;
        const size_t length = clipc_utf8_decode(text.data + i, text.len - i,
                                                &code);
        if (!take(&w, code, text.data + i, text.len - i)) {
            free(plain.data);
            return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, (int64_t)i,
                              "open_clip may repair this text at byte %zu "
                              "(U+%04lX), which clipc does not do; the model "
                              "in transformers' layout reads any text",
                              i, (unsigned long)code);
        }
        good = push(&plain, &w, text.data + i, length, steps);
        i += length;
    }
    if (good && (steps & CLIPC_CLEAN_LOWER))
        good = clipc_python_lower(plain.data ? plain.data : "", plain.n, out);
    else if (good)
        good = clipc_utf8_push(out, plain.data ? plain.data : "", plain.n);
    free(plain.data);
    if (!good)
        return clipc_fail_nomem(err, "cleaned text");
    join_words(out);
    return CLIPC_OK;
}
