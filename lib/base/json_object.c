/* SPDX-License-Identifier: MIT
 *
 * json_object.c - typed getters of one JSON object, and the one place where
 * their messages are made.
 */
#include "base/json_object.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_SHOWN = 64 }; /* bytes of a file's value in a message */

clipc_quoted clipc_json_quote(const char *value)
{
    size_t n = strlen(value);
    return clipc_quote(value, n < MAX_SHOWN ? n : MAX_SHOWN);
}

clipc_status clipc_json_fail(clipc_error *err, clipc_status code,
                             const clipc_json_object *o, const char *key,
                             const char *format, ...)
{
    char what[sizeof err->message];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return clipc_fail(err, code, -1, "%s: \"%s%s%s\" %s", CLIPC_QUOTE(o->file),
                      o->label, *o->label ? "." : "", key, what);
}

clipc_status clipc_json_check_object(const clipc_json_object *o,
                                     clipc_error *err)
{
    if (json_is_object(o->object))
        return CLIPC_OK;
    return clipc_fail(err, CLIPC_ERR_CONFIG, -1, "%s: it is not a JSON object",
                      CLIPC_QUOTE(o->file));
}

json_t *clipc_json_lookup(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

bool clipc_json_is_off(const json_t *value)
{
    return !value || json_is_null(value) || json_is_false(value) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

clipc_status clipc_json_find(clipc_json_object *out,
                             const clipc_json_object *o, const char *key,
                             clipc_error *err)
{
    const json_t *value = clipc_json_lookup(o->object, key);

    *out = (clipc_json_object){ .file = o->file, .label = key };
    if (value && !json_is_object(value))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, o, key,
                               "must be an object");
    out->object = value;
    return CLIPC_OK;
}

clipc_status clipc_json_int(const clipc_json_object *o, const char *key,
                            int64_t min, int64_t max, int64_t *out,
                            clipc_error *err)
{
    const json_t *value = clipc_json_lookup(o->object, key);

    if (!value)
        return CLIPC_OK;
    if (!json_is_integer(value))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, o, key,
                               "must be an integer");
    const int64_t number = json_integer_value(value);
    if (number < min || number > max)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, o, key,
                               "is %lld, not in %lld..%lld", (long long)number,
                               (long long)min, (long long)max);
    *out = number;
    return CLIPC_OK;
}

clipc_status clipc_json_size(const clipc_json_object *o, const char *key,
                             size_t min, size_t max, size_t *out,
                             clipc_error *err)
{
    int64_t number = (int64_t)*out;

    if (json_is_null(json_object_get(o->object, key)))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, o, key,
                               "must be an integer");
    CLIPC_TRY(
        clipc_json_int(o, key, (int64_t)min, (int64_t)max, &number, err));
    *out = (size_t)number;
    return CLIPC_OK;
}

clipc_status clipc_json_number(const clipc_json_object *o, const char *key,
                               double min, double max, double *out,
                               clipc_error *err)
{
    const json_t *value = json_object_get(o->object, key);

    if (!value)
        return CLIPC_OK;
    const double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= min && number <= max))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, o, key,
                               "must be a number in %g..%g", min, max);
    *out = number;
    return CLIPC_OK;
}

clipc_status clipc_json_string(const clipc_json_object *o, const char *key,
                               const char **out, clipc_error *err)
{
    const json_t *value = clipc_json_lookup(o->object, key);

    if (!value)
        return CLIPC_OK;
    if (!json_is_string(value))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, o, key,
                               "must be a string");
    if (strlen(json_string_value(value)) != json_string_length(value))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, o, key,
                               "must have no U+0000");
    *out = json_string_value(value);
    return CLIPC_OK;
}

clipc_status clipc_json_triple(const clipc_json_object *o, const char *key,
                               bool zero, float out[3], clipc_error *err)
{
    const json_t *value = clipc_json_lookup(o->object, key);
    const bool is_array = json_is_array(value);
    bool good = !is_array || json_array_size(value) == 3;
    float numbers[3];

    if (!value)
        return CLIPC_OK;
    for (size_t i = 0; good && i < 3; i++) {
        const json_t *item = is_array ? json_array_get(value, i) : value;
        numbers[i] = (float)json_number_value(item);
        good = json_is_number(item) && isfinite(numbers[i]) &&
               (numbers[i] != 0 || zero);
    }
    if (!good)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, o, key,
                               "must be 3 numbers%s",
                               zero ? "" : " that are not 0");
    memcpy(out, numbers, sizeof numbers);
    return CLIPC_OK;
}

clipc_status clipc_json_bool(const clipc_json_object *o, const char *key,
                             bool *out, clipc_error *err)
{
    const json_t *value = json_object_get(o->object, key);

    if (!value)
        return CLIPC_OK;
    if (!json_is_boolean(value) && !json_is_null(value))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, o, key,
                               "must be true or false");
    *out = json_is_true(value);
    return CLIPC_OK;
}
