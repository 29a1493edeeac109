/* SPDX-License-Identifier: MIT
 *
 * text.h - UTF-8, and text made fit to be shown on a terminal.
 */
#ifndef CLIPC_TOOL_TEXT_H
#define CLIPC_TOOL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Bytes of the UTF-8 character at s. 0: s is not UTF-8, and *bad, unless bad
 * is NULL, is the number of bytes that one U+FFFD replaces (the maximal
 * subpart). */
size_t tool_utf8(const char *s, size_t n, size_t *bad);

/* Offset of the first byte that is not UTF-8, or n. */
size_t tool_utf8_valid(const char *s, size_t n);

/* Whether UTF-8 text is empty or has nothing but Unicode's White_Space. */
bool tool_is_white(const char *s, size_t n);

/* An upper bound of the columns of UTF-8 text on a terminal: a character that
 * may be shown wide counts as two, a combining one as one. */
size_t tool_columns(const char *s, size_t n);

/* Writes text with control bytes and bytes that are not UTF-8 as \xNN. */
void tool_show(FILE *file, const char *s, size_t n);

/* A name for a message: escaped as by tool_show(), of a long name the first
 * and last part (160 bytes), of a URL no userinfo, query or fragment, of a
 * data: URL no data. */
typedef struct tool_name {
    char text[176];
} tool_name;
tool_name tool_shown_name(const char *name);

/* Whether the name has the form scheme://... */
bool tool_is_url(const char *name);
/* Whether it has the form data:...,... A file of such a name is ./data:... */
bool tool_is_data_url(const char *name);

#endif /* CLIPC_TOOL_TEXT_H */
