/* SPDX-License-Identifier: MIT
 *
 * config.c - config.json of a CLIP model as hyperparameters.
 *
 * Keys, defaults and precedence are those of transformers 5.23
 * (models/clip/configuration_clip.py): absent keys have the values of
 * ViT-B/32; "text_config_dict", of checkpoints from 2021 and 2022, replaces
 * "text_config" whole, its own absent keys being defaults too. Out of range,
 * null or of another network is an error that names the key.
 */
#include "config.h"

#include "json.h"

#include <string.h>

/* Far above any CLIP, and low enough that no product of two overflows. */
enum {
    MAX_WIDTH = 65536,
    MAX_LAYERS = 1024,
    MAX_IMAGE_SIZE = 8192,
    MAX_CONTEXT = 65536,
    MAX_VOCAB = 1 << 24
};

#define MAX_CONFIG_NAME 64 /* bytes of a file's value shown in a message */

static clipc_status fail_key(const char *name, const char *section,
                             const char *key, const char *what,
                             clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_CONFIG, -1, "%s: \"%s%s%s\" %s",
                      CLIPC_QUOTE(name), section, *section ? "." : "", key,
                      what);
}

/* A value from the file, short enough for a message. */
static clipc_quoted quote_value(const char *value)
{
    size_t n = strlen(value);
    return clipc_quote(value, n < MAX_CONFIG_NAME ? n : MAX_CONFIG_NAME);
}

/* One section of the file: where it is, and what to call it. */
typedef struct section {
    const json_t *object;
    const char *name; /* of the file */
    const char *label; /* "text_config", or "" for the root */
} section;

/* The getters of json.h take null for absent; a null number is one that
 * transformers refuses too. */
static clipc_status get_size(const section *s, const char *key, size_t min,
                             size_t max, size_t *out, clipc_error *err)
{
    const json_t *value = json_object_get(s->object, key);

    if (!value)
        return CLIPC_OK;
    if (!json_is_integer(value))
        return fail_key(s->name, s->label, key, "must be an integer", err);
    json_int_t number = json_integer_value(value);
    if (number < (json_int_t)min || number > (json_int_t)max)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"%s%s%s\" is %lld, not in %zu..%zu",
                          CLIPC_QUOTE(s->name), s->label, *s->label ? "." : "",
                          key, (long long)number, min, max);
    *out = (size_t)number;
    return CLIPC_OK;
}

static clipc_status get_activation(const section *s, clipc_activation *out,
                                   clipc_error *err)
{
    const json_t *value = json_object_get(s->object, "hidden_act");
    const char *name = json_string_value(value);

    if (!value)
        return CLIPC_OK;
    if (!name)
        return fail_key(s->name, s->label, "hidden_act", "must be a string",
                        err);
    if (strcmp(name, "quick_gelu") == 0)
        *out = CLIPC_QUICK_GELU;
    else if (strcmp(name, "gelu") == 0)
        *out = CLIPC_GELU;
    else
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: \"%s.hidden_act\" is \"%s\"; clipc knows "
                          "quick_gelu and gelu", CLIPC_QUOTE(s->name),
                          s->label, quote_value(name).text);
    return CLIPC_OK;
}

static clipc_status get_eps(const section *s, float *out, clipc_error *err)
{
    const json_t *value = json_object_get(s->object, "layer_norm_eps");

    if (!value)
        return CLIPC_OK;
    double eps = json_number_value(value);
    if (!json_is_number(value) || !(eps >= 0 && eps <= 1))
        return fail_key(s->name, s->label, "layer_norm_eps",
                        "must be a number in 0..1", err);
    *out = (float)eps;
    return CLIPC_OK;
}

static clipc_status check_model_type(const section *s, const char *want,
                                     clipc_error *err)
{
    const json_t *value = json_object_get(s->object, "model_type");
    const char *name = json_string_value(value);

    if (!value || json_is_null(value))
        return CLIPC_OK;
    if (!name)
        return fail_key(s->name, s->label, "model_type", "must be a string",
                        err);
    if (strcmp(name, want) != 0)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: \"%s%smodel_type\" is \"%s\"; clipc reads "
                          "\"%s\"", CLIPC_QUOTE(s->name), s->label,
                          *s->label ? "." : "", quote_value(name).text, want);
    return CLIPC_OK;
}

static clipc_status get_tower(const section *s, const char *model_type,
                              clipc_tower_config *tower, clipc_error *err)
{
    CLIPC_TRY(check_model_type(s, model_type, err));
    CLIPC_TRY(get_size(s, "hidden_size", 1, MAX_WIDTH, &tower->width, err));
    CLIPC_TRY(get_size(s, "num_hidden_layers", 1, MAX_LAYERS,
                       &tower->n_layers, err));
    CLIPC_TRY(get_size(s, "num_attention_heads", 1, MAX_WIDTH,
                       &tower->n_heads, err));
    CLIPC_TRY(get_size(s, "intermediate_size", 1, MAX_WIDTH,
                       &tower->mlp_width, err));
    CLIPC_TRY(get_activation(s, &tower->activation, err));
    CLIPC_TRY(get_eps(s, &tower->eps, err));
    if (tower->width % tower->n_heads != 0)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"%s.num_attention_heads\" is %zu, which does "
                          "not divide hidden_size %zu", CLIPC_QUOTE(s->name),
                          s->label, tower->n_heads, tower->width);
    return CLIPC_OK;
}

/* The section that counts: "KEY_dict" when there is one, else "KEY", else
 * none. label is what to call it. */
static clipc_status find_section(section *out, const section *root,
                                 const char *key, const char *dict_key,
                                 clipc_error *err)
{
    const char *keys[] = { dict_key, key };

    *out = (section){ .name = root->name, .label = key };
    for (int i = 0; i < 2; i++) {
        const json_t *value = json_object_get(root->object, keys[i]);
        if (!value || json_is_null(value))
            continue;
        if (!json_is_object(value))
            return fail_key(root->name, "", keys[i], "must be an object", err);
        out->object = value;
        out->label = keys[i];
        return CLIPC_OK;
    }
    return CLIPC_OK;
}

static clipc_status get_text(clipc_config *config, const section *root,
                             clipc_error *err)
{
    section s;
    const json_t *eos;

    CLIPC_TRY(find_section(&s, root, "text_config", "text_config_dict", err));
    CLIPC_TRY(get_tower(&s, "clip_text_model", &config->text, err));
    /* Both ends of a text need a place. */
    CLIPC_TRY(get_size(&s, "max_position_embeddings", 2, MAX_CONTEXT,
                       &config->context_length, err));
    CLIPC_TRY(get_size(&s, "vocab_size", 1, MAX_VOCAB, &config->vocab_size,
                       err));
    /* May be an id that no text has: the first row is pooled then. */
    eos = json_object_get(s.object, "eos_token_id");
    if (!eos)
        return CLIPC_OK;
    if (!json_is_integer(eos) || json_integer_value(eos) < 0 ||
        json_integer_value(eos) > INT32_MAX)
        return fail_key(s.name, s.label, "eos_token_id",
                        "must be an integer in 0..2147483647", err);
    config->eos_token_id = json_integer_value(eos);
    return CLIPC_OK;
}

static clipc_status get_vision(clipc_config *config, const section *root,
                               clipc_error *err)
{
    size_t channels = 3;
    section s;

    CLIPC_TRY(
        find_section(&s, root, "vision_config", "vision_config_dict", err));
    CLIPC_TRY(get_tower(&s, "clip_vision_model", &config->vision, err));
    CLIPC_TRY(get_size(&s, "num_channels", 1, 64, &channels, err));
    CLIPC_TRY(get_size(&s, "image_size", 1, MAX_IMAGE_SIZE,
                       &config->image_size, err));
    CLIPC_TRY(get_size(&s, "patch_size", 1, MAX_IMAGE_SIZE,
                       &config->patch_size, err));
    if (channels != 3)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: \"%s.num_channels\" is %zu; clipc reads RGB",
                          CLIPC_QUOTE(s.name), s.label, channels);
    if (config->image_size % config->patch_size != 0)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"%s.patch_size\" is %zu, which does not "
                          "divide image_size %zu", CLIPC_QUOTE(s.name),
                          s.label, config->patch_size, config->image_size);
    return CLIPC_OK;
}

clipc_status clipc_config_parse(clipc_config *config, const char *data,
                                size_t n, const char *name, clipc_error *err)
{
    clipc_status status;
    json_t *root;

    *config = (clipc_config){
        .vision = { .width = 768, .n_layers = 12, .n_heads = 12,
                    .mlp_width = 3072, .activation = CLIPC_QUICK_GELU,
                    .eps = 1e-5f },
        .text = { .width = 512, .n_layers = 12, .n_heads = 8,
                  .mlp_width = 2048, .activation = CLIPC_QUICK_GELU,
                  .eps = 1e-5f },
        .image_size = 224,
        .patch_size = 32,
        .context_length = 77,
        .vocab_size = 49408,
        .eos_token_id = 49407,
        .projection_dim = 512,
    };
    CLIPC_TRY(clipc_json_parse(&root, data, n, name, err));
    section s = { .object = root, .name = name, .label = "" };
    if (!json_is_object(root))
        status = clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                            "%s: it is not a JSON object", CLIPC_QUOTE(name));
    else
        status = check_model_type(&s, "clip", err);
    if (status == CLIPC_OK)
        status = get_size(&s, "projection_dim", 1, MAX_WIDTH,
                          &config->projection_dim, err);
    if (status == CLIPC_OK)
        status = get_text(config, &s, err);
    if (status == CLIPC_OK)
        status = get_vision(config, &s, err);
    json_decref(root);
    return status;
}
