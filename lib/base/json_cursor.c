/* SPDX-License-Identifier: MIT
 *
 * json_cursor.c - see json_cursor.h.
 */
#include "base/json_cursor.h"

#include "base/os.h"
#include "base/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 64
#define MAX_JSON_BYTES ((size_t)128 << 20) /* 901,629 pieces are 62 MB */
#define MAX_TOKEN_BYTES ((size_t)1 << 20)

/* ---- opening ----------------------------------------------------------- */

/* Bytes that end a number or a literal. */
static const bool SEPARATOR[256] = {
    [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true,
    ['['] = true, [']'] = true,  ['{'] = true,  ['}'] = true,
    [','] = true, [':'] = true,  ['"'] = true,
};

bool clipc_cursor_is_separator(char c)
{
    return SEPARATOR[(unsigned char)c];
}

/* Past the string that begins at data[i]. */
static size_t string_end(const char *data, size_t n, size_t i)
{
    for (i++; i < n && data[i] != '"';)
        i += data[i] == '\\' && i + 1 < n ? 2 : 1;
    return i + (i < n);
}

/* Checks the bounds of a document before it is read. Only strings and brackets
 * are told apart here: the document need not be valid. */
static clipc_status scan(const char *data, size_t n, const char *name,
                         size_t *longest, clipc_error *err)
{
    size_t depth = 0;

    *longest = 0;
    for (size_t i = 0; i < n;) {
        size_t start = i;
        char c = data[i++];
        if (c == '[' || c == '{') {
            if (++depth > MAX_DEPTH)
                return clipc_fail(err, CLIPC_ERR_LIMIT, (int64_t)start,
                                  "%s: JSON nested deeper than %d levels",
                                  CLIPC_QUOTE(name), MAX_DEPTH);
        } else if (c == ']' || c == '}') {
            if (depth-- == 0)
                return clipc_fail(err, CLIPC_ERR_FORMAT, (int64_t)start,
                                  "%s: not valid JSON", CLIPC_QUOTE(name));
        } else if (c == '"') {
            i = string_end(data, n, start);
        } else if (!clipc_cursor_is_separator(c)) {
            while (i < n && !clipc_cursor_is_separator(data[i]))
                i++;
        }
        if (i - start > *longest)
            *longest = i - start;
    }
    if (*longest > MAX_TOKEN_BYTES)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: a JSON string is longer than %zu bytes",
                          CLIPC_QUOTE(name), MAX_TOKEN_BYTES);
    return CLIPC_OK;
}

clipc_status clipc_cursor_open(clipc_json_cursor *cursor, const char *data,
                               size_t n, const char *name, clipc_error *err)
{
    size_t longest;

    *cursor = (clipc_json_cursor){ .data = data, .name = name, .n = n };
    if (n > MAX_JSON_BYTES)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: JSON of %zu bytes, the limit is %zu",
                          CLIPC_QUOTE(name), n, MAX_JSON_BYTES);
    if (n >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0)
        return clipc_fail(err, CLIPC_ERR_FORMAT, 0,
                          "%s: JSON must not start with a byte order mark",
                          CLIPC_QUOTE(name));
    const char *nul = n ? memchr(data, '\0', n) : NULL;
    if (nul)
        return clipc_fail(err, CLIPC_ERR_FORMAT, nul - data,
                          "%s: not valid JSON: a NUL byte", CLIPC_QUOTE(name));
    CLIPC_TRY(scan(data, n, name, &longest, err));
    size_t valid = clipc_utf8_check(data, n);
    if (valid < n)
        return clipc_fail(err, CLIPC_ERR_FORMAT, (int64_t)valid,
                          "%s: invalid UTF-8 in JSON", CLIPC_QUOTE(name));
    cursor->token = clipc_alloc(longest + 1, 1);
    cursor->numbers = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (!cursor->token || !cursor->numbers) {
        clipc_cursor_close(cursor);
        return clipc_fail_nomem(err, "JSON");
    }
    return CLIPC_OK;
}

void clipc_cursor_close(clipc_json_cursor *cursor)
{
    if (cursor->numbers)
        freelocale(cursor->numbers);
    free(cursor->token);
    *cursor = (clipc_json_cursor){ 0 };
}

/* ---- white space, brackets --------------------------------------------- */

clipc_status clipc_cursor_fail(const clipc_json_cursor *r, const char *what,
                               clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_FORMAT, (int64_t)r->at, "%s: %s%s",
                      CLIPC_QUOTE(r->name), what,
                      r->at >= r->n ? ": it ends too early" : "");
}

static clipc_status fail_syntax(const clipc_json_cursor *r, clipc_error *err)
{
    return clipc_cursor_fail(r, "not valid JSON", err);
}

/* The byte at `at`, or NUL at the end: the text has none of its own. */
static char byte_at(const clipc_json_cursor *r)
{
    return r->at < r->n ? r->data[r->at] : '\0';
}

char clipc_cursor_peek(clipc_json_cursor *r)
{
    while (r->at < r->n && (r->data[r->at] == ' ' || r->data[r->at] == '\n' ||
                            r->data[r->at] == '\t' || r->data[r->at] == '\r'))
        r->at++;
    return byte_at(r);
}

void clipc_cursor_enter(clipc_json_cursor *r)
{
    r->at++;
}

clipc_status clipc_cursor_more(clipc_json_cursor *r, char close, bool first,
                               bool *more, clipc_error *err)
{
    const char c = clipc_cursor_peek(r);

    *more = first ? c != close : c == ',';
    if (!first && c != ',' && c != close)
        return fail_syntax(r, err);
    if (c == close || !first)
        r->at++;
    if (*more)
        clipc_cursor_peek(r);
    return CLIPC_OK;
}

clipc_status clipc_cursor_skip(clipc_json_cursor *r, clipc_error *err)
{
    size_t depth = 0;

    do {
        const char c = byte_at(r);
        if (r->at >= r->n)
            return fail_syntax(r, err);
        if (c == '"') {
            r->at = string_end(r->data, r->n, r->at);
            continue;
        }
        r->at++;
        if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}')
            depth--;
    } while (depth > 0);
    return CLIPC_OK;
}

/* ---- strings ----------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* After \u: four digits. */
static clipc_status read_hex(clipc_json_cursor *r, uint32_t *out,
                             clipc_error *err)
{
    *out = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = byte_at(r), lower = (char)(c | 0x20);
        if (is_digit(c))
            *out = *out << 4 | (uint32_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            *out = *out << 4 | (uint32_t)(lower - 'a' + 10);
        else
            return fail_syntax(r, err);
    }
    return CLIPC_OK;
}

/* After a backslash: writes the bytes of the escape at *end and moves *end. */
static clipc_status read_escape(clipc_json_cursor *r, char **end,
                                clipc_error *err)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const size_t start = r->at - 1;
    const char *found = r->at < r->n ? strchr(names, byte_at(r)) : NULL;
    uint32_t code, low;

    if (found) {
        *(*end)++ = bytes[found - names];
        r->at++;
        return CLIPC_OK;
    }
    if (byte_at(r) != 'u')
        return fail_syntax(r, err);
    r->at++;
    CLIPC_TRY(read_hex(r, &code, err));
    if (code >= 0xd800 && code < 0xdc00 && r->n - r->at >= 2 &&
        memcmp(r->data + r->at, "\\u", 2) == 0) {
        r->at += 2;
        CLIPC_TRY(read_hex(r, &low, err));
        if (low >= 0xdc00 && low < 0xe000)
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code >= 0xd800 && code < 0xe000) {
        r->at = start;
        return clipc_cursor_fail(r, "half of a surrogate pair in JSON", err);
    }
    *end += clipc_utf8_encode(code, *end);
    return CLIPC_OK;
}

clipc_status clipc_cursor_string(clipc_json_cursor *r, clipc_text *out,
                                 clipc_error *err)
{
    char *end = r->token;
    bool escaped = false;

    if (byte_at(r) != '"')
        return fail_syntax(r, err);
    size_t begin = ++r->at;
    while (r->at < r->n && r->data[r->at] != '"') {
        if ((unsigned char)r->data[r->at] < 0x20)
            return fail_syntax(r, err);
        if (r->data[r->at] != '\\') {
            r->at++;
            continue;
        }
        memcpy(end, r->data + begin, r->at - begin);
        end += r->at - begin;
        r->at++;
        CLIPC_TRY(read_escape(r, &end, err));
        escaped = true;
        begin = r->at;
    }
    if (r->at >= r->n)
        return fail_syntax(r, err);
    *out = (clipc_text){ r->data + begin, r->at - begin };
    if (escaped) {
        memcpy(end, out->data, out->len);
        *out = (clipc_text){ r->token, (size_t)(end - r->token) + out->len };
    }
    r->at++;
    return CLIPC_OK;
}

clipc_status clipc_cursor_key(clipc_json_cursor *r, clipc_text *out,
                              clipc_error *err)
{
    CLIPC_TRY(clipc_cursor_string(r, out, err));
    if (out->len > 0 && memchr(out->data, '\0', out->len)) {
        r->at--; /* its closing quote */
        return clipc_cursor_fail(r, "NUL in a JSON key", err);
    }
    if (clipc_cursor_peek(r) != ':')
        return fail_syntax(r, err);
    r->at++;
    clipc_cursor_peek(r);
    return CLIPC_OK;
}

/* ---- numbers ----------------------------------------------------------- */

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? from `at` on. false: no
 * number, and `at` is the first wrong byte. */
static bool skip_number(clipc_json_cursor *r, bool *is_real)
{
    *is_real = false;
    r->at += byte_at(r) == '-';
    if (!is_digit(byte_at(r)))
        return false;
    if (byte_at(r) == '0' && r->at + 1 < r->n && is_digit(r->data[r->at + 1]))
        return false;
    while (is_digit(byte_at(r)))
        r->at++;
    if (byte_at(r) == '.') {
        *is_real = true;
        r->at++;
        if (!is_digit(byte_at(r)))
            return false;
        while (is_digit(byte_at(r)))
            r->at++;
    }
    if (byte_at(r) == 'e' || byte_at(r) == 'E') {
        *is_real = true;
        r->at++;
        r->at += byte_at(r) == '+' || byte_at(r) == '-';
        if (!is_digit(byte_at(r)))
            return false;
        while (is_digit(byte_at(r)))
            r->at++;
    }
    return true;
}

clipc_status clipc_cursor_number(clipc_json_cursor *r, bool reals,
                                 clipc_cursor_value *out, clipc_error *err)
{
    const size_t begin = r->at;
    bool too_large = false;

    if (!skip_number(r, &out->is_real) ||
        (r->at < r->n && !clipc_cursor_is_separator(byte_at(r))))
        return fail_syntax(r, err);
    memcpy(r->token, r->data + begin, r->at - begin);
    r->token[r->at - begin] = '\0';
    if (!out->is_real && !reals) {
        errno = 0;
        out->integer = strtoll(r->token, NULL, 10);
        out->real = (double)out->integer;
        too_large = errno == ERANGE;
    } else {
        out->integer = 0;
        out->real = clipc_os_strtod(r->token, r->numbers);
        too_large = !reals && !isfinite(out->real);
    }
    if (too_large) {
        r->at--; /* its last byte */
        return clipc_cursor_fail(r, "JSON number too large", err);
    }
    return CLIPC_OK;
}
