/* SPDX-License-Identifier: MIT
 *
 * charsmap.h - SentencePiece's precompiled rules of normalisation: byte
 * strings and what replaces them.
 *
 *     u32 size | double array [size / 4] u32 | strings, each ended by a zero
 *
 * The double array is darts-clone's: a unit is a leaf (bit 31: the value in
 * the other bits) or a node with its label in bits 0 to 7, a flag that a leaf
 * follows in bit 8, and the offset to its children in bits 10 to 30, times 256
 * with bit 9. The child of node i at byte b is i ^ offset ^ b; the leaf of
 * node i is i ^ offset. A value is where the replacement begins in the
 * strings.
 */
#ifndef CLIPC_CHARSMAP_H
#define CLIPC_CHARSMAP_H

#include "base/base.h"

/* Borrows its bytes; all zero: no rules. */
typedef struct clipc_charsmap {
    const unsigned char *units; /* [n_units] u32, not aligned */
    size_t n_units;
    const char *strings; /* valid UTF-8; the last byte is zero */
    size_t n_strings;
} clipc_charsmap;

/* Reads n bytes, none of which need be aligned, and keeps pointers into them.
 * Checks that a search stays inside the array and ends, and that every
 * replacement is UTF-8. n 0: no rules. name is for messages. */
clipc_status clipc_charsmap_open(clipc_charsmap *map,
                                 const unsigned char *data, size_t n,
                                 const char *name, clipc_error *err);

/* The longest, or the shortest, rule that the text begins with: returns its
 * bytes and points *replacement at what replaces it; 0: no rule. */
size_t clipc_charsmap_longest(const clipc_charsmap *map, const char *text,
                              size_t n, clipc_text *replacement);
size_t clipc_charsmap_shortest(const clipc_charsmap *map, const char *text,
                               size_t n, clipc_text *replacement);

#endif /* CLIPC_CHARSMAP_H */
