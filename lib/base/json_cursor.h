/* SPDX-License-Identifier: MIT
 *
 * json_cursor.h - JSON text read value by value, without a tree: for arrays
 * and objects of hundreds of thousands of small values. json.h makes trees.
 */
#ifndef CLIPC_JSON_CURSOR_H
#define CLIPC_JSON_CURSOR_H

#include "base/base.h"

#include <locale.h>

/* A place in a document. A failure of a call below is at `at`, which never
 * passes n. */
typedef struct clipc_json_cursor {
    const char *data, *name; /* data: [n]; name: for messages */
    size_t n, at;
    char *token;      /* room for a string with escapes, or a number */
    locale_t numbers; /* a point, whatever the program's locale has */
} clipc_json_cursor;

/* Opens a document at its first value: checks its size, its nesting (at most
 * 64), the length of its strings and its UTF-8. Syntax is checked by reading.
 * Keep data and name until the cursor is closed. */
clipc_status clipc_cursor_open(clipc_json_cursor *cursor, const char *data,
                               size_t n, const char *name, clipc_error *err);
/* Also of a cursor that is all zero, or whose opening failed. */
void clipc_cursor_close(clipc_json_cursor *cursor);

/* The first byte of the next value; NUL at the end of the document. */
char clipc_cursor_peek(clipc_json_cursor *cursor);

/* Takes the '{' or '[' that clipc_cursor_peek() saw. Then call
 * clipc_cursor_more() before each value of the container; for an object read a
 * key, then its value. */
void clipc_cursor_enter(clipc_json_cursor *cursor);
/* Whether the container, which ends with `close`, has another value. first:
 * none was read yet. Takes the comma, or the closing bracket. */
clipc_status clipc_cursor_more(clipc_json_cursor *cursor, char close,
                               bool first, bool *more, clipc_error *err);

/* A string without its quotes, as bytes of the document, or of the cursor
 * until the next string or number is read. A key is one without U+0000 and
 * takes its colon along. */
clipc_status clipc_cursor_string(clipc_json_cursor *cursor, clipc_text *out,
                                 clipc_error *err);
clipc_status clipc_cursor_key(clipc_json_cursor *cursor, clipc_text *out,
                              clipc_error *err);

typedef struct clipc_cursor_value {
    bool is_real;      /* has a fraction or an exponent */
    long long integer; /* unless is_real */
    double real;       /* in both cases */
} clipc_cursor_value;

/* A number that is too large is an error, unless reals: an integer may then be
 * larger than `integer` can hold, which is unspecified, and a number larger
 * than `real`, which is infinite. */
clipc_status clipc_cursor_number(clipc_json_cursor *cursor, bool reals,
                                 clipc_cursor_value *out, clipc_error *err);

/* Passes a container that will be read later or never. Its brackets are
 * matched, its syntax is not checked. */
clipc_status clipc_cursor_skip(clipc_json_cursor *cursor, clipc_error *err);

/* Whether the byte ends a number or a word: white space, a bracket, a comma, a
 * colon, a quote. */
bool clipc_cursor_is_separator(char c);

/* "NAME: WHAT", with the offset of the cursor. */
clipc_status clipc_cursor_fail(const clipc_json_cursor *cursor,
                               const char *what, clipc_error *err);

#endif /* CLIPC_JSON_CURSOR_H */
