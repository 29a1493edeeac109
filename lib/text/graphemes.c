/* SPDX-License-Identifier: MIT
 *
 * graphemes.c - see graphemes.h. The rules that pair regional indicators (GB12,
 * GB13) are left out.
 */
#include "text/graphemes.h"

/* Numbers of the table's rows; SPACING to JOINER extend a cluster. */
typedef enum grapheme_class {
    OTHER,
    CONTROL,
    PREPEND,
    SPACING,   /* SpacingMark */
    EXTEND,    /* Extend, but not one of the next two */
    BRIDGE,    /* Extend that may stand between a linker and a consonant */
    LINKER,    /* Extend that joins two consonants of an Indic script */
    JOINER,    /* U+200D */
    PICTURE,   /* Extended_Pictographic */
    CONSONANT, /* of an Indic script with linkers */
    LEAD,      /* Hangul L */
    VOWEL,     /* Hangul V */
    TRAIL,     /* Hangul T */
    SYLLABLE,  /* Hangul LV */
    CLOSED     /* Hangul LVT */
} grapheme_class;

static grapheme_class class_of(uint32_t code)
{
    size_t low = 0, high = clipc_n_unicode_graphemes;

    if (code >= 0xAC00 && code < 0xAC00 + 11172)
        return (code - 0xAC00) % 28 == 0 ? SYLLABLE : CLOSED;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (clipc_unicode_graphemes[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < clipc_n_unicode_graphemes &&
        clipc_unicode_graphemes[low].first <= code)
        return (grapheme_class)clipc_unicode_graphemes[low].rank;
    return OTHER;
}

static bool extends(grapheme_class class)
{
    return class >= SPACING && class <= JOINER;
}

/* What a cluster has so far, for the rules that look back more than one. */
typedef struct cluster {
    grapheme_class last;
    bool picture, picture_joiner; /* PICTURE Extend*; and JOINER behind it */
    bool consonant, linker;       /* CONSONANT [bridges]*; with a linker */
} cluster;

static bool joins(const cluster *c, grapheme_class next)
{
    if (c->last == CONTROL || next == CONTROL)
        return false;
    if (extends(next) || c->last == PREPEND)
        return true;
    switch (c->last) {
    case LEAD:
        return next == LEAD || next == VOWEL || next == SYLLABLE ||
               next == CLOSED;
    case SYLLABLE:
    case VOWEL: return next == VOWEL || next == TRAIL;
    case CLOSED:
    case TRAIL: return next == TRAIL;
    default: break;
    }
    return (next == PICTURE && c->picture_joiner) ||
           (next == CONSONANT && c->linker);
}

static void append(cluster *c, grapheme_class next)
{
    const bool extend = next == EXTEND || next == BRIDGE || next == LINKER;

    c->picture_joiner = next == JOINER && c->picture;
    c->picture = next == PICTURE || (c->picture && extend);
    c->linker = (c->linker && (next == BRIDGE || next == JOINER)) ||
                (c->consonant && next == LINKER);
    c->consonant = next == CONSONANT ||
                   (c->consonant &&
                    (next == BRIDGE || next == LINKER || next == JOINER));
    c->last = next;
}

size_t clipc_grapheme_length(const char *text, size_t n)
{
    cluster c = { 0 };
    uint32_t code, next;
    size_t at, length;

    if (n > 1 && text[0] == '\r' && text[1] == '\n')
        return 2;
    if (n > 1 && (unsigned char)text[0] < 0x80 &&
        (unsigned char)text[1] < 0x80)
        return 1;
    at = clipc_utf8_decode(text, n, &code);
    append(&c, code == '\r' || code == '\n' ? CONTROL : class_of(code));
    for (; at < n; at += length) {
        length = clipc_utf8_decode(text + at, n - at, &next);
        const grapheme_class class = next == '\r' || next == '\n'
                                         ? CONTROL
                                         : class_of(next);
        if (!joins(&c, class))
            break;
        append(&c, class);
    }
    return at;
}
