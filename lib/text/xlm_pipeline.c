/* SPDX-License-Identifier: MIT
 *
 * xlm_pipeline.c - see xlm_pipeline.h.
 */
#include "text/xlm_pipeline.h"
#include "text/pipeline.h"

enum { UNKNOWN_ID = 3 };

static bool is_charsmap(const json_t *object)
{
    static const clipc_pipeline_member CHARSMAP[] = {
        { .key = "type", .text = "Precompiled" }
    };
    return CLIPC_OBJECT_IS(object, CHARSMAP, "precompiled_charsmap");
}

static bool is_normalizer(const json_t *object)
{
    const json_t *list = json_object_get(object, "normalizers");

    if (!object || json_is_null(object) || is_charsmap(object))
        return true;
    return clipc_pipeline_is(json_object_get(object, "type"), "Sequence") &&
           json_array_size(list) == 1 && is_charsmap(json_array_get(list, 0));
}

static bool is_metaspace(const json_t *object)
{
    static const clipc_pipeline_member NEW[] = {
        { .key = "type", .text = "Metaspace" },
        { .key = "replacement", .text = "\xE2\x96\x81" },
        { .key = "prepend_scheme", .text = "always" },
        { .key = "split", .boolean = true, .optional = true }
    };
    static const clipc_pipeline_member OLD[] = {
        { .key = "type", .text = "Metaspace" },
        { .key = "replacement", .text = "\xE2\x96\x81" },
        { .key = "add_prefix_space", .boolean = true },
    };
    return CLIPC_OBJECT_IS(object, NEW, "") ||
           CLIPC_OBJECT_IS(object, NEW, "add_prefix_space") ||
           CLIPC_OBJECT_IS(object, OLD, "str_rep");
}

static bool is_pre_tokenizer(const json_t *object)
{
    static const clipc_pipeline_member WORDS[] = {
        { .key = "type", .text = "WhitespaceSplit" }
    };
    const json_t *list = json_object_get(object, "pretokenizers");

    return clipc_pipeline_is(json_object_get(object, "type"), "Sequence") &&
           json_array_size(list) == 2 &&
           CLIPC_OBJECT_IS(json_array_get(list, 0), WORDS, "") &&
           is_metaspace(json_array_get(list, 1));
}

static clipc_status refuse(const clipc_tokenizer_source *source,
                           const char *what, clipc_error *err)
{
    return clipc_pipeline_refuse(source->files->tokenizer_json.name, what,
                                 "XLM-RoBERTa", err);
}

clipc_status clipc_xlm_check(const clipc_tokenizer_source *source,
                             clipc_error *err)
{
    const json_t *model = json_object_get(source->root, "model");
    const json_t *unknown = json_object_get(model, "unk_id");

    if (!json_is_integer(unknown) || json_integer_value(unknown) != UNKNOWN_ID)
        return refuse(source, "\"model.unk_id\"", err);
    if (!clipc_pipeline_is_unset(model, "byte_fallback"))
        return refuse(source, "\"model.byte_fallback\"", err);
    if (!is_normalizer(json_object_get(source->root, "normalizer")))
        return refuse(source, "\"normalizer\"", err);
    if (!is_pre_tokenizer(json_object_get(source->root, "pre_tokenizer")))
        return refuse(source, "\"pre_tokenizer\"", err);
    return CLIPC_OK;
}
