/* SPDX-License-Identifier: MIT
 *
 * open_clip_config.c - open_clip_config.json as hyperparameters and
 * preprocessing.
 *
 * "model_cfg" has the arguments of open_clip's CLIP class (3.3:
 * CLIPVisionCfg, CLIPTextCfg), "preprocess_cfg" those of its transforms.
 * Absent keys have the defaults of those classes. A key that clipc does not
 * read must be off: null, false, 0 or empty. Any other value means another
 * network and is refused by the key's name.
 *
 * SigLIP's image tower is described by its name in timm alone.
 *
 * The transforms are torchvision's on a Pillow picture: Pillow's resize, the
 * size rule of transformers, a crop whose corner is rounded to even.
 */
#include "config/config.h"

#include "base/json_object.h"

#include <stdio.h>
#include <string.h>

enum {
    BILINEAR = 2,
    BICUBIC = 3,
    ARGMAX =
        2 /* as eos_token_id: the highest id is pooled, see text_tower.c */
};

/* ---- keys that clipc does not read ------------------------------------- */

static bool is_listed(const char *key, const char *const list[])
{
    for (; *list; list++)
        if (strcmp(key, *list) == 0)
            return true;
    return false;
}

/* Absent or null: what open_clip asks of a number that switches something
 * on. */
static bool is_none(const json_t *value)
{
    return !value || json_is_null(value);
}

/* null, false, 0, "", [] or {}. */
static bool is_off(const json_t *value)
{
    if (json_is_string(value))
        return json_string_length(value) == 0;
    if (json_is_array(value))
        return json_array_size(value) == 0;
    if (json_is_object(value))
        return json_object_size(value) == 0;
    if (json_is_number(value))
        return json_number_value(value) == 0;
    return !json_is_true(value);
}

static clipc_status check_others(const clipc_json_object *s,
                                 const char *const known[], clipc_error *err)
{
    /* jansson's iteration takes no const object. */
    json_t *object = (json_t *)(uintptr_t)s->object;
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        const bool is_number = strcmp(key, "ls_init_value") == 0;
        if (is_listed(key, known) ||
            (is_number ? is_none(value) : is_off(value)))
            continue;
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s,
                               clipc_json_quote(key).text,
                               "is set, and clipc does not compute what it "
                               "stands for");
    }
    return CLIPC_OK;
}

/* A key with a few values, of which clipc computes one or two. */
static clipc_status check_choice(const clipc_json_object *s, const char *key,
                                 const char *const known[], clipc_error *err)
{
    const char *value = NULL;

    CLIPC_TRY(clipc_json_string(s, key, &value, err));
    if (!value || is_listed(value, known))
        return CLIPC_OK;
    return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s, key,
                           "is \"%s\", which clipc does not compute",
                           clipc_json_quote(value).text);
}

/* ---- values ------------------------------------------------------------ */

/* An integer, or two that are equal. */
static clipc_status get_square(const clipc_json_object *s, const char *key,
                               size_t *out, clipc_error *err)
{
    const json_t *value = json_object_get(s->object, key);
    const json_t *height = json_array_get(value, 0);

    if (!json_is_array(value))
        return clipc_json_size(s, key, 1, CLIPC_MAX_IMAGE_SIZE, out, err);
    if (json_array_size(value) != 2 || !json_is_integer(height) ||
        !json_equal(height, json_array_get(value, 1)))
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s, key,
                               "is not one length; clipc reads squares");
    json_int_t number = json_integer_value(height);
    if (number < 1 || number > CLIPC_MAX_IMAGE_SIZE)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, s, key,
                               "is not in 1..%d", CLIPC_MAX_IMAGE_SIZE);
    *out = (size_t)number;
    return CLIPC_OK;
}

/* The keys that both towers have. */
static clipc_status get_tower(const clipc_json_object *s,
                              clipc_tower_config *tower, clipc_error *err)
{
    static const char *const blocks[] = { "default", NULL };
    static const char *const norms[] = { "eps", NULL };
    double ratio = 4.0, eps = 1e-5;
    clipc_json_object norm;

    CLIPC_TRY(
        clipc_json_size(s, "width", 1, CLIPC_MAX_WIDTH, &tower->width, err));
    CLIPC_TRY(clipc_json_size(s, "layers", 1, CLIPC_MAX_LAYERS,
                              &tower->n_layers, err));
    CLIPC_TRY(clipc_json_number(s, "mlp_ratio", 0.001, 64, &ratio, err));
    CLIPC_TRY(check_choice(s, "block_type", blocks, err));
    CLIPC_TRY(clipc_json_find(&norm, s, "norm_kwargs", err));
    CLIPC_TRY(check_others(&norm, norms, err));
    CLIPC_TRY(clipc_json_number(&norm, "eps", 0, 1, &eps, err));
    tower->eps = (float)eps;
    tower->mlp_width = (size_t)((double)tower->width * ratio);
    if (tower->mlp_width < 1 || tower->mlp_width > CLIPC_MAX_WIDTH)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, s, "mlp_ratio",
                               "makes the MLP too narrow or too wide");
    return CLIPC_OK;
}

static clipc_status check_heads(const clipc_json_object *s,
                                const clipc_tower_config *tower,
                                const char *key, clipc_error *err)
{
    if (tower->n_heads && tower->width % tower->n_heads == 0)
        return CLIPC_OK;
    return clipc_json_fail(err, CLIPC_ERR_CONFIG, s, key,
                           "makes %zu heads, which do not divide the width "
                           "%zu",
                           tower->n_heads, tower->width);
}

/* ---- towers ------------------------------------------------------------ */

/* timm's names of SigLIP's image towers: vit_SIZE_patchP_siglip_S. */
typedef struct timm_size {
    const char *name;
    size_t width, n_layers, n_heads, mlp_width;
} timm_size;

static const timm_size timm_sizes[] = {
    { "base", 768, 12, 12, 3072 },
    { "large", 1024, 24, 16, 4096 },
    { "so400m", 1152, 27, 16, 4304 },
    { "giantopt", 1536, 40, 16, 6144 },
};

/* timm 1.0 gives the towers that came with SigLIP 2 the tanh form of GELU, and
 * keeps the erf form for those that SigLIP had before, whose names SigLIP 2
 * uses too. */
static bool timm_has_tanh(const timm_size *size, size_t patch, size_t side)
{
    return (size->n_layers == 12 && patch == 32) ||
           (size->n_layers == 24 && side == 512) ||
           (size->n_layers == 27 && patch == 16) || size->n_layers == 40;
}

/* false: the name is not one of SigLIP's. */
static bool get_timm_tower(clipc_config *config, const char *name)
{
    char size[16];
    unsigned patch, side;
    int used = 0;

    if (sscanf(name, "vit_%15[a-z0-9]_patch%4u_siglip_%4u%n", size, &patch,
               &side, &used) != 3 ||
        name[used] || patch < 1 || side < patch)
        return false;
    for (size_t i = 0; i < sizeof timm_sizes / sizeof timm_sizes[0]; i++) {
        const timm_size *s = &timm_sizes[i];
        if (strcmp(size, s->name) != 0)
            continue;
        config->vision = (clipc_tower_config){
            .width = s->width,
            .n_layers = s->n_layers,
            .n_heads = s->n_heads,
            .mlp_width = s->mlp_width,
            .activation = timm_has_tanh(s, patch, side) ? CLIPC_GELU_TANH
                                                        : CLIPC_GELU,
            .eps = 1e-6f,
        };
        config->patch_size = patch;
        config->image_size = config->trained_image_size = side;
        return true;
    }
    return false;
}

/* The image tower of SigLIP, which timm names and open_clip does not
 * describe. */
static clipc_status get_timm_vision(clipc_config *config,
                                    const clipc_json_object *s,
                                    clipc_error *err)
{
    static const char *const known[] = {
        "image_size", "timm_model_name", "timm_pool", "timm_proj",
        /* change no answer, or nothing of a tower by timm */
        "timm_model_pretrained", "timm_proj_bias", "timm_drop",
        "timm_drop_path", "patch_dropout", "layers", "width", "head_width",
        "mlp_ratio", "patch_size", "pool_type", "pos_embed_type",
        "norm_kwargs", "output_tokens", NULL
    };
    static const char *const pools[] = { "map", NULL };
    static const char *const projections[] = { "none", NULL };
    const char *name = "";
    size_t side = 224;

    CLIPC_TRY(clipc_json_string(s, "timm_model_name", &name, err));
    if (!get_timm_tower(config, name))
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s,
                               "timm_model_name",
                               "is \"%s\": of timm's image towers clipc "
                               "reads SigLIP's",
                               clipc_json_quote(name).text);
    CLIPC_TRY(check_others(s, known, err));
    /* Absent, both mean another network. */
    if (!clipc_json_lookup(s->object, "timm_pool") ||
        !clipc_json_lookup(s->object, "timm_proj"))
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s, "timm_pool",
                               "must be \"map\", and timm_proj \"none\"");
    CLIPC_TRY(check_choice(s, "timm_pool", pools, err));
    CLIPC_TRY(check_choice(s, "timm_proj", projections, err));
    CLIPC_TRY(get_square(s, "image_size", &side, err));
    if (side != config->image_size)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, s, "image_size",
                               "is %zu, but \"%s\" reads %zu", side,
                               clipc_json_quote(name).text,
                               config->image_size);
    return CLIPC_OK;
}

static clipc_status get_vision(clipc_config *config,
                               const clipc_json_object *s, clipc_error *err)
{
    static const char *const known[] = {
        "layers", "width", "head_width", "mlp_ratio", "patch_size",
        "image_size", "norm_kwargs", "pool_type", "pos_embed_type",
        "block_type",
        /* change no answer, or nothing without a key that is refused */
        "patch_dropout", "output_tokens", "final_ln_after_pool",
        "attn_pooler_queries", "attn_pooler_heads", "timm_model_pretrained",
        "timm_pool", "timm_proj", "timm_proj_bias", "timm_drop",
        "timm_drop_path", NULL
    };
    static const char *const pools[] = { "tok", NULL };
    static const char *const positions[] = { "learnable", "sin_cos_2d", NULL };
    size_t head_width = 64;

    config->patch_size = 16;
    if (json_is_array(json_object_get(s->object, "layers")))
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s, "layers",
                               "is a list: this is a ResNet CLIP, another "
                               "network than the ViT that clipc reads");
    CLIPC_TRY(check_others(s, known, err));
    CLIPC_TRY(check_choice(s, "pool_type", pools, err));
    CLIPC_TRY(check_choice(s, "pos_embed_type", positions, err));
    CLIPC_TRY(get_tower(s, &config->vision, err));
    CLIPC_TRY(clipc_json_size(s, "head_width", 1, CLIPC_MAX_WIDTH, &head_width,
                              err));
    config->vision.n_heads = config->vision.width / head_width;
    CLIPC_TRY(check_heads(s, &config->vision, "head_width", err));
    CLIPC_TRY(get_square(s, "image_size", &config->image_size, err));
    CLIPC_TRY(get_square(s, "patch_size", &config->patch_size, err));
    if (config->patch_size > config->image_size)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, s, "patch_size",
                               "is larger than image_size");
    config->trained_image_size = config->image_size;
    return CLIPC_OK;
}

static clipc_status get_pooling(clipc_config *config,
                                const clipc_json_object *s, clipc_error *err)
{
    static const char *const pools[] = { "argmax", "eos", NULL };
    const char *pool = "argmax";
    size_t eos = ARGMAX;

    CLIPC_TRY(check_choice(s, "pool_type", pools, err));
    CLIPC_TRY(clipc_json_string(s, "pool_type", &pool, err));
    CLIPC_TRY(clipc_json_size(s, "eos_id", 0, INT32_MAX, &eos, err));
    config->eos_token_id = ARGMAX;
    if (strcmp(pool, "argmax") == 0)
        return CLIPC_OK;
    if (eos == ARGMAX)
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s, "eos_id",
                               "is 2, which is no end token of CLIP");
    config->eos_token_id = (int64_t)eos;
    return CLIPC_OK;
}

/* The sizes that both families' text towers have. */
static clipc_status get_text_sizes(clipc_config *config,
                                   const clipc_json_object *s,
                                   clipc_error *err)
{
    static const char *const projections[] = { "linear", NULL };

    CLIPC_TRY(check_choice(s, "proj_type", projections, err));
    CLIPC_TRY(get_tower(s, &config->text, err));
    CLIPC_TRY(clipc_json_size(s, "heads", 1, CLIPC_MAX_WIDTH,
                              &config->text.n_heads, err));
    CLIPC_TRY(check_heads(s, &config->text, "heads", err));
    CLIPC_TRY(clipc_json_size(s, "context_length", 2, CLIPC_MAX_CONTEXT,
                              &config->context_length, err));
    CLIPC_TRY(clipc_json_size(s, "vocab_size", 1, CLIPC_MAX_VOCAB,
                              &config->vocab_size, err));
    return CLIPC_OK;
}

static clipc_status get_text(clipc_config *config, const clipc_json_object *s,
                             clipc_error *err)
{
    static const char *const known[] = {
        "context_length", "vocab_size", "width", "heads", "layers",
        "mlp_ratio", "norm_kwargs", "pool_type", "eos_id", "proj_type",
        "block_type",
        /* the tokenizer's files tell; or as above */
        "hf_tokenizer_name", "pad_id", "output_tokens", "final_ln_after_pool",
        "hf_model_pretrained", "hf_proj_type", "hf_pooler_type", NULL
    };

    CLIPC_TRY(check_others(s, known, err));
    CLIPC_TRY(get_text_sizes(config, s, err));
    return get_pooling(config, s, err);
}

/* Absent, open_clip joins the words alone. */
static clipc_status get_cleaning(clipc_config *config,
                                 const clipc_json_object *s, clipc_error *err)
{
    static const char *const known[] = { "clean", NULL };
    const char *clean = "whitespace";
    clipc_json_object kwargs;

    CLIPC_TRY(clipc_json_find(&kwargs, s, "tokenizer_kwargs", err));
    CLIPC_TRY(check_others(&kwargs, known, err));
    CLIPC_TRY(clipc_json_string(&kwargs, "clean", &clean, err));
    if (clipc_cleaning_find(&config->cleaning, clean))
        return CLIPC_OK;
    return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, &kwargs, "clean",
                           "is \"%s\", which clipc does not do",
                           clipc_json_quote(clean).text);
}

/* SigLIP's: rows that all see each other, the last one pooled, a projection
 * with a bias. */
static clipc_status get_siglip_text(clipc_config *config,
                                    const clipc_json_object *s,
                                    clipc_error *err)
{
    static const char *const known[] = {
        "context_length", "vocab_size", "width", "heads", "layers",
        "mlp_ratio", "norm_kwargs", "act_kwargs", "pool_type", "proj_type",
        "proj_bias", "no_causal_mask", "block_type", "tokenizer_kwargs",
        /* as above */
        "hf_tokenizer_name", "pad_id", "eos_id", "output_tokens", NULL
    };
    static const char *const pools[] = { "last", NULL };
    static const char *const acts[] = { "approximate", NULL };
    static const char *const forms[] = { "none", "tanh", NULL };
    static const char *const needed[] = { "no_causal_mask", "proj_bias" };
    const char *pool = "argmax", *form = "none";
    clipc_json_object act;

    CLIPC_TRY(check_others(s, known, err));
    CLIPC_TRY(clipc_json_string(s, "pool_type", &pool, err));
    if (!is_listed(pool, pools))
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s, "pool_type",
                               "is \"%s\", not \"last\" as SigLIP's",
                               clipc_json_quote(pool).text);
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        bool set = false;
        CLIPC_TRY(clipc_json_bool(s, needed[i], &set, err));
        if (!set)
            return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s, needed[i],
                                   "is not true: another text tower than "
                                   "SigLIP's");
    }
    CLIPC_TRY(clipc_json_find(&act, s, "act_kwargs", err));
    CLIPC_TRY(check_others(&act, acts, err));
    CLIPC_TRY(check_choice(&act, "approximate", forms, err));
    CLIPC_TRY(clipc_json_string(&act, "approximate", &form, err));
    CLIPC_TRY(get_cleaning(config, s, err));
    CLIPC_TRY(get_text_sizes(config, s, err));
    config->text.activation = strcmp(form, "tanh") == 0 ? CLIPC_GELU_TANH
                                                        : CLIPC_GELU;
    return CLIPC_OK;
}

/* The whole of a SigLIP. s: model_cfg. */
static clipc_status get_siglip(clipc_config *config,
                               const clipc_json_object *s,
                               const clipc_json_object *vision,
                               const clipc_json_object *text, bool quick_gelu,
                               clipc_error *err)
{
    config->family = CLIPC_FAMILY_SIGLIP;
    CLIPC_TRY(get_timm_vision(config, vision, err));
    CLIPC_TRY(get_siglip_text(config, text, err));
    if (is_none(json_object_get(s->object, "init_logit_bias")))
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s,
                               "init_logit_bias",
                               "is not set, as SigLIP's is");
    if (quick_gelu)
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s, "quick_gelu",
                               "is true, which SigLIP's towers do not know");
    if (config->projection_dim != config->vision.width)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, s, "embed_dim",
                               "is %zu, but the image tower makes vectors of "
                               "%zu numbers",
                               config->projection_dim, config->vision.width);
    return CLIPC_OK;
}

static clipc_status get_model(clipc_config *config, const clipc_json_object *s,
                              clipc_error *err)
{
    static const char *const known[] = { "embed_dim",
                                         "vision_cfg",
                                         "text_cfg",
                                         "quick_gelu",
                                         "custom_text",
                                         "init_logit_bias",
                                         "init_logit_scale",
                                         "nonscalar_logit_scale",
                                         "cast_dtype",
                                         "output_dict",
                                         NULL };
    clipc_json_object vision, text;
    bool quick_gelu = false;

    if (!is_off(json_object_get(s->object, "multimodal_cfg")))
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s, "multimodal_cfg",
                               "is set: this is CoCa, another network than "
                               "CLIP");
    CLIPC_TRY(clipc_json_find(&vision, s, "vision_cfg", err));
    CLIPC_TRY(clipc_json_find(&text, s, "text_cfg", err));
    CLIPC_TRY(clipc_json_bool(s, "quick_gelu", &quick_gelu, err));
    CLIPC_TRY(check_others(s, known, err));
    CLIPC_TRY(clipc_json_size(s, "embed_dim", 1, CLIPC_MAX_WIDTH,
                              &config->projection_dim, err));
    CLIPC_TRY(clipc_json_number(s, "init_logit_scale", -80, 80,
                                &config->logit_scale_init, err));
    if (!is_off(json_object_get(text.object, "hf_model_name")))
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, &text,
                               "hf_model_name",
                               "names another text tower than CLIP's");
    if (!is_off(json_object_get(vision.object, "timm_model_name")))
        return get_siglip(config, s, &vision, &text, quick_gelu, err);
    if (!is_none(json_object_get(s->object, "init_logit_bias")))
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, s,
                               "init_logit_bias",
                               "is set: a network with a bias, as SigLIP's, "
                               "but with another image tower");
    CLIPC_TRY(get_vision(config, &vision, err));
    CLIPC_TRY(get_text(config, &text, err));
    config->vision.activation = config->text.activation =
        quick_gelu ? CLIPC_QUICK_GELU : CLIPC_GELU;
    return CLIPC_OK;
}

/* ---- preprocessing ----------------------------------------------------- */

static clipc_status get_preprocess(clipc_preprocess_config *config,
                                   const clipc_json_object *s, size_t size,
                                   clipc_error *err)
{
    static const char *const modes[] = { "RGB", NULL };
    static const char *const filters[] = { "bicubic", "bilinear", "random",
                                           NULL };
    static const char *const rules[] = { "shortest", "squash", NULL };
    const char *filter = "bicubic", *rule = "shortest";

    CLIPC_TRY(check_choice(s, "mode", modes, err));
    CLIPC_TRY(check_choice(s, "interpolation", filters, err));
    CLIPC_TRY(check_choice(s, "resize_mode", rules, err));
    CLIPC_TRY(clipc_json_string(s, "interpolation", &filter, err));
    CLIPC_TRY(clipc_json_string(s, "resize_mode", &rule, err));
    const json_t *mean = json_object_get(s->object, "mean");
    /* Python's `mean or DEFAULT`. */
    if (!json_is_number(mean) || json_number_value(mean) != 0)
        CLIPC_TRY(clipc_json_triple(s, "mean", true, config->mean, err));
    CLIPC_TRY(clipc_json_triple(s, "std", false, config->std, err));
    /* "random" is for training; open_clip then runs with bicubic. */
    config->resample = strcmp(filter, "bilinear") == 0 ? BILINEAR : BICUBIC;
    config->crop_rounds = true;
    config->crop_height = config->crop_width = size;
    if (strcmp(rule, "squash") == 0) {
        config->resize = CLIPC_RESIZE_EXACT;
        config->shortest = 0;
        config->height = config->width = size;
        config->center_crop = false;
    } else {
        config->resize = CLIPC_RESIZE_SHORTEST;
        config->shortest = size;
    }
    return CLIPC_OK;
}

/* ---- the whole --------------------------------------------------------- */

static clipc_status read_root(clipc_config *config,
                              clipc_preprocess_config *preprocess,
                              const clipc_json_object *root, clipc_error *err)
{
    clipc_json_object model, transforms;

    CLIPC_TRY(clipc_json_check_object(root, err));
    CLIPC_TRY(clipc_json_find(&model, root, "model_cfg", err));
    CLIPC_TRY(clipc_json_find(&transforms, root, "preprocess_cfg", err));
    if (!model.object)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, root, "model_cfg",
                               "is missing");
    CLIPC_TRY(clipc_config_read_labels(config, root, err));
    CLIPC_TRY(get_model(config, &model, err));
    return get_preprocess(preprocess, &transforms, config->image_size, err);
}

bool clipc_open_clip_config_is(const char *data, size_t n)
{
    json_t *root;

    if (clipc_json_parse(&root, data, n, "", NULL) != CLIPC_OK)
        return false;
    bool is = json_object_get(root, "model_cfg") != NULL;
    json_decref(root);
    return is;
}

clipc_status clipc_open_clip_config_parse(clipc_config *config,
                                          clipc_preprocess_config *preprocess,
                                          const char *data, size_t n,
                                          const char *name, clipc_error *err)
{
    json_t *root;

    clipc_config_default(config, CLIPC_FAMILY_CLIP);
    clipc_preprocess_config_default(preprocess);
    CLIPC_TRY(clipc_json_parse(&root, data, n, name, err));
    const clipc_json_object s = { .object = root, .file = name, .label = "" };
    clipc_status status = read_root(config, preprocess, &s, err);
    json_decref(root);
    return status;
}
