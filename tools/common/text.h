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

/* Bytes of the UTF-8 character at s. 0: there is none, and *bad is how many
 * bytes one replacement character stands for (the maximal subpart). */
size_t tool_utf8(const char *s, size_t n, size_t *bad);

/* Offset of the first byte that is not UTF-8, or n. */
size_t tool_utf8_valid(const char *s, size_t n);

/* Whether UTF-8 text is empty or Unicode's white space alone. */
bool tool_is_white(const char *s, size_t n);

/* Columns that UTF-8 text takes on a terminal, or a few more: characters that
 * may be shown wide count as two, combining ones as one. */
size_t tool_columns(const char *s, size_t n);

/* Writes text with control bytes and bytes that are not UTF-8 as \xNN. */
void tool_show(FILE *file, const char *s, size_t n);

/* A name for a message: as tool_show(), the middle left out past 160 bytes, a
 * URL without userinfo, query and fragment. */
typedef struct tool_name {
    char text[176];
} tool_name;
tool_name tool_shown_name(const char *name);

/* Whether the name has the form scheme://... */
bool tool_is_url(const char *name);

#endif /* CLIPC_TOOL_TEXT_H */
