/* SPDX-License-Identifier: MIT
 *
 * xlm_pipeline.c - see xlm_pipeline.h.
 */
#include "text/xlm_pipeline.h"
#include "text/json_pieces.h"
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

/* Whether a part of the template is the special token, or, NULL, the text. */
static bool is_part(const json_t *part, const char *token)
{
    const json_t *object = json_object_get(part, token ? "SpecialToken"
                                                       : "Sequence");
    return clipc_pipeline_is(json_object_get(object, "id"),
                             token ? token : "A");
}

static bool is_post_processor(const json_t *object)
{
    const json_t *single = json_object_get(object, "single");

    return clipc_pipeline_is(json_object_get(object, "type"),
                             "TemplateProcessing") &&
           json_array_size(single) == 3 &&
           is_part(json_array_get(single, 0), "<s>") &&
           is_part(json_array_get(single, 1), NULL) &&
           is_part(json_array_get(single, 2), "</s>");
}

bool clipc_xlm_fits(const clipc_tokenizer_source *source)
{
    const json_t *model = json_object_get(source->root, "model");
    const json_t *unknown = json_object_get(model, "unk_id");
    const json_t *post = json_object_get(source->root, "post_processor");

    /* Where no class is named, XLMRobertaTokenizer adds the ends itself. */
    if (!source->class[0] && (!post || json_is_null(post)))
        post = NULL;
    else if (!is_post_processor(post))
        return false;
    return clipc_json_has_pieces(source) && json_is_integer(unknown) &&
           json_integer_value(unknown) == UNKNOWN_ID &&
           clipc_pipeline_is_unset(model, "byte_fallback") &&
           is_normalizer(json_object_get(source->root, "normalizer")) &&
           is_pre_tokenizer(json_object_get(source->root, "pre_tokenizer"));
}
