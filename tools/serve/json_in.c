/* SPDX-License-Identifier: MIT
 *
 * json_in.c - see json_in.h.
 */
#include "serve/json_in.h"

#include "common/text.h"

#include <stdlib.h>
#include <string.h>

typedef struct reader {
    char *text; /* [n] */
    size_t n, at;
    serve_json *values;
    size_t n_values, room;
    unsigned depth;
    clipc_error *err;
} reader;

static clipc_status fail(const reader *r, const char *what)
{
    if (r->at >= r->n)
        return serve_refuse_at(r->err, CLIPC_ERR_TRUNCATED, (int64_t)r->n,
                               "the JSON text ends too early");
    return serve_refuse_at(r->err, CLIPC_ERR_FORMAT, (int64_t)r->at,
                           "not valid JSON: %s (byte %zu)", what, r->at);
}

/* The byte at `at`; NUL at the end, which is no byte of JSON either. */
static char peek(const reader *r)
{
    return r->at < r->n ? r->text[r->at] : '\0';
}

static void skip_blanks(reader *r)
{
    while (r->at < r->n && (r->text[r->at] == ' ' || r->text[r->at] == '\n' ||
                            r->text[r->at] == '\t' || r->text[r->at] == '\r'))
        r->at++;
}

/* A new value, named by its index: the array moves when it grows. */
static clipc_status add(reader *r, serve_json_kind kind, size_t *index)
{
    if (r->n_values == SERVE_JSON_VALUES)
        return serve_refuse_at(r->err, CLIPC_ERR_LIMIT, (int64_t)r->at,
                               "more than %d values in the JSON text",
                               SERVE_JSON_VALUES);
    if (r->n_values == r->room) {
        size_t room = r->room ? r->room * 2 : 64;
        serve_json *values = realloc(r->values, room * sizeof *values);
        if (!values)
            return serve_refuse_nomem(r->err);
        r->values = values;
        r->room = room;
    }
    *index = r->n_values++;
    r->values[*index] = (serve_json){ .kind = kind, .extent = 1 };
    return CLIPC_OK;
}

/* ---- strings ----------------------------------------------------------- */

static bool read_hex(reader *r, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = peek(r), lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            *out = *out << 4 | (uint32_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            *out = *out << 4 | (uint32_t)(lower - 'a' + 10);
        else
            return false;
    }
    return true;
}

static size_t encode_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)((0xF00u >> n & 0xFF) | c);
    return n;
}

/* Behind a backslash. Writes at out; an escape is longer than its bytes. */
static clipc_status read_escape(reader *r, char **out)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *found = peek(r) ? strchr(names, peek(r)) : NULL;
    uint32_t code, low = 0;

    if (found) {
        *(*out)++ = bytes[found - names];
        r->at++;
        return CLIPC_OK;
    }
    if (peek(r) != 'u')
        return fail(r, "an unknown escape");
    r->at++;
    if (!read_hex(r, &code))
        return fail(r, "\\u without four hexadecimal digits");
    if (code >= 0xD800 && code < 0xDC00) {
        if (r->n - r->at >= 2 && memcmp(r->text + r->at, "\\u", 2) == 0) {
            r->at += 2;
            if (!read_hex(r, &low))
                return fail(r, "\\u without four hexadecimal digits");
        }
        if (low < 0xDC00 || low >= 0xE000)
            return fail(r, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
        return fail(r, "half of a surrogate pair");
    }
    *out += encode_utf8(*out, code);
    return CLIPC_OK;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* At the opening quote; ends behind the closing one. */
static clipc_status read_string(reader *r, clipc_text *text)
{
    const size_t begin = ++r->at;
    char *out = r->text + begin;

    for (;;) {
        /* A run of characters that stay what they are. */
        const size_t run = r->at;
        while (r->at < r->n && is_plain((unsigned char)r->text[r->at]))
            r->at++;
        if (out != r->text + run)
            memmove(out, r->text + run, r->at - run);
        out += r->at - run;
        const char c = peek(r);
        if (c == '"')
            break;
        if (c == '\\') {
            r->at++;
            SERVE_TRY(read_escape(r, &out));
            continue;
        }
        if ((unsigned char)c < 0x20) /* or the end */
            return fail(r, "a control byte in a string");
        const size_t len = tool_utf8(r->text + r->at, r->n - r->at, NULL);
        if (len == 0)
            return serve_refuse_at(r->err, CLIPC_ERR_UTF8, (int64_t)r->at,
                                   "the JSON text is not UTF-8 (byte %zu)",
                                   r->at);
        memmove(out, r->text + r->at, len);
        out += len;
        r->at += len;
    }
    r->at++;
    *text = (clipc_text){ r->text + begin, (size_t)(out - r->text) - begin };
    return CLIPC_OK;
}

/* ---- other values ------------------------------------------------------ */

static bool skip_digits(reader *r)
{
    const size_t begin = r->at;

    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    return r->at > begin;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static clipc_status read_number(reader *r, clipc_text *text)
{
    const size_t begin = r->at;

    r->at += peek(r) == '-';
    if (peek(r) == '0')
        r->at++;
    else if (!skip_digits(r))
        return fail(r, "a number without digits");
    if (peek(r) == '.') {
        r->at++;
        if (!skip_digits(r))
            return fail(r, "a number without decimals after its point");
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        r->at++;
        r->at += peek(r) == '+' || peek(r) == '-';
        if (!skip_digits(r))
            return fail(r, "a number without an exponent");
    }
    *text = (clipc_text){ r->text + begin, r->at - begin };
    return CLIPC_OK;
}

static clipc_status read_word(reader *r, serve_json_kind *kind)
{
    static const struct {
        const char *word;
        serve_json_kind kind;
    } words[] = { { "null", SERVE_JSON_NULL },
                  { "false", SERVE_JSON_FALSE },
                  { "true", SERVE_JSON_TRUE } };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if (r->n - r->at < n || memcmp(r->text + r->at, words[i].word, n) != 0)
            continue;
        r->at += n;
        *kind = words[i].kind;
        return CLIPC_OK;
    }
    return fail(r, "no value begins here");
}

static clipc_status read_value(reader *r);

/* A key and its value, of the object at `object`. */
static clipc_status read_member(reader *r, size_t object)
{
    const size_t key = r->n_values;
    size_t index;

    if (peek(r) != '"')
        return fail(r, "a key is missing");
    if (r->values[object].n == SERVE_JSON_MEMBERS)
        return serve_refuse_at(r->err, CLIPC_ERR_LIMIT, (int64_t)r->at,
                               "more than %d members in a JSON object",
                               SERVE_JSON_MEMBERS);
    const size_t at = r->at;
    SERVE_TRY(read_value(r));
    const clipc_text text = r->values[key].text;
    for (index = object + 1; index < key;
         index += 1 + r->values[index + 1].extent) {
        const clipc_text other = r->values[index].text;
        if (other.len == text.len &&
            memcmp(other.data, text.data, text.len) == 0) {
            r->at = at;
            return fail(r, "a key that the object has already");
        }
    }
    skip_blanks(r);
    if (peek(r) != ':')
        return fail(r, "a ':' is missing");
    r->at++;
    return read_value(r);
}

/* At the bracket. */
static clipc_status read_container(reader *r, size_t index)
{
    const bool is_object = peek(r) == '{';
    const char close = is_object ? '}' : ']';

    if (++r->depth > SERVE_JSON_DEPTH)
        return serve_refuse_at(r->err, CLIPC_ERR_LIMIT, (int64_t)r->at,
                               "the JSON text is nested deeper than %d levels",
                               SERVE_JSON_DEPTH);
    r->at++;
    skip_blanks(r);
    bool more = peek(r) != close;
    while (more) {
        skip_blanks(r);
        SERVE_TRY(is_object ? read_member(r, index) : read_value(r));
        r->values[index].n++;
        skip_blanks(r);
        more = peek(r) == ',';
        if (more)
            r->at++;
        else if (peek(r) != close)
            return fail(r, is_object ? "',' or '}' is missing"
                                     : "',' or ']' is missing");
    }
    r->at++;
    r->depth--;
    r->values[index].extent = (uint32_t)(r->n_values - index);
    return CLIPC_OK;
}

static clipc_status read_value(reader *r)
{
    serve_json_kind kind = SERVE_JSON_STRING;
    clipc_text text = { NULL, 0 };
    size_t index;

    skip_blanks(r);
    const char c = peek(r);
    if (c == '{' || c == '[') {
        SERVE_TRY(
            add(r, c == '{' ? SERVE_JSON_OBJECT : SERVE_JSON_ARRAY, &index));
        return read_container(r, index);
    }
    if (c == '"') {
        SERVE_TRY(read_string(r, &text));
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        kind = SERVE_JSON_NUMBER;
        SERVE_TRY(read_number(r, &text));
    } else {
        SERVE_TRY(read_word(r, &kind));
    }
    SERVE_TRY(add(r, kind, &index));
    r->values[index].text = text;
    return CLIPC_OK;
}

clipc_status serve_json_parse(serve_json **root, char *text, size_t n,
                              clipc_error *err)
{
    reader r = { .text = text, .n = n, .err = err };

    *root = NULL;
    clipc_status status = read_value(&r);
    skip_blanks(&r);
    if (status == CLIPC_OK && r.at < r.n)
        status = fail(&r, "more than one value");
    if (status != CLIPC_OK) {
        free(r.values);
        return status;
    }
    *root = r.values;
    return CLIPC_OK;
}

/* ---- reading values ---------------------------------------------------- */

bool serve_json_is(const serve_json *value, const char *text)
{
    return value && value->kind == SERVE_JSON_STRING &&
           value->text.len == strlen(text) &&
           memcmp(value->text.data, text, value->text.len) == 0;
}

const serve_json *serve_json_get(const serve_json *value, const char *key)
{
    if (!value || value->kind != SERVE_JSON_OBJECT)
        return NULL;
    const serve_json *member = value + 1;
    for (uint32_t i = 0; i < value->n; i++, member += 1 + member[1].extent)
        if (serve_json_is(member, key))
            return member[1].kind == SERVE_JSON_NULL ? NULL : member + 1;
    return NULL;
}

const serve_json *serve_json_begin(const serve_json *array)
{
    return array && array->kind == SERVE_JSON_ARRAY ? array + 1 : NULL;
}

const serve_json *serve_json_end(const serve_json *array)
{
    return array && array->kind == SERVE_JSON_ARRAY ? array + array->extent
                                                    : NULL;
}

clipc_status serve_json_read_text(const serve_json *object, const char *key,
                                  clipc_text *out, clipc_error *err)
{
    const serve_json *value = serve_json_get(object, key);

    if (value && value->kind != SERVE_JSON_STRING)
        return serve_refuse(err, CLIPC_ERR_FORMAT, "\"%s\" must be a string",
                            key);
    if (value)
        *out = value->text;
    return CLIPC_OK;
}

clipc_status serve_json_read_whole(const serve_json *object, const char *key,
                                   uint64_t min, uint64_t max, uint64_t *out,
                                   clipc_error *err)
{
    const serve_json *value = serve_json_get(object, key);
    uint64_t whole = 0;
    bool good = value && value->kind == SERVE_JSON_NUMBER;

    if (!value)
        return CLIPC_OK;
    for (size_t i = 0; good && i < value->text.len; i++) {
        const char c = value->text.data[i];
        good = c >= '0' && c <= '9' &&
               !__builtin_mul_overflow(whole, 10u, &whole) &&
               !__builtin_add_overflow(whole, (unsigned)(c - '0'), &whole);
    }
    if (!good || whole < min || whole > max)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"%s\" must be a whole number from %llu to %llu",
                            key, (unsigned long long)min,
                            (unsigned long long)max);
    *out = whole;
    return CLIPC_OK;
}

clipc_status serve_json_read_bool(const serve_json *object, const char *key,
                                  bool *out, clipc_error *err)
{
    const serve_json *value = serve_json_get(object, key);

    if (!value)
        return CLIPC_OK;
    if (value->kind != SERVE_JSON_TRUE && value->kind != SERVE_JSON_FALSE)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"%s\" must be true or false", key);
    *out = value->kind == SERVE_JSON_TRUE;
    return CLIPC_OK;
}
