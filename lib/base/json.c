/* SPDX-License-Identifier: MIT
 *
 * json.c - strict JSON (RFC 8259) into jansson's values.
 *
 * The text is read here and not by jansson, whose lexer (2.14 to 2.15.1 at
 * least) does not check that its buffer could grow: when memory stays short,
 * the closing quote of a string is missing, and the lexer reads and writes
 * past the ends of its blocks. tests/unit/base/test_json.c has a document that
 * makes it do so. jansson's constructors of values report such failures.
 */
#include "base/json.h"
#include "base/utf8.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 64
#define MAX_JSON_BYTES ((size_t)64 << 20)
#define MAX_TOKEN_BYTES ((size_t)1 << 20)

/* ---- parsing ----------------------------------------------------------- */

/* Bytes that end a number or a literal. */
static const bool SEPARATOR[256] = {
    [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true,
    ['['] = true, [']'] = true,  ['{'] = true,  ['}'] = true,
    [','] = true, [':'] = true,  ['"'] = true,
};

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
            while (i < n && data[i] != '"')
                i += data[i] == '\\' && i + 1 < n ? 2 : 1;
            i += i < n;
        } else if (!SEPARATOR[(unsigned char)c]) {
            while (i < n && !SEPARATOR[(unsigned char)data[i]])
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

/* The document being read. `at` never passes n; a failure is at `at`. */
typedef struct reader {
    const char *data, *name; /* data: [n] */
    size_t n, at;
    char *token;      /* [longest token + 1]: unescaped strings, numbers */
    bool reals;       /* every number as a real */
    locale_t numbers; /* a point, whatever the program's locale has */
} reader;

static clipc_status fail_syntax(const reader *r, const char *what,
                                clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_FORMAT, (int64_t)r->at, "%s: %s%s",
                      CLIPC_QUOTE(r->name), what,
                      r->at >= r->n ? ": it ends too early" : "");
}

/* The byte at `at`, or NUL at the end: the text has none of its own. */
static char peek(const reader *r)
{
    return r->at < r->n ? r->data[r->at] : '\0';
}

static void skip_white_space(reader *r)
{
    while (r->at < r->n && (r->data[r->at] == ' ' || r->data[r->at] == '\n' ||
                            r->data[r->at] == '\t' || r->data[r->at] == '\r'))
        r->at++;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* After \u: four digits. */
static clipc_status read_hex(reader *r, uint32_t *out, clipc_error *err)
{
    *out = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = peek(r), lower = (char)(c | 0x20);
        if (is_digit(c))
            *out = *out << 4 | (uint32_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            *out = *out << 4 | (uint32_t)(lower - 'a' + 10);
        else
            return fail_syntax(r, "not valid JSON", err);
    }
    return CLIPC_OK;
}

/* After a backslash: writes the bytes of the escape at *end and moves *end. */
static clipc_status read_escape(reader *r, char **end, clipc_error *err)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const size_t start = r->at - 1;
    const char *found = r->at < r->n ? strchr(names, peek(r)) : NULL;
    uint32_t code, low;

    if (found) {
        *(*end)++ = bytes[found - names];
        r->at++;
        return CLIPC_OK;
    }
    if (peek(r) != 'u')
        return fail_syntax(r, "not valid JSON", err);
    r->at++;
    CLIPC_TRY(read_hex(r, &code, err));
    if (code >= 0xd800 && code < 0xdc00 && r->n - r->at >= 2 &&
        memcmp(r->data + r->at, "\\u", 2) == 0) {
        r->at += 2;
        CLIPC_TRY(read_hex(r, &low, err));
        if (low >= 0xdc00 && low < 0xe000)
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code >= 0xd800 && code < 0xe000) { /* half of a pair */
        r->at = start;
        return fail_syntax(r, "not valid JSON", err);
    }
    *end += clipc_utf8_encode(code, *end);
    return CLIPC_OK;
}

/* At the opening quote. The string's bytes: in the text itself or in
 * r->token, which the next string overwrites. */
static clipc_status read_string(reader *r, const char **out, size_t *n,
                                clipc_error *err)
{
    char *end = r->token;
    size_t begin = ++r->at;
    bool escaped = false;

    while (r->at < r->n && r->data[r->at] != '"') {
        if ((unsigned char)r->data[r->at] < 0x20)
            return fail_syntax(r, "not valid JSON", err);
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
        return fail_syntax(r, "not valid JSON", err);
    *out = r->data + begin;
    *n = r->at - begin;
    if (escaped) {
        memcpy(end, *out, *n);
        *n = (size_t)(end - r->token) + *n;
        *out = r->token;
    }
    r->at++;
    return CLIPC_OK;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? from `at` on. false: no
 * number, and `at` is the first wrong byte. */
static bool skip_number(reader *r, bool *is_real)
{
    *is_real = false;
    r->at += peek(r) == '-';
    if (!is_digit(peek(r)))
        return false;
    if (peek(r) == '0' && r->at + 1 < r->n && is_digit(r->data[r->at + 1]))
        return false;
    while (is_digit(peek(r)))
        r->at++;
    if (peek(r) == '.') {
        *is_real = true;
        r->at++;
        if (!is_digit(peek(r)))
            return false;
        while (is_digit(peek(r)))
            r->at++;
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        *is_real = true;
        r->at++;
        r->at += peek(r) == '+' || peek(r) == '-';
        if (!is_digit(peek(r)))
            return false;
        while (is_digit(peek(r)))
            r->at++;
    }
    return true;
}

static clipc_status read_number(reader *r, json_t **out, clipc_error *err)
{
    const size_t begin = r->at;
    bool is_real, too_large;

    if (!skip_number(r, &is_real) ||
        (r->at < r->n && !SEPARATOR[(unsigned char)peek(r)]))
        return fail_syntax(r, "not valid JSON", err);
    memcpy(r->token, r->data + begin, r->at - begin);
    r->token[r->at - begin] = '\0';
    errno = 0;
    if (is_real || r->reals) {
        locale_t before = uselocale(r->numbers);
        double value = strtod(r->token, NULL);
        uselocale(before);
        too_large = !isfinite(value);
        *out = too_large ? NULL : json_real(value);
    } else {
        long long value = strtoll(r->token, NULL, 10);
        too_large = errno == ERANGE;
        *out = too_large ? NULL : json_integer(value);
    }
    if (too_large) {
        r->at--; /* its last byte */
        return fail_syntax(r, "JSON number too large", err);
    }
    return *out ? CLIPC_OK : clipc_fail_nomem(err, "JSON");
}

/* true, false, null. */
static clipc_status read_word(reader *r, json_t **out, clipc_error *err)
{
    static const char *const words[] = { "true", "false", "null" };

    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if (r->n - r->at < n || memcmp(r->data + r->at, words[i], n) != 0 ||
            (r->at + n < r->n &&
             !SEPARATOR[(unsigned char)r->data[r->at + n]]))
            continue;
        r->at += n;
        *out = i == 0 ? json_true() : i == 1 ? json_false() : json_null();
        return CLIPC_OK;
    }
    /* The rest of the text may be the beginning of a word. */
    for (size_t i = 0; i < 3; i++)
        if (r->n - r->at < strlen(words[i]) &&
            memcmp(r->data + r->at, words[i], r->n - r->at) == 0)
            r->at = r->n;
    return fail_syntax(r, "not valid JSON", err);
}

static clipc_status read_value(reader *r, json_t **out, clipc_error *err);

static clipc_status read_member(reader *r, json_t *object, clipc_error *err)
{
    const char *text;
    json_t *value = NULL;
    size_t n;

    if (peek(r) != '"')
        return fail_syntax(r, "not valid JSON", err);
    CLIPC_TRY(read_string(r, &text, &n, err));
    const size_t end = r->at - 1; /* its closing quote */
    if (memchr(text, '\0', n)) {
        r->at = end;
        return fail_syntax(r, "NUL in a JSON key", err);
    }
    /* Not in r->token: the value may have strings. */
    char *key = clipc_strndup(text, n);
    if (!key)
        return clipc_fail_nomem(err, "JSON");
    clipc_status status = CLIPC_OK;
    skip_white_space(r);
    if (json_object_get(object, key)) {
        r->at = end;
        status = fail_syntax(r, "duplicate key in JSON", err);
    } else if (peek(r) != ':') {
        status = fail_syntax(r, "not valid JSON", err);
    } else {
        r->at++;
        status = read_value(r, &value, err);
    }
    if (status == CLIPC_OK &&
        json_object_set_new_nocheck(object, key, value) != 0)
        status = clipc_fail_nomem(err, "JSON");
    free(key);
    return status;
}

/* At the bracket. The depth is bounded by scan(). */
static clipc_status read_container(reader *r, json_t **out, clipc_error *err)
{
    const bool is_object = peek(r) == '{';
    const char close = is_object ? '}' : ']';
    json_t *all = is_object ? json_object() : json_array();
    clipc_status status = CLIPC_OK;

    if (!all)
        return clipc_fail_nomem(err, "JSON");
    r->at++;
    skip_white_space(r);
    bool more = peek(r) != close;
    while (more && status == CLIPC_OK) {
        json_t *value = NULL;
        skip_white_space(r);
        status = is_object ? read_member(r, all, err)
                           : read_value(r, &value, err);
        if (status == CLIPC_OK && !is_object &&
            json_array_append_new(all, value) != 0)
            status = clipc_fail_nomem(err, "JSON");
        if (status != CLIPC_OK)
            break;
        skip_white_space(r);
        more = peek(r) == ',';
        if (more)
            r->at++;
        else if (peek(r) != close)
            status = fail_syntax(r, "not valid JSON", err);
    }
    if (status != CLIPC_OK) {
        json_decref(all);
        return status;
    }
    r->at++;
    *out = all;
    return CLIPC_OK;
}

static clipc_status read_value(reader *r, json_t **out, clipc_error *err)
{
    const char *text;
    size_t n;

    *out = NULL;
    skip_white_space(r);
    const char c = peek(r);
    if (c == '{' || c == '[')
        return read_container(r, out, err);
    if (c == '-' || is_digit(c))
        return read_number(r, out, err);
    if (c != '"')
        return read_word(r, out, err);
    CLIPC_TRY(read_string(r, &text, &n, err));
    *out = json_stringn_nocheck(text, n);
    return *out ? CLIPC_OK : clipc_fail_nomem(err, "JSON");
}

static clipc_status read_document(reader *r, json_t **root, clipc_error *err)
{
    json_t *value;

    CLIPC_TRY(read_value(r, &value, err));
    skip_white_space(r);
    if (r->at < r->n) {
        json_decref(value);
        return fail_syntax(r, "more than one value in JSON", err);
    }
    *root = value;
    return CLIPC_OK;
}

static clipc_status parse(json_t **root, const char *data, size_t n,
                          const char *name, bool reals, clipc_error *err)
{
    reader r = { .data = data, .name = name, .n = n, .reals = reals };
    clipc_status status;
    size_t longest;

    *root = NULL;
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

    r.token = clipc_alloc(longest + 1, 1);
    r.numbers = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (r.token && r.numbers)
        status = read_document(&r, root, err);
    else
        status = clipc_fail_nomem(err, "JSON");
    if (r.numbers)
        freelocale(r.numbers);
    free(r.token);
    return status;
}

clipc_status clipc_json_parse(json_t **root, const char *data, size_t n,
                              const char *name, clipc_error *err)
{
    return parse(root, data, n, name, false, err);
}

clipc_status clipc_json_parse_reals(json_t **root, const char *data, size_t n,
                                    const char *name, clipc_error *err)
{
    return parse(root, data, n, name, true, err);
}
