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

/* ---- start and end token ----------------------------------------------- */

static int32_t as_id(const json_t *number)
{
    return json_is_integer(number) && json_integer_value(number) >= 0 &&
                   json_integer_value(number) <= INT32_MAX
               ? (int32_t)json_integer_value(number)
               : -1;
}

/* The id of ["token", id]. */
static int32_t pair_id(const json_t *pair)
{
    return json_array_size(pair) == 2 ? as_id(json_array_get(pair, 1)) : -1;
}

/* The id of {"SpecialToken": {"id": NAME}}, by the post-processor's own
 * list; -1: the item is not one. */
static int32_t special_id(const json_t *post, const json_t *item)
{
    const json_t *name = json_object_get(json_object_get(item, "SpecialToken"),
                                         "id");
    const json_t *entry =
        json_object_getn(json_object_get(post, "special_tokens"),
                         json_is_string(name) ? json_string_value(name) : "",
                         json_string_length(name));
    const json_t *ids = json_object_get(entry, "ids");

    return json_array_size(ids) == 1 ? as_id(json_array_get(ids, 0)) : -1;
}

/* TemplateProcessing: at most one token on each side of the text. */
static bool read_template(clipc_pipeline_ends *ends, const json_t *post)
{
    const json_t *single = json_object_get(post, "single");
    const size_t n = json_array_size(single);
    const json_t *sequence = NULL;
    size_t text = 0;

    while (text < n &&
           !(sequence = json_object_get(json_array_get(single, text),
                                        "Sequence")))
        text++;
    if (text > 1 || text == n || n - text > 2 ||
        !clipc_pipeline_is(json_object_get(sequence, "id"), "A"))
        return false;
    if (text == 1)
        ends->start_id = special_id(post, json_array_get(single, 0));
    if (n - text == 2)
        ends->end_id = special_id(post, json_array_get(single, text + 1));
    return (text == 0 || ends->start_id >= 0) &&
           (n - text == 1 || ends->end_id >= 0);
}

static bool read_post(clipc_pipeline_ends *ends, const json_t *post)
{
    const json_t *type = json_object_get(post, "type");

    if (!post || json_is_null(post))
        return true;
    if (clipc_pipeline_is(type, "TemplateProcessing"))
        return read_template(ends, post);
    if (!clipc_pipeline_is(type, "RobertaProcessing"))
        return false;
    ends->start_id = pair_id(json_object_get(post, "cls"));
    ends->end_id = pair_id(json_object_get(post, "sep"));
    return ends->start_id >= 0 && ends->end_id >= 0;
}

clipc_status clipc_pipeline_read_ends(clipc_pipeline_ends *ends,
                                      const clipc_tokenizer_source *source,
                                      const char *kind, clipc_error *err)
{
    static const char key[] = "\"post_processor\"";
    const char *file = source->files->tokenizer_json.name;

    *ends = (clipc_pipeline_ends){ -1, -1 };
    if (!read_post(ends, json_object_get(source->root, "post_processor")))
        return clipc_pipeline_refuse(file, key, kind, err);
    if (ends->start_id >= (int64_t)source->vocab_size ||
        ends->end_id >= (int64_t)source->vocab_size)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: %s has an id past the token embedding",
                          CLIPC_QUOTE(file), key);
    return CLIPC_OK;
}
