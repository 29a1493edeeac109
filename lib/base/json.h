/* SPDX-License-Identifier: MIT
 *
 * json.h - strict JSON into jansson's values: duplicate keys rejected, nesting
 * at most 64, U+0000 in strings allowed, errors with the file's name and the
 * offset of the byte that is wrong; typed getters that name the key.
 */
#ifndef CLIPC_JSON_H
#define CLIPC_JSON_H

#include "base/base.h"

#include <jansson.h>

/* Parses one value with nothing but white space around it. name is for the
 * messages. *root is released with json_decref(). */
clipc_status clipc_json_parse(json_t **root, const char *data, size_t n,
                              const char *name, clipc_error *err);

/* The same with every number as a real: for files in which tools write
 * integers that no machine has, such as a model_max_length of 10^30. */
clipc_status clipc_json_parse_reals(json_t **root, const char *data, size_t n,
                                    const char *name, clipc_error *err);

/* Getters: `object` must be a JSON object. A key that is absent or null
 * leaves *out as it is and returns CLIPC_OK; *out holds the default before
 * the call. A wrong type or range is CLIPC_ERR_CONFIG naming file and key. */
clipc_status clipc_json_get_size(const json_t *object, const char *key,
                                 const char *name, size_t min, size_t max,
                                 size_t *out, clipc_error *err);
clipc_status clipc_json_get_int(const json_t *object, const char *key,
                                const char *name, int64_t min, int64_t max,
                                int64_t *out, clipc_error *err);
clipc_status clipc_json_get_double(const json_t *object, const char *key,
                                   const char *name, double *out,
                                   clipc_error *err);
clipc_status clipc_json_get_bool(const json_t *object, const char *key,
                                 const char *name, bool *out,
                                 clipc_error *err);
/* *out points into the object. */
clipc_status clipc_json_get_string(const json_t *object, const char *key,
                                   const char *name, const char **out,
                                   clipc_error *err);
/* *out is a borrowed object, or left alone. */
clipc_status clipc_json_get_object(const json_t *object, const char *key,
                                   const char *name, json_t **out,
                                   clipc_error *err);

#endif /* CLIPC_JSON_H */
