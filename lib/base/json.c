/* SPDX-License-Identifier: MIT
 *
 * json.c - JSON (RFC 8259, or what Python's json reads) into jansson's values.
 *
 * The text is read here and not by jansson, whose lexer (2.14 to 2.15.1 at
 * least) does not check that its buffer could grow: when memory stays short,
 * the closing quote of a string is missing, and the lexer reads and writes
 * past the ends of its blocks. tests/unit/base/test_json.c has a document that
 * makes it do so. jansson's constructors of values report such failures.
 */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- parsing ----------------------------------------------------------- */

typedef struct reader {
    clipc_json_cursor *cursor;
    bool reals; /* every number as a real */
    bool strict;
    clipc_json_member *left_out; /* [n_left_out] */
    size_t n_left_out;
    const char *within; /* key of the root's member being read, or NULL */
    size_t depth;       /* containers being read */
} reader;

static clipc_status read_number(reader *r, json_t **out, clipc_error *err)
{
    const size_t begin = r->cursor->at;
    clipc_cursor_value number;
    bool real = r->reals;

    clipc_status status = clipc_cursor_number(r->cursor, real, &number,
                                              r->strict ? err : NULL);
    if (status != CLIPC_OK && !r->strict) {
        r->cursor->at = begin;
        status = clipc_cursor_number(r->cursor, true, &number, err);
        real = true;
    }
    CLIPC_TRY(status);
    if (!isfinite(number.real)) /* too large for a double */
        *out = json_string(number.real > 0 ? "Infinity" : "-Infinity");
    else
        *out = number.is_real || real ? json_real(number.real)
                                      : json_integer(number.integer);
    return *out ? CLIPC_OK : clipc_fail_nomem(err, "JSON");
}

/* true, false, null; of Python's, NaN and the infinities as their names. */
static clipc_status read_word(reader *r, json_t **out, clipc_error *err)
{
    static const char *const words[] = { "true", "false",    "null",
                                         "NaN",  "Infinity", "-Infinity" };
    const size_t n_words = r->strict ? 3 : sizeof words / sizeof words[0];
    clipc_json_cursor *c = r->cursor;
    const char *text = c->data + c->at;
    const size_t left = c->n - c->at;

    for (size_t i = 0; i < n_words; i++) {
        size_t n = strlen(words[i]);
        if (left < n || memcmp(text, words[i], n) != 0 ||
            (left > n && !clipc_cursor_is_separator(text[n])))
            continue;
        c->at += n;
        *out = i == 0   ? json_true()
               : i == 1 ? json_false()
               : i == 2 ? json_null()
                        : json_string(words[i]);
        return *out ? CLIPC_OK : clipc_fail_nomem(err, "JSON");
    }
    /* The rest of the text may be the beginning of a word. */
    for (size_t i = 0; i < n_words; i++)
        if (left < strlen(words[i]) && memcmp(text, words[i], left) == 0)
            c->at = c->n;
    return clipc_cursor_fail(c, "not valid JSON", err);
}

static clipc_status read_value(reader *r, json_t **out, clipc_error *err);

/* The member that is to be left out of the tree, or NULL. */
static clipc_json_member *find_left_out(const reader *r, const char *key)
{
    const char first = clipc_cursor_peek(r->cursor);

    if (r->depth != 2 || !r->within || (first != '{' && first != '['))
        return NULL;
    for (size_t i = 0; i < r->n_left_out; i++)
        if (strcmp(r->left_out[i].object, r->within) == 0 &&
            strcmp(r->left_out[i].key, key) == 0)
            return &r->left_out[i];
    return NULL;
}

/* A value of the same key that came before does not count. */
static void forget_member(reader *r, json_t *object, const char *key)
{
    for (size_t i = 0; i < r->n_left_out; i++) {
        clipc_json_member *member = &r->left_out[i];
        if ((r->depth == 1 && strcmp(member->object, key) == 0) ||
            (r->depth == 2 && r->within &&
             strcmp(member->object, r->within) == 0 &&
             strcmp(member->key, key) == 0)) {
            member->at = 0;
            if (r->depth == 2)
                json_object_del(object, key);
        }
    }
}

static clipc_status read_member_value(reader *r, json_t *object,
                                      const char *key, clipc_error *err)
{
    clipc_json_member *left_out = find_left_out(r, key);
    json_t *value = NULL;

    forget_member(r, object, key);
    if (left_out) {
        left_out->at = r->cursor->at;
        return clipc_cursor_skip(r->cursor, err);
    }
    if (r->depth == 1)
        r->within = key;
    clipc_status status = read_value(r, &value, err);
    if (r->depth == 1)
        r->within = NULL;
    CLIPC_TRY(status);
    return json_object_set_new_nocheck(object, key, value) == 0
               ? CLIPC_OK
               : clipc_fail_nomem(err, "JSON");
}

static clipc_status read_member(reader *r, json_t *object, clipc_error *err)
{
    clipc_json_cursor *c = r->cursor;
    clipc_text text;

    const size_t begin = c->at;
    CLIPC_TRY(clipc_cursor_key(c, &text, err));
    /* A copy: the value may have strings of its own. */
    char *key = clipc_strndup(text.data, text.len);
    if (!key)
        return clipc_fail_nomem(err, "JSON");
    clipc_status status;
    if (r->strict && json_object_get(object, key)) {
        c->at = begin;
        clipc_cursor_string(c, &text, NULL);
        c->at--; /* the key's closing quote */
        status = clipc_cursor_fail(c, "duplicate key in JSON", err);
    } else {
        status = read_member_value(r, object, key, err);
    }
    free(key);
    return status;
}

/* At the bracket. The depth was bounded when the cursor was opened. */
static clipc_status read_container(reader *r, json_t **out, clipc_error *err)
{
    clipc_json_cursor *c = r->cursor;
    const bool is_object = clipc_cursor_peek(c) == '{';
    const char close = is_object ? '}' : ']';
    json_t *all = is_object ? json_object() : json_array();
    clipc_status status = all ? CLIPC_OK : clipc_fail_nomem(err, "JSON");
    bool more = true;

    clipc_cursor_enter(c);
    r->depth++;
    for (bool first = true; status == CLIPC_OK; first = false) {
        json_t *value = NULL;
        status = clipc_cursor_more(c, close, first, &more, err);
        if (status != CLIPC_OK || !more)
            break;
        status = is_object ? read_member(r, all, err)
                           : read_value(r, &value, err);
        if (status == CLIPC_OK && !is_object &&
            json_array_append_new(all, value) != 0)
            status = clipc_fail_nomem(err, "JSON");
    }
    r->depth--;
    if (status != CLIPC_OK) {
        json_decref(all);
        return status;
    }
    *out = all;
    return CLIPC_OK;
}

static clipc_status read_value(reader *r, json_t **out, clipc_error *err)
{
    clipc_text text;

    *out = NULL;
    const char c = clipc_cursor_peek(r->cursor);
    if (c == '{' || c == '[')
        return read_container(r, out, err);
    const bool is_word = c == '-' && !r->strict &&
                         r->cursor->at + 1 < r->cursor->n &&
                         r->cursor->data[r->cursor->at + 1] == 'I';
    if (!is_word && (c == '-' || (c >= '0' && c <= '9')))
        return read_number(r, out, err);
    if (c != '"')
        return read_word(r, out, err);
    CLIPC_TRY(clipc_cursor_string(r->cursor, &text, err));
    *out = json_stringn_nocheck(text.data, text.len);
    return *out ? CLIPC_OK : clipc_fail_nomem(err, "JSON");
}

static clipc_status read_document(reader *r, json_t **root, clipc_error *err)
{
    clipc_json_cursor *c = r->cursor;
    json_t *value;

    *root = NULL;
    CLIPC_TRY(read_value(r, &value, err));
    clipc_cursor_peek(c);
    if (c->at < c->n) {
        json_decref(value);
        return clipc_cursor_fail(c, "more than one value in JSON", err);
    }
    *root = value;
    return CLIPC_OK;
}

static clipc_status parse(json_t **root, const char *data, size_t n,
                          const char *name, bool reals, bool strict,
                          clipc_error *err)
{
    clipc_json_cursor cursor;
    reader r = { .cursor = &cursor, .reals = reals, .strict = strict };

    *root = NULL;
    CLIPC_TRY(clipc_cursor_open(&cursor, data, n, name, err));
    clipc_status status = read_document(&r, root, err);
    clipc_cursor_close(&cursor);
    return status;
}

clipc_status clipc_json_parse(json_t **root, const char *data, size_t n,
                              const char *name, clipc_error *err)
{
    return parse(root, data, n, name, false, false, err);
}

clipc_status clipc_json_parse_strict(json_t **root, const char *data, size_t n,
                                     const char *name, clipc_error *err)
{
    return parse(root, data, n, name, false, true, err);
}

clipc_status clipc_json_parse_reals(json_t **root, const char *data, size_t n,
                                    const char *name, clipc_error *err)
{
    return parse(root, data, n, name, true, false, err);
}

clipc_status clipc_json_parse_around(json_t **root, clipc_json_cursor *cursor,
                                     clipc_json_member *left_out,
                                     size_t n_left_out, clipc_error *err)
{
    reader r = { .cursor = cursor,
                 .left_out = left_out,
                 .n_left_out = n_left_out };

    for (size_t i = 0; i < n_left_out; i++)
        left_out[i].at = 0;
    return read_document(&r, root, err);
}

/* ---- writing ----------------------------------------------------------- */

typedef struct writer {
    char *text;
    size_t n, room;
    bool no_memory;
} writer;

static int append(const char *piece, size_t n, void *user)
{
    writer *w = user;

    while (!w->no_memory && w->room - w->n <= n) { /* a NUL follows */
        const size_t room = w->room ? 2 * w->room : 256;
        char *larger = clipc_realloc(w->text, room, 1);
        w->no_memory = !larger;
        if (larger) {
            w->text = larger;
            w->room = room;
        }
    }
    if (w->no_memory)
        return -1;
    memcpy(w->text + w->n, piece, n);
    w->n += n;
    return 0;
}

char *clipc_json_text(const json_t *json, size_t flags)
{
    writer w = { 0 };

    if (json_dump_callback(json, append, &w, flags) != 0 || w.no_memory ||
        append("", 0, &w) != 0) {
        free(w.text);
        return NULL;
    }
    w.text[w.n] = '\0';
    return w.text;
}
