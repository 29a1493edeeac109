/* SPDX-License-Identifier: MIT
 *
 * gemma_pipeline.c - see gemma_pipeline.h.
 *
 * Reference: transformers 5.24, GemmaTokenizer and its parent
 * TokenizersBackend. The class builds normaliser, pre-tokenizer and model
 * itself and takes vocabulary, merges, post-processor, padding and truncation
 * from tokenizer.json. Where another class is named the file's own pipeline
 * counts, and is refused unless it is the same. Siglip2Tokenizer is the same
 * class with a normaliser that lowers the text first.
 */
#include "text/gemma_pipeline.h"
#include "text/pipeline.h"

#include <string.h>

static clipc_status refuse(const clipc_tokenizer_source *source,
                           const char *what, clipc_error *err)
{
    return clipc_pipeline_refuse(source->files->tokenizer_json.name, what,
                                 "Gemma", err);
}

/* ---- the model --------------------------------------------------------- */

bool clipc_gemma_fits(const clipc_tokenizer_source *source)
{
    const json_t *model = json_object_get(source->root, "model");

    return clipc_pipeline_is_text(model, "type", "BPE") &&
           json_is_true(json_object_get(model, "byte_fallback")) &&
           clipc_pipeline_is_text(model, "end_of_word_suffix", "");
}

static clipc_status check_settings(const clipc_tokenizer_source *source,
                                   const json_t *model, clipc_error *err)
{
    if (!clipc_pipeline_is_text(model, "continuing_subword_prefix", ""))
        return refuse(source, "\"model.continuing_subword_prefix\"", err);
    if (!clipc_pipeline_is_text(model, "end_of_word_suffix", ""))
        return refuse(source, "\"model.end_of_word_suffix\"", err);
    if (!clipc_pipeline_is_unset(model, "dropout"))
        return refuse(source, "\"model.dropout\"", err);
    if (!clipc_pipeline_is_unset(model, "ignore_merges"))
        return refuse(source, "\"model.ignore_merges\"", err);
    if (!json_is_true(json_object_get(model, "byte_fallback")))
        return refuse(source, "\"model.byte_fallback\"", err);
    if (!json_is_true(json_object_get(model, "fuse_unk")))
        return refuse(source, "\"model.fuse_unk\"", err);
    return CLIPC_OK;
}

static clipc_status check_model(const clipc_tokenizer_source *source,
                                clipc_error *err)
{
    const json_t *model = json_object_get(source->root, "model");

    if (!json_is_object(model))
        return refuse(source, "\"model\"", err);
    if (!clipc_pipeline_is_text(model, "type", "BPE"))
        return refuse(source, "\"model.type\"", err);
    if (!source->rebuilt)
        CLIPC_TRY(check_settings(source, model, err));
    if (!clipc_source_has(source, source->vocab_at, '{'))
        return refuse(source, "\"model.vocab\"", err);
    if (!clipc_source_has(source, source->merges_at, '['))
        return refuse(source, "\"model.merges\"", err);
    return CLIPC_OK;
}

/* ---- normaliser, pre-tokenizer ----------------------------------------- */

static bool is_space_pattern(const json_t *pattern)
{
    static const clipc_pipeline_member SPACE[] = { { .key = "String",
                                                     .text = " " } };
    return CLIPC_OBJECT_IS(pattern, SPACE, "");
}

/* A space becomes U+2581. */
static bool is_replace(const json_t *object)
{
    static const clipc_pipeline_member REPLACE[] = {
        { .key = "type", .text = "Replace" },
        { .key = "content", .text = "\xE2\x96\x81" }
    };
    return CLIPC_OBJECT_IS(object, REPLACE, "pattern") &&
           is_space_pattern(json_object_get(object, "pattern"));
}

static bool is_normalizer(const json_t *object, bool *lower)
{
    static const clipc_pipeline_member SEQUENCE[] = { { .key = "type",
                                                        .text = "Sequence" } };
    static const clipc_pipeline_member LOWER[] = { { .key = "type",
                                                     .text = "Lowercase" } };
    const json_t *list = json_object_get(object, "normalizers");

    *lower = false;
    if (is_replace(object))
        return true;
    *lower = CLIPC_OBJECT_IS(object, SEQUENCE, "normalizers") &&
             json_array_size(list) == 2 &&
             CLIPC_OBJECT_IS(json_array_get(list, 0), LOWER, "") &&
             is_replace(json_array_get(list, 1));
    return *lower;
}

/* None, or a split at spaces: there is no space after the normaliser. */
static bool is_pre_tokenizer(const json_t *object)
{
    static const clipc_pipeline_member SPLIT[] = {
        { .key = "type", .text = "Split" },
        { .key = "behavior", .text = "MergedWithPrevious" },
        { .key = "invert", .boolean = false },
    };
    return !object || json_is_null(object) ||
           (CLIPC_OBJECT_IS(object, SPLIT, "pattern") &&
            is_space_pattern(json_object_get(object, "pattern")));
}

clipc_status clipc_gemma_check(clipc_gemma_pipeline *pipeline,
                               const clipc_tokenizer_source *source,
                               clipc_error *err)
{
    const json_t *added = json_object_get(source->root, "added_tokens");

    if (!source->root)
        return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                          "no tokenizer: the class %s needs a "
                          "tokenizer.json",
                          CLIPC_QUOTE(source->class));
    CLIPC_TRY(check_model(source, err));
    if (added && !json_is_array(added))
        return refuse(source, "\"added_tokens\"", err);
    if (source->rebuilt) {
        pipeline->lower = strcmp(source->class, "Siglip2Tokenizer") == 0;
        return CLIPC_OK;
    }
    if (!is_normalizer(json_object_get(source->root, "normalizer"),
                       &pipeline->lower))
        return refuse(source, "\"normalizer\"", err);
    if (!is_pre_tokenizer(json_object_get(source->root, "pre_tokenizer")))
        return refuse(source, "\"pre_tokenizer\"", err);
    return CLIPC_OK;
}

/* ---- the rest ----------------------------------------------------------- */

/* GemmaTokenizer's unk_token, or that of the file's model; -1: there is none,
 * or the two contradict each other where no class is named. */
static int32_t unknown_id(const clipc_tokenizer_source *source,
                          const clipc_token_map *tokens,
                          const clipc_added *added)
{
    const json_t *unk = json_object_get(json_object_get(source->root, "model"),
                                        "unk_token");

    if (source->rebuilt)
        return added->unk_id;
    const int32_t id = json_is_string(unk)
                           ? clipc_token_map_find(tokens,
                                                  json_string_value(unk),
                                                  json_string_length(unk))
                           : -1;
    return source->general || id == added->unk_id ? id : -1;
}

clipc_status clipc_gemma_finish(clipc_gemma_pipeline *pipeline,
                                clipc_padding *padding,
                                const clipc_tokenizer_source *source,
                                const clipc_token_map *tokens,
                                const clipc_added *added, clipc_error *err)
{
    pipeline->unk_id = unknown_id(source, tokens, added);
    if (pipeline->unk_id < 0 || (uint64_t)pipeline->unk_id >= tokens->n_ids)
        return refuse(source, "\"model.unk_token\"", err);
    if (pipeline->lower && added->normalized.n > 0)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: an added token that is normalised, in a "
                          "tokenizer that lowers its text",
                          CLIPC_QUOTE(source->files->tokenizer_json.name));
    /* add_bos_token and add_eos_token of the configuration do not count beside
     * a tokenizer.json. */
    CLIPC_TRY(clipc_pipeline_read_ends(&pipeline->ends, source, "Gemma", err));
    /* The classes pad on the left where no file says otherwise. */
    padding->id = added->pad_id;
    padding->left = source->rebuilt;
    return CLIPC_OK;
}
