/* SPDX-License-Identifier: MIT
 *
 * config.c - config.json of a model as hyperparameters.
 *
 * "model_type" tells the family, the class where that key is absent. Keys,
 * defaults and precedence are those of transformers
 * (models/clip/configuration_clip.py, models/siglip/configuration_siglip.py):
 * absent keys have the values of ViT-B/32 and of SigLIP B/16. CLIP's
 * "text_config_dict", of checkpoints from 2021 and 2022, replaces
 * "text_config", its own absent keys being defaults too; only keys that
 * transformers' class does not have ("is_causal") still count. Out of range,
 * null or of another network is an error that names the key.
 */
#include "config/config.h"

#include "config/other_networks.h"
#include "base/json_object.h"

#include <string.h>

/* What the families call their networks and name their keys. */
typedef struct family_names {
    const char *name;
    const char *type, *text_type, *vision_type; /* "model_type" */
    const char *classes; /* beginning of the names of its classes */
} family_names;

static const family_names families[] = {
    [CLIPC_FAMILY_CLIP] = { "CLIP", "clip", "clip_text_model",
                            "clip_vision_model", "CLIP" },
    [CLIPC_FAMILY_SIGLIP] = { "SigLIP", "siglip", "siglip_text_model",
                              "siglip_vision_model", "Siglip" },
    [CLIPC_FAMILY_METACLIP_2] = { "MetaCLIP 2", "metaclip_2",
                                  "metaclip_2_text_model",
                                  "metaclip_2_vision_model", "MetaClip2" },
};

enum { N_FAMILIES = sizeof families / sizeof families[0] };

const char *clipc_family_name(clipc_family family)
{
    return families[family].name;
}

const char *clipc_config_type(const clipc_config *config)
{
    const family_names *f = &families[config->family];

    return !config->has_text     ? f->vision_type
           : !config->has_vision ? f->text_type
                                 : f->type;
}

static const char *const activations[] = {
    [CLIPC_QUICK_GELU] = "quick_gelu",
    [CLIPC_GELU] = "gelu",
    [CLIPC_GELU_TANH] = "gelu_pytorch_tanh",
};

const char *clipc_activation_name(clipc_activation activation)
{
    return activations[activation];
}

/* Other names of the same functions, which transformers computes in another
 * order (activations.py). "gelu_10", which is clipped, is none of them. */
static const struct {
    const char *name;
    clipc_activation activation;
} other_names[] = {
    { "gelu_python", CLIPC_GELU },
    { "gelu_new", CLIPC_GELU_TANH },
    { "gelu_fast", CLIPC_GELU_TANH },
    { "gelu_accurate", CLIPC_GELU_TANH },
    { "gelu_python_tanh", CLIPC_GELU_TANH },
};

bool clipc_activation_find(clipc_activation *activation, const char *name)
{
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++)
        if (strcmp(name, activations[i]) == 0) {
            *activation = (clipc_activation)i;
            return true;
        }
    for (size_t i = 0; i < sizeof other_names / sizeof other_names[0]; i++)
        if (strcmp(name, other_names[i].name) == 0) {
            *activation = other_names[i].activation;
            return true;
        }
    return false;
}

static clipc_status get_activation(const clipc_json_object *s,
                                   clipc_activation *out, clipc_error *err)
{
    const json_t *value = json_object_get(s->object, "hidden_act");
    const char *name = json_string_value(value);

    if (!value)
        return CLIPC_OK;
    if (!name)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, s, "hidden_act",
                               "must be a string");
    if (!clipc_activation_find(out, name))
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s, "hidden_act",
                               "is \"%s\"; clipc knows quick_gelu, gelu, "
                               "gelu_pytorch_tanh and other names of these",
                               clipc_json_quote(name).text);
    return CLIPC_OK;
}

/* A section with a model_type must be the tower that `want` names. */
static clipc_status check_section_type(const clipc_json_object *s,
                                       const char *want, clipc_error *err)
{
    const char *name = NULL;

    CLIPC_TRY(clipc_json_string(s, "model_type", &name, err));
    if (name && strcmp(name, want) != 0)
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s, "model_type",
                               "is \"%s\"; clipc reads \"%s\"",
                               clipc_json_quote(name).text, want);
    return CLIPC_OK;
}

static clipc_status get_tower(const clipc_json_object *s,
                              const char *model_type,
                              clipc_tower_config *tower, clipc_error *err)
{
    double eps = (double)tower->eps;

    CLIPC_TRY(check_section_type(s, model_type, err));
    CLIPC_TRY(clipc_config_check_keys(s, err));
    CLIPC_TRY(clipc_json_size(s, "hidden_size", 1, CLIPC_MAX_WIDTH,
                              &tower->width, err));
    CLIPC_TRY(clipc_json_size(s, "num_hidden_layers", 1, CLIPC_MAX_LAYERS,
                              &tower->n_layers, err));
    CLIPC_TRY(clipc_json_size(s, "num_attention_heads", 1, CLIPC_MAX_WIDTH,
                              &tower->n_heads, err));
    CLIPC_TRY(clipc_json_size(s, "intermediate_size", 1, CLIPC_MAX_WIDTH,
                              &tower->mlp_width, err));
    CLIPC_TRY(get_activation(s, &tower->activation, err));
    CLIPC_TRY(clipc_json_number(s, "layer_norm_eps", 0, 1, &eps, err));
    tower->eps = (float)eps;
    if (tower->width % tower->n_heads != 0)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, s, "num_attention_heads",
                               "is %zu, which does not divide hidden_size %zu",
                               tower->n_heads, tower->width);
    return CLIPC_OK;
}

/* Beside "KEY_dict" transformers' class has its keys from there, and what the
 * class does not have still from "KEY". */
static clipc_status check_hidden(const clipc_json_object *root,
                                 const clipc_json_object *dict,
                                 const char *key, bool text, clipc_error *err)
{
    clipc_json_object hidden;

    CLIPC_TRY(clipc_json_find(&hidden, root, key, err));
    CLIPC_TRY(clipc_config_check_keys(&hidden, err));
    return json_object_get(dict->object, "is_causal")
               ? CLIPC_OK
               : clipc_config_check_causal(&hidden, text, err);
}

/* CLIP's section "KEY_dict"; without one the section "KEY"; else none. */
static clipc_status find_section(clipc_json_object *out,
                                 const clipc_json_object *root,
                                 clipc_family family, bool text,
                                 clipc_error *err)
{
    const char *key = text ? "text_config" : "vision_config";

    if (family != CLIPC_FAMILY_SIGLIP) {
        CLIPC_TRY(
            clipc_json_find(out, root,
                            text ? "text_config_dict" : "vision_config_dict",
                            err));
        if (out->object)
            return check_hidden(root, out, key, text, err);
    }
    return clipc_json_find(out, root, key, err);
}

/* CLIP's: the row of this id is pooled. */
static clipc_status get_eos(clipc_config *config, const clipc_json_object *s,
                            clipc_error *err)
{
    /* A text may lack this id; then the first row is pooled. */
    const json_t *eos = json_object_get(s->object, "eos_token_id");

    if (!eos)
        return CLIPC_OK;
    if (!json_is_integer(eos) || json_integer_value(eos) < 0 ||
        json_integer_value(eos) > INT32_MAX)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, s, "eos_token_id",
                               "must be an integer in 0..2147483647");
    config->eos_token_id = json_integer_value(eos);
    return CLIPC_OK;
}

/* SigLIP's: what the text head projects to. Absent or null: the width. */
static clipc_status get_text_projection(clipc_config *config,
                                        const clipc_json_object *s,
                                        clipc_error *err)
{
    config->projection_dim = config->text.width;
    if (!clipc_json_lookup(s->object, "projection_size"))
        return CLIPC_OK;
    return clipc_json_size(s, "projection_size", 1, CLIPC_MAX_WIDTH,
                           &config->projection_dim, err);
}

static clipc_status get_text(clipc_config *config, const clipc_json_object *s,
                             clipc_error *err)
{
    CLIPC_TRY(
        get_tower(s, families[config->family].text_type, &config->text, err));
    if (config->family != CLIPC_FAMILY_SIGLIP)
        CLIPC_TRY(clipc_config_check_causal(s, true, err));
    /* Both ends of a text need a place. */
    CLIPC_TRY(clipc_json_size(s, "max_position_embeddings", 2,
                              CLIPC_MAX_CONTEXT, &config->context_length,
                              err));
    CLIPC_TRY(clipc_json_size(s, "vocab_size", 1, CLIPC_MAX_VOCAB,
                              &config->vocab_size, err));
    /* The ids in a config of SigLIP mean nothing: the tokenizer has them. */
    return config->family == CLIPC_FAMILY_SIGLIP
               ? get_text_projection(config, s, err)
               : get_eos(config, s, err);
}

/* SigLIP's: without the attention head the tower has no embedding; the
 * embedding has the width of the tower, and that of a text must be as long. */
static clipc_status check_vision_head(clipc_config *config,
                                      const clipc_json_object *s,
                                      clipc_error *err)
{
    bool use_head = true;

    CLIPC_TRY(clipc_json_bool(s, "vision_use_head", &use_head, err));
    if (!use_head)
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s,
                               "vision_use_head",
                               "is false: a tower without its head, which has "
                               "no embedding of a picture");
    if (config->has_text && config->projection_dim != config->vision.width)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, s, "hidden_size",
                               "is %zu, but an embedding of a text has %zu "
                               "numbers (\"projection_size\" of "
                               "\"text_config\")",
                               config->vision.width, config->projection_dim);
    config->projection_dim = config->vision.width;
    return CLIPC_OK;
}

static clipc_status get_vision(clipc_config *config,
                               const clipc_json_object *s, clipc_error *err)
{
    size_t channels = 3;

    CLIPC_TRY(get_tower(s, families[config->family].vision_type,
                        &config->vision, err));
    if (config->family != CLIPC_FAMILY_SIGLIP)
        CLIPC_TRY(clipc_config_check_causal(s, false, err));
    CLIPC_TRY(clipc_json_size(s, "num_channels", 1, 64, &channels, err));
    CLIPC_TRY(clipc_json_size(s, "image_size", 1, CLIPC_MAX_IMAGE_SIZE,
                              &config->image_size, err));
    CLIPC_TRY(clipc_json_size(s, "patch_size", 1, CLIPC_MAX_IMAGE_SIZE,
                              &config->patch_size, err));
    if (channels != 3)
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s, "num_channels",
                               "is not 3; clipc reads RGB");
    if (config->patch_size > config->image_size)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, s, "patch_size",
                               "is larger than image_size");
    config->trained_image_size = config->image_size;
    return config->family == CLIPC_FAMILY_SIGLIP
               ? check_vision_head(config, s, err)
               : CLIPC_OK;
}

/* ---- which network ----------------------------------------------------- */

static clipc_status fail_network(const clipc_json_object *root,
                                 const char *key, const char *value,
                                 const char *network, clipc_error *err)
{
    if (network)
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, root, key,
                               "is \"%s\": this is %s, a network that clipc "
                               "does not compute",
                               clipc_json_quote(value).text, network);
    return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, root, key,
                           "is \"%s\"; clipc reads \"clip\", \"siglip\", "
                           "\"metaclip_2\" and their towers",
                           clipc_json_quote(value).text);
}

/* Whether the class is one of the family, "SiglipModel" of "Siglip". */
static bool is_class_of(const char *name, clipc_family family)
{
    const char *prefix = families[family].classes;
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Refuses the classes of other networks. For a class without projection the
 * checkpoint's tensors tell whether there is a projection. */
static clipc_status check_classes(const clipc_config *config,
                                  const clipc_json_object *root,
                                  clipc_error *err)
{
    const json_t *list = json_object_get(root->object, "architectures");
    const json_t *value;
    size_t i;

    json_array_foreach(list, i, value)
    {
        const char *name = json_string_value(value);
        const char *network = name ? clipc_network_of_class(name) : NULL;
        if (network)
            return fail_network(root, "architectures", name, network, err);
        for (int k = 0; name && k < N_FAMILIES; k++)
            if (k != (int)config->family && is_class_of(name, (clipc_family)k))
                return clipc_json_fail(err, CLIPC_ERR_CONFIG, root,
                                       "architectures",
                                       "is \"%s\", which is no class of "
                                       "model_type \"%s\"",
                                       clipc_json_quote(name).text,
                                       families[config->family].type);
    }
    return CLIPC_OK;
}

/* The model_type of a config without one: that of the first class that names
 * a family, else CLIP's, as in checkpoints from before the key. */
static const char *type_of_classes(const clipc_json_object *root)
{
    const json_t *list = json_object_get(root->object, "architectures");
    const json_t *value;
    size_t i;

    json_array_foreach(list, i, value)
    {
        const char *name = json_string_value(value);
        if (name && strcmp(name, "SiglipTextModel") == 0)
            return families[CLIPC_FAMILY_SIGLIP].text_type;
        if (name && strcmp(name, "SiglipVisionModel") == 0)
            return families[CLIPC_FAMILY_SIGLIP].vision_type;
        if (name && is_class_of(name, CLIPC_FAMILY_SIGLIP))
            return families[CLIPC_FAMILY_SIGLIP].type;
        if (name && is_class_of(name, CLIPC_FAMILY_METACLIP_2))
            return families[CLIPC_FAMILY_METACLIP_2].type;
    }
    return families[CLIPC_FAMILY_CLIP].type;
}

/* The towers of a model_type, and its defaults; false: of no family. */
static bool take_type(clipc_config *config, const char *type)
{
    for (int i = 0; i < N_FAMILIES; i++) {
        const family_names *f = &families[i];
        const bool both = strcmp(type, f->type) == 0;
        const bool text = both || strcmp(type, f->text_type) == 0;
        const bool vision = both || strcmp(type, f->vision_type) == 0;
        if (!text && !vision)
            continue;
        clipc_config_default(config, (clipc_family)i);
        config->has_text = text;
        config->has_vision = vision;
        return true;
    }
    return false;
}

static clipc_status get_network(clipc_config *config,
                                const clipc_json_object *root,
                                clipc_error *err)
{
    const char *type = type_of_classes(root), *timm = NULL;

    CLIPC_TRY(clipc_json_string(root, "model_type", &type, err));
    if (!take_type(config, type))
        return fail_network(root, "model_type", type,
                            clipc_network_of_type(type), err);
    /* timm describes one network of its own in a file of the same name. */
    CLIPC_TRY(clipc_json_string(root, "architecture", &timm, err));
    if (timm && !json_object_get(root->object, "model_type"))
        return fail_network(root, "architecture", timm, "a network of timm",
                            err);
    return check_classes(config, root, err);
}

/* A letter or a digit, then also '.', '-' and '_': nothing that a program
 * could take for a path, an option or a control character. */
static bool is_list_name(const char *name)
{
#define LETTERS \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    size_t n = strlen(name);

    return n <= CLIPC_MAX_LIST_NAME && strspn(name, LETTERS) > 0 &&
           strspn(name, LETTERS ".-_") == n;
#undef LETTERS
}

static const char *const cleanings[] = {
    [CLIPC_CLEANING_NONE] = NULL,
    [CLIPC_CLEANING_WHITESPACE] = "whitespace",
    [CLIPC_CLEANING_LOWER] = "lower",
    [CLIPC_CLEANING_CANONICALIZE] = "canonicalize",
};

const char *clipc_cleaning_name(clipc_cleaning cleaning)
{
    return cleanings[cleaning];
}

bool clipc_cleaning_find(clipc_cleaning *cleaning, const char *name)
{
    for (size_t i = 1; i < sizeof cleanings / sizeof cleanings[0]; i++)
        if (strcmp(name, cleanings[i]) == 0) {
            *cleaning = (clipc_cleaning)i;
            return true;
        }
    return false;
}

clipc_status clipc_config_read_labels(clipc_config *config,
                                      const clipc_json_object *root,
                                      clipc_error *err)
{
    const char *name = NULL, *clean = NULL;
    clipc_json_object own;

    config->labels[0] = '\0';
    CLIPC_TRY(clipc_json_find(&own, root, "clipc", err));
    CLIPC_TRY(clipc_json_string(&own, "clean", &clean, err));
    if (clean && !clipc_cleaning_find(&config->cleaning, clean))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, &own, "clean",
                               "must be whitespace, lower or canonicalize");
    CLIPC_TRY(clipc_json_string(&own, "labels", &name, err));
    if (!name)
        return CLIPC_OK;
    if (!is_list_name(name))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, &own, "labels",
                               "must be the name of a list of labels: at most "
                               "63 letters, digits, '.', '-' and '_', the "
                               "first a letter or a digit");
    memcpy(config->labels, name, strlen(name) + 1);
    return CLIPC_OK;
}

static clipc_status get_all(clipc_config *config,
                            const clipc_json_object *root, clipc_error *err)
{
    clipc_json_object text = *root, vision = *root;

    CLIPC_TRY(get_network(config, root, err));
    CLIPC_TRY(clipc_config_check_keys(root, err));
    CLIPC_TRY(clipc_config_read_labels(config, root, err));
    CLIPC_TRY(clipc_config_read_names(config, root, err));
    if (config->family != CLIPC_FAMILY_SIGLIP) {
        CLIPC_TRY(clipc_json_size(root, "projection_dim", 1, CLIPC_MAX_WIDTH,
                                  &config->projection_dim, err));
        CLIPC_TRY(clipc_json_number(root, "logit_scale_init_value", -80, 80,
                                    &config->logit_scale_init, err));
    }
    /* A tower by itself has its keys at the root. */
    if (config->has_text && config->has_vision) {
        CLIPC_TRY(find_section(&text, root, config->family, true, err));
        CLIPC_TRY(find_section(&vision, root, config->family, false, err));
    }
    if (!config->has_text || !config->has_vision) {
        const char *key = config->has_text ? "text_config" : "vision_config";
        clipc_json_object section;
        CLIPC_TRY(clipc_json_find(&section, root, key, err));
        if (section.object)
            return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, root, key,
                                   "is set beside a tower's own keys, which "
                                   "transformers then does not read");
    }
    if (config->has_text)
        CLIPC_TRY(get_text(config, &text, err));
    if (config->has_vision)
        CLIPC_TRY(get_vision(config, &vision, err));
    return CLIPC_OK;
}

static const clipc_config defaults[] = {
    [CLIPC_FAMILY_CLIP] = {
        .family = CLIPC_FAMILY_CLIP,
        .vision = { .width = 768,
                    .n_layers = 12,
                    .n_heads = 12,
                    .mlp_width = 3072,
                    .activation = CLIPC_QUICK_GELU,
                    .eps = 1e-5f },
        .text = { .width = 512,
                  .n_layers = 12,
                  .n_heads = 8,
                  .mlp_width = 2048,
                  .activation = CLIPC_QUICK_GELU,
                  .eps = 1e-5f },
        .image_size = 224,
        .patch_size = 32,
        .context_length = 77,
        .vocab_size = 49408,
        .eos_token_id = 49407,
        .projection_dim = 512,
        .has_vision = true,
        .has_text = true,
        .trained_image_size = 224,
        .logit_scale_init = 2.6592,
    },
    [CLIPC_FAMILY_SIGLIP] = {
        .family = CLIPC_FAMILY_SIGLIP,
        .vision = { .width = 768,
                    .n_layers = 12,
                    .n_heads = 12,
                    .mlp_width = 3072,
                    .activation = CLIPC_GELU_TANH,
                    .eps = 1e-6f },
        .text = { .width = 768,
                  .n_layers = 12,
                  .n_heads = 12,
                  .mlp_width = 3072,
                  .activation = CLIPC_GELU_TANH,
                  .eps = 1e-6f },
        .image_size = 224,
        .patch_size = 16,
        .context_length = 64,
        .vocab_size = 32000,
        .projection_dim = 768,
        .has_vision = true,
        .has_text = true,
        .trained_image_size = 224,
    },
};

void clipc_config_default(clipc_config *config, clipc_family family)
{
    *config = defaults[family == CLIPC_FAMILY_METACLIP_2 ? CLIPC_FAMILY_CLIP
                                                         : family];
    config->family = family;
}

clipc_status clipc_config_parse(clipc_config *config, const char *data,
                                size_t n, const char *name, clipc_error *err)
{
    clipc_status status;
    json_t *root;

    clipc_config_default(config, CLIPC_FAMILY_CLIP);
    CLIPC_TRY(clipc_json_parse(&root, data, n, name, err));
    clipc_json_object s = { .object = root, .file = name, .label = "" };
    status = clipc_json_check_object(&s, err);
    if (status == CLIPC_OK)
        status = get_all(config, &s, err);
    json_decref(root);
    return status;
}
