/* SPDX-License-Identifier: MIT
 *
 * json_object.c - see json_object.h.
 */
#include "base/json_object.h"

#include <string.h>

enum { MAX_SHOWN = 64 }; /* bytes of a file's value in a message */

clipc_quoted clipc_section_quote(const char *value)
{
    size_t n = strlen(value);
    return clipc_quote(value, n < MAX_SHOWN ? n : MAX_SHOWN);
}

clipc_status clipc_section_fail(const clipc_section *s, clipc_status status,
                                const char *key, const char *what,
                                clipc_error *err)
{
    return clipc_fail(err, status, -1, "%s: \"%s%s%s\" %s",
                      CLIPC_QUOTE(s->file), s->label, *s->label ? "." : "",
                      key, what);
}

clipc_status clipc_section_find(clipc_section *out, const clipc_section *s,
                                const char *key, clipc_error *err)
{
    const json_t *value = json_object_get(s->object, key);

    *out = (clipc_section){ .file = s->file, .label = key };
    if (!value || json_is_null(value))
        return CLIPC_OK;
    if (!json_is_object(value))
        return clipc_section_fail(s, CLIPC_ERR_CONFIG, key,
                                  "must be an object", err);
    out->object = value;
    return CLIPC_OK;
}

clipc_status clipc_section_size(const clipc_section *s, const char *key,
                                size_t min, size_t max, size_t *out,
                                clipc_error *err)
{
    const json_t *value = json_object_get(s->object, key);

    if (!value)
        return CLIPC_OK;
    if (!json_is_integer(value))
        return clipc_section_fail(s, CLIPC_ERR_CONFIG, key,
                                  "must be an integer", err);
    json_int_t number = json_integer_value(value);
    if (number < (json_int_t)min || number > (json_int_t)max)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"%s%s%s\" is %lld, not in %zu..%zu",
                          CLIPC_QUOTE(s->file), s->label, *s->label ? "." : "",
                          key, (long long)number, min, max);
    *out = (size_t)number;
    return CLIPC_OK;
}

clipc_status clipc_section_number(const clipc_section *s, const char *key,
                                  double min, double max, double *out,
                                  clipc_error *err)
{
    const json_t *value = json_object_get(s->object, key);

    if (!value)
        return CLIPC_OK;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= min && number <= max))
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"%s%s%s\" must be a number in %g..%g",
                          CLIPC_QUOTE(s->file), s->label, *s->label ? "." : "",
                          key, min, max);
    *out = number;
    return CLIPC_OK;
}

clipc_status clipc_section_string(const clipc_section *s, const char *key,
                                  const char **out, clipc_error *err)
{
    const json_t *value = json_object_get(s->object, key);

    if (!value || json_is_null(value))
        return CLIPC_OK;
    if (!json_is_string(value))
        return clipc_section_fail(s, CLIPC_ERR_CONFIG, key,
                                  "must be a string", err);
    if (strlen(json_string_value(value)) != json_string_length(value))
        return clipc_section_fail(s, CLIPC_ERR_CONFIG, key,
                                  "must have no U+0000", err);
    *out = json_string_value(value);
    return CLIPC_OK;
}
