/* SPDX-License-Identifier: MIT
 *
 * json_object.h - one object of a JSON file, read key by key. Messages name
 * the file, the object's label and the key: FILE: "LABEL.KEY" WHAT.
 */
#ifndef CLIPC_JSON_OBJECT_H
#define CLIPC_JSON_OBJECT_H

#include "base/json.h"

typedef struct clipc_json_object {
    const json_t *object; /* NULL: the object is absent, so is every key */
    const char *file;     /* for messages */
    const char *label;    /* "text_config", or "" for the root */
} clipc_json_object;

/* A value from the file, short enough for a message. */
clipc_quoted clipc_json_quote(const char *value);

/* Fails with FILE: "LABEL.KEY" and the formatted text. */
clipc_status clipc_json_fail(clipc_error *err, clipc_status code,
                             const clipc_json_object *o, const char *key,
                             const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* CLIPC_ERR_CONFIG unless o->object is a JSON object. */
clipc_status clipc_json_check_object(const clipc_json_object *o,
                                     clipc_error *err);

/* The value at `key`; NULL when the key is absent or null. */
json_t *clipc_json_lookup(const json_t *object, const char *key);

/* Whether a value switches nothing on: absent (NULL), null, false, or an empty
 * object. */
bool clipc_json_is_off(const json_t *value);

/* The object at `key`; absent or null: out->object is NULL. */
clipc_status clipc_json_find(clipc_json_object *out,
                             const clipc_json_object *o, const char *key,
                             clipc_error *err);

/* Getters. An absent key leaves *out as it is; another type or range is
 * CLIPC_ERR_CONFIG. The rules for null are those of the programs that read
 * these files. */

/* null is refused. */
clipc_status clipc_json_size(const clipc_json_object *o, const char *key,
                             size_t min, size_t max, size_t *out,
                             clipc_error *err);
clipc_status clipc_json_number(const clipc_json_object *o, const char *key,
                               double min, double max, double *out,
                               clipc_error *err);
/* null is absent. */
clipc_status clipc_json_int(const clipc_json_object *o, const char *key,
                            int64_t min, int64_t max, int64_t *out,
                            clipc_error *err);
/* null is absent; *out points into the object and has no U+0000. */
clipc_status clipc_json_string(const clipc_json_object *o, const char *key,
                               const char **out, clipc_error *err);
/* null is absent; three finite numbers, or one for all three. zero: whether a
 * number may be 0. */
clipc_status clipc_json_triple(const clipc_json_object *o, const char *key,
                               bool zero, float out[3], clipc_error *err);
/* null is false. */
clipc_status clipc_json_bool(const clipc_json_object *o, const char *key,
                             bool *out, clipc_error *err);

#endif /* CLIPC_JSON_OBJECT_H */
