/* SPDX-License-Identifier: MIT
 *
 * pipeline.c - see pipeline.h.
 */
#include "text/pipeline.h"

#include <string.h>

bool clipc_pipeline_is(const json_t *value, const char *text)
{
    size_t n = strlen(text);
    return json_is_string(value) && json_string_length(value) == n &&
           memcmp(json_string_value(value), text, n) == 0;
}

bool clipc_pipeline_object_is(const json_t *object,
                              const clipc_pipeline_member *members, size_t n,
                              const char *nested)
{
    size_t known = json_object_get(object, nested) != NULL;

    if (!json_is_object(object))
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_object_get(object, members[i].key);
        if (!value) {
            if (!members[i].optional)
                return false;
            continue;
        }
        known++;
        if (members[i].text ? !clipc_pipeline_is(value, members[i].text)
                            : !json_is_boolean(value) ||
                                  json_is_true(value) != members[i].boolean)
            return false;
    }
    return known == json_object_size(object);
}

bool clipc_pipeline_is_unset(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return !value || json_is_null(value) || json_is_false(value);
}

bool clipc_pipeline_is_text(const json_t *object, const char *key,
                            const char *text)
{
    const json_t *value = json_object_get(object, key);
    return !value || json_is_null(value) || clipc_pipeline_is(value, text);
}

clipc_status clipc_pipeline_refuse(const char *file, const char *what,
                                   const char *kind, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "%s: %s is not that of a %s tokenizer",
                      CLIPC_QUOTE(file), what, kind);
}
