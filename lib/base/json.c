/* SPDX-License-Identifier: MIT
 *
 * json.c - strict JSON (RFC 8259) through jansson, and typed getters.
 *
 * jansson grows the buffer of its lexer without checking that it could: when
 * memory runs out there, bytes of a token vanish silently. So every document
 * is handed over as `["xxx...", DOCUMENT]`, the first string longer than any
 * token of the document: a failure to grow shows in that string, and the
 * buffer never grows again. The scan that finds the longest token also bounds
 * the nesting, for which jansson's own limit of 2048 is too deep for small
 * stacks.
 */
#include "base/json.h"
#include "base/utf8.h"

#include <math.h>
#include <string.h>

#define MAX_DEPTH 64
#define MAX_JSON_BYTES ((size_t)64 << 20)
#define MAX_TOKEN_BYTES ((size_t)1 << 20)

/* ---- parsing ----------------------------------------------------------- */

/* Bytes that end a number or a literal. */
static const bool SEPARATOR[256] = {
    [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, ['['] = true,
    [']'] = true, ['{'] = true,  ['}'] = true,  [','] = true,  [':'] = true,
    ['"'] = true,
};

/* Bounds of the document before jansson sees it. It need not be valid: only
 * strings and brackets are told apart here. */
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

/* What jansson reads: [" and n_pad times x and ", and data and ]. Spaces that
 * follow a line feed are left out, which is half of an indented file: a string
 * cannot hold a line feed, so they are never part of one. */
typedef struct source {
    const char *data;
    size_t n, at; /* of data */
    size_t n_pad, n_before, written;
} source;

static size_t copy_data(source *src, char *out, size_t room)
{
    size_t n = src->n - src->at < room ? src->n - src->at : room;
    const char *from = src->data + src->at;
    const char *feed = n ? memchr(from, '\n', n) : NULL;

    if (feed)
        n = (size_t)(feed - from) + 1;
    memcpy(out, from, n);
    src->at += n;
    while (feed && src->at < src->n && src->data[src->at] == ' ')
        src->at++;
    return n;
}

static size_t read_source(void *buffer, size_t room, void *user)
{
    source *src = user;
    char *out = buffer;
    size_t n = 0;

    for (; n < room && src->written < src->n_before; src->written++) {
        size_t left = src->n_before - src->written;
        out[n++] = src->written == 0                ? '['
                 : src->written == 1 || left == 2   ? '"'
                 : left == 1                        ? ','
                                                    : 'x';
    }
    while (n < room && src->at < src->n)
        n += copy_data(src, out + n, room - n);
    if (n < room && src->at == src->n) {
        out[n++] = ']';
        src->at++; /* said once */
    }
    return n;
}

/* Offset in the data of byte number `index` that was handed over. */
static size_t data_offset(const source *src, size_t index)
{
    size_t at = 0;
    for (; index > 0 && at < src->n; index--)
        if (src->data[at++] == '\n')
            while (at < src->n && src->data[at] == ' ')
                at++;
    return at + index;
}

/* jansson reports some failures to allocate as none, and that of a string's
 * copy as an invalid token or, of a key, as one that is no string: messages
 * that otherwise are never about a token that ends in a quote. */
static bool out_of_memory(const json_error_t *error, char last)
{
    static const char invalid[] = "invalid token";
    static const char no_key[] = "string or '}' expected";

    return json_error_code(error) == json_error_out_of_memory ||
           error->text[0] == '\0' ||
           (last == '"' &&
            (strncmp(error->text, invalid, sizeof invalid - 1) == 0 ||
             strncmp(error->text, no_key, sizeof no_key - 1) == 0));
}

static clipc_status fail_syntax(const json_error_t *error, const source *src,
                                const char *name, clipc_error *err)
{
    /* The last byte that jansson read. */
    size_t n_read = error->position < 0 ? 0 : (size_t)error->position;
    size_t at = n_read > src->n_before
                    ? data_offset(src, n_read - src->n_before - 1)
                    : 0;
    const char *what = "not valid JSON";

    size_t valid = clipc_utf8_check(src->data, src->n);
    if (valid < src->n && json_error_code(error) == json_error_invalid_utf8)
        at = valid; /* jansson does not count the byte it cannot decode */
    else if (n_read <= src->n_before ||
             out_of_memory(error, at < src->n ? src->data[at] : '\0'))
        return clipc_fail_nomem(err, "JSON");
    switch (json_error_code(error)) {
    case json_error_invalid_utf8: what = "invalid UTF-8 in JSON"; break;
    case json_error_null_byte_in_key: what = "NUL in a JSON key"; break;
    case json_error_duplicate_key: what = "duplicate key in JSON"; break;
    case json_error_numeric_overflow: what = "JSON number too large"; break;
    default: break;
    }
    if (at >= src->n)
        return clipc_fail(err, CLIPC_ERR_FORMAT, (int64_t)src->n,
                          "%s: %s: it ends too early", CLIPC_QUOTE(name),
                          what);
    return clipc_fail(err, CLIPC_ERR_FORMAT, (int64_t)at, "%s: %s",
                      CLIPC_QUOTE(name), what);
}

static clipc_status parse(json_t **root, const char *data, size_t n,
                          const char *name, size_t flags, clipc_error *err)
{
    source src = { .data = data, .n = n };
    json_error_t error;
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
    /* jansson passes over a NUL that follows a number. */
    const char *nul = n ? memchr(data, '\0', n) : NULL;
    if (nul)
        return clipc_fail(err, CLIPC_ERR_FORMAT, nul - data,
                          "%s: not valid JSON: a NUL byte",
                          CLIPC_QUOTE(name));
    CLIPC_TRY(scan(data, n, name, &longest, err));

    /* The buffer doubles from 16 bytes. 1.5 times a power of two keeps the
     * closing quote away from every boundary: were that byte lost, jansson
     * would run past the end of its buffer. */
    size_t saved = 24;
    while (saved < longest + 2)
        saved *= 2;
    src.n_pad = saved - 2;
    src.n_before = src.n_pad + 4;

    json_t *both = json_load_callback(
        read_source, &src, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | flags,
        &error);
    if (!both)
        return fail_syntax(&error, &src, name, err);
    if (json_string_length(json_array_get(both, 0)) != src.n_pad) {
        json_decref(both);
        return clipc_fail_nomem(err, "JSON");
    }
    if (json_array_size(both) != 2) {
        json_decref(both);
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                          "%s: more than one value in JSON",
                          CLIPC_QUOTE(name));
    }
    *root = json_incref(json_array_get(both, 1));
    json_decref(both);
    return CLIPC_OK;
}

clipc_status clipc_json_parse(json_t **root, const char *data, size_t n,
                              const char *name, clipc_error *err)
{
    return parse(root, data, n, name, 0, err);
}

clipc_status clipc_json_parse_reals(json_t **root, const char *data, size_t n,
                                    const char *name, clipc_error *err)
{
    return parse(root, data, n, name, JSON_DECODE_INT_AS_REAL, err);
}

/* ---- getters ----------------------------------------------------------- */

static json_t *lookup(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static clipc_status fail_type(const char *name, const char *key,
                              const char *want, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_CONFIG, -1, "%s: \"%s\" must be %s",
                      CLIPC_QUOTE(name), key, want);
}

clipc_status clipc_json_get_int(const json_t *object, const char *key,
                                const char *name, int64_t min, int64_t max,
                                int64_t *out, clipc_error *err)
{
    const json_t *value = lookup(object, key);
    if (!value)
        return CLIPC_OK;
    if (!json_is_integer(value))
        return fail_type(name, key, "an integer", err);
    int64_t number = json_integer_value(value);
    if (number < min || number > max)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"%s\" is %lld, not in %lld..%lld",
                          CLIPC_QUOTE(name), key, (long long)number,
                          (long long)min, (long long)max);
    *out = number;
    return CLIPC_OK;
}

clipc_status clipc_json_get_size(const json_t *object, const char *key,
                                 const char *name, size_t min, size_t max,
                                 size_t *out, clipc_error *err)
{
    int64_t low = min > INT64_MAX ? INT64_MAX : (int64_t)min;
    int64_t high = max > INT64_MAX ? INT64_MAX : (int64_t)max;
    int64_t number = -1;
    CLIPC_TRY(clipc_json_get_int(object, key, name, low, high, &number, err));
    if (number >= 0)
        *out = (size_t)number;
    return CLIPC_OK;
}

clipc_status clipc_json_get_double(const json_t *object, const char *key,
                                   const char *name, double *out,
                                   clipc_error *err)
{
    const json_t *value = lookup(object, key);
    if (!value)
        return CLIPC_OK;
    if (!json_is_number(value) || !isfinite(json_number_value(value)))
        return fail_type(name, key, "a number", err);
    *out = json_number_value(value);
    return CLIPC_OK;
}

clipc_status clipc_json_get_bool(const json_t *object, const char *key,
                                 const char *name, bool *out,
                                 clipc_error *err)
{
    const json_t *value = lookup(object, key);
    if (!value)
        return CLIPC_OK;
    if (!json_is_boolean(value))
        return fail_type(name, key, "true or false", err);
    *out = json_is_true(value);
    return CLIPC_OK;
}

clipc_status clipc_json_get_string(const json_t *object, const char *key,
                                   const char *name, const char **out,
                                   clipc_error *err)
{
    const json_t *value = lookup(object, key);
    if (!value)
        return CLIPC_OK;
    if (!json_is_string(value))
        return fail_type(name, key, "a string", err);
    if (strlen(json_string_value(value)) != json_string_length(value))
        return fail_type(name, key, "a string without NUL", err);
    *out = json_string_value(value);
    return CLIPC_OK;
}

clipc_status clipc_json_get_object(const json_t *object, const char *key,
                                   const char *name, json_t **out,
                                   clipc_error *err)
{
    json_t *value = lookup(object, key);
    if (!value)
        return CLIPC_OK;
    if (!json_is_object(value))
        return fail_type(name, key, "an object", err);
    *out = value;
    return CLIPC_OK;
}
