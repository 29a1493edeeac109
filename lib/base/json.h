/* SPDX-License-Identifier: MIT
 *
 * json.h - JSON into jansson's values: nesting at most 64, U+0000 in strings
 * allowed, errors with the file's name and the offset of the byte that is
 * wrong. json_object.h reads the values.
 *
 * Files that Python wrote are read as Python reads them: of a key that is there
 * twice the last value counts; an integer that no machine has is a real; NaN,
 * Infinity and -Infinity are values, here the strings "NaN", "Infinity" and
 * "-Infinity", which are no number to anybody who asks for one. A number over
 * 1.8e308 is one of the infinities, which Python makes of a real too.
 */
#ifndef CLIPC_JSON_H
#define CLIPC_JSON_H

#include "base/json_cursor.h"

#include <jansson.h>

/* Parses one value with nothing but white space around it. name is for the
 * messages. *root is released with json_decref(). */
clipc_status clipc_json_parse(json_t **root, const char *data, size_t n,
                              const char *name, clipc_error *err);

/* The same without what is Python's alone: RFC 8259, keys once. */
clipc_status clipc_json_parse_strict(json_t **root, const char *data, size_t n,
                                     const char *name, clipc_error *err);

/* As clipc_json_parse() with every number as a real: for files in which tools
 * write integers that no machine has, such as a model_max_length of 10^30. */
clipc_status clipc_json_parse_reals(json_t **root, const char *data, size_t n,
                                    const char *name, clipc_error *err);

/* A member "object": {"key": ...} of the root that a tree is to be made
 * without, for its size. */
typedef struct clipc_json_member {
    const char *object, *key;
    size_t at; /* where its array or object begins; 0: there is none */
} clipc_json_member;

/* The JSON as text, malloc'ed; NULL: memory ran out. jansson's own writer
 * (2.14 at least) leaves out a key for which there was none. */
char *clipc_json_text(const json_t *json, size_t flags);

/* The document of a cursor that was just opened, without the members that
 * left_out, [n_left_out], names, where they are arrays or objects. Read one by
 * setting cursor->at to the member's `at`: its syntax has not been checked. */
clipc_status clipc_json_parse_around(json_t **root, clipc_json_cursor *cursor,
                                     clipc_json_member *left_out,
                                     size_t n_left_out, clipc_error *err);

#endif /* CLIPC_JSON_H */
