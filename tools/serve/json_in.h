/* SPDX-License-Identifier: MIT
 *
 * json_in.h - the JSON of a request (RFC 8259), strictly: duplicate keys, a
 * byte order mark and bytes that are not UTF-8 are refused.
 *
 * Strings are decoded where they lie, so that a picture in base64 is not
 * copied; the values are one array. jansson's own reader is not used for
 * strangers' bytes: it allocates each value, and its lexer runs past the ends
 * of its blocks when memory stays short (lib/base/json.c).
 */
#ifndef CLIPC_SERVE_JSON_IN_H
#define CLIPC_SERVE_JSON_IN_H

#include "serve/refuse.h"

#include <stdbool.h>

/* Limits. */
enum {
    SERVE_JSON_DEPTH = 32,
    SERVE_JSON_VALUES = 1 << 18, /* of one document, keys included */
    SERVE_JSON_MEMBERS = 256     /* of one object */
};

typedef enum serve_json_kind {
    SERVE_JSON_NULL,
    SERVE_JSON_FALSE,
    SERVE_JSON_TRUE,
    SERVE_JSON_NUMBER,
    SERVE_JSON_STRING,
    SERVE_JSON_ARRAY,
    SERVE_JSON_OBJECT
} serve_json_kind;

/* A value; behind it lie the values that it holds. */
typedef struct serve_json {
    serve_json_kind kind;
    uint32_t n;      /* elements of an array, members of an object */
    uint32_t extent; /* values that this one is made of, itself included */
    clipc_text text; /* of a string, decoded; of a number, as written */
} serve_json;

/* Parses one value with nothing but white space around it; changes the text.
 * *root is an array of values for free(), the first the document; the strings
 * are in the text.
 *
 * Returns CLIPC_ERR_FORMAT, _TRUNCATED, _UTF8 (offset: in the text), _LIMIT. */
clipc_status serve_json_parse(serve_json **root, char *text, size_t n,
                              clipc_error *err);

/* The member of an object; NULL: value is no object (or NULL), or the key is
 * absent or null. */
const serve_json *serve_json_get(const serve_json *value, const char *key);

/* Each element of an array; none of another value or of NULL. */
#define SERVE_JSON_EACH(element, array) \
    for (const serve_json *element = serve_json_begin(array), \
                          *element##_end = serve_json_end(array); \
         element != element##_end; element += element->extent)

/* The first element of an array and behind its last; both NULL for another
 * value and for NULL. */
const serve_json *serve_json_begin(const serve_json *array);
const serve_json *serve_json_end(const serve_json *array);

/* Whether the value is this string. */
bool serve_json_is(const serve_json *value, const char *text);

/* Getters of an object's members. An absent or null member leaves *out as it
 * is; a value of another kind or size is CLIPC_ERR_FORMAT, naming the key. */
clipc_status serve_json_read_text(const serve_json *object, const char *key,
                                  clipc_text *out, clipc_error *err);
clipc_status serve_json_read_whole(const serve_json *object, const char *key,
                                   uint64_t min, uint64_t max, uint64_t *out,
                                   clipc_error *err);
clipc_status serve_json_read_bool(const serve_json *object, const char *key,
                                  bool *out, clipc_error *err);

#endif /* CLIPC_SERVE_JSON_IN_H */
