/* SPDX-License-Identifier: MIT
 *
 * config_write.c - config.json and preprocessor_config.json from the values
 * that were read, in one spelling: the JSON that a packed file carries.
 */
#include "config/config.h"
#include "base/json.h"

/* 17 digits give every double back. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(17))

/* Takes the object. */
static char *dump(json_t *object)
{
    char *text = clipc_json_text(object, DUMP_FLAGS);
    json_decref(object);
    return text;
}

/* Adds the member; false: memory ran out (value is NULL, or object). */
static bool add(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static bool add_size(json_t *object, const char *key, size_t n)
{
    return add(object, key, json_integer((json_int_t)n));
}

static bool add_tower(json_t *object, const clipc_tower_config *t)
{
    return add_size(object, "hidden_size", t->width) &&
           add_size(object, "num_hidden_layers", t->n_layers) &&
           add_size(object, "num_attention_heads", t->n_heads) &&
           add_size(object, "intermediate_size", t->mlp_width) &&
           add(object, "hidden_act",
               json_string(clipc_activation_name(t->activation))) &&
           add(object, "layer_norm_eps", json_real((double)t->eps));
}

static bool add_text(json_t *object, const clipc_config *config)
{
    return add_tower(object, &config->text) &&
           add_size(object, "max_position_embeddings",
                    config->context_length) &&
           add_size(object, "vocab_size", config->vocab_size) &&
           (config->family == CLIPC_FAMILY_SIGLIP
                ? add_size(object, "projection_size", config->projection_dim)
                : add(object, "eos_token_id",
                      json_integer(config->eos_token_id)));
}

static bool add_vision(json_t *object, const clipc_config *config)
{
    return add_tower(object, &config->vision) &&
           add_size(object, "image_size", config->image_size) &&
           add_size(object, "patch_size", config->patch_size);
}

/* Both towers in sections, one by itself at the root. */
static bool add_towers(json_t *root, const clipc_config *config)
{
    if (!add(root, "model_type", json_string(clipc_config_type(config))))
        return false;
    if (!config->has_text)
        return add_vision(root, config);
    if (!config->has_vision)
        return add_text(root, config);
    return add(root, "text_config", json_object()) &&
           add_text(json_object_get(root, "text_config"), config) &&
           add(root, "vision_config", json_object()) &&
           add_vision(json_object_get(root, "vision_config"), config);
}

/* clipc's own member, where there is something to say. */
static bool add_own(json_t *root, const clipc_config *config)
{
    const char *clean = clipc_cleaning_name(config->cleaning);

    if (!*config->labels && !clean)
        return true;
    return add(root, "clipc", json_object()) &&
           (!*config->labels || add(json_object_get(root, "clipc"), "labels",
                                    json_string(config->labels))) &&
           (!clean ||
            add(json_object_get(root, "clipc"), "clean", json_string(clean)));
}

char *clipc_config_write(const clipc_config *config)
{
    json_t *root = json_object();

    if ((config->family != CLIPC_FAMILY_SIGLIP &&
         !add_size(root, "projection_dim", config->projection_dim)) ||
        !add_towers(root, config) || !add_own(root, config)) {
        json_decref(root);
        return NULL;
    }
    return dump(root);
}

/* The size as the resize rule spells sizes; NULL: memory ran out. */
static json_t *size_object(const clipc_preprocess_config *c)
{
    if (c->height)
        return json_pack("{s:I, s:I}", "height", (json_int_t)c->height,
                         "width", (json_int_t)c->width);
    if (c->longest)
        return json_pack("{s:I, s:I}", "shortest_edge",
                         (json_int_t)c->shortest, "longest_edge",
                         (json_int_t)c->longest);
    return json_pack("{s:I}", "shortest_edge", (json_int_t)c->shortest);
}

static json_t *channels(const float v[3])
{
    return json_pack("[f, f, f]", (double)v[0], (double)v[1], (double)v[2]);
}

char *clipc_preprocess_config_write(const clipc_preprocess_config *c)
{
    json_t *object = json_object();
    bool ok = add(object, "do_resize",
                  json_boolean(c->resize != CLIPC_RESIZE_NONE));

    if (ok && (c->resize != CLIPC_RESIZE_NONE || c->shortest || c->height))
        ok = add(object, "size", size_object(c));
    ok = ok && add(object, "resample", json_integer(c->resample)) &&
         add(object, "do_center_crop", json_boolean(c->center_crop));
    if (ok && c->crop_height)
        ok = add(object, "crop_size",
                 json_pack("{s:I, s:I}", "height", (json_int_t)c->crop_height,
                           "width", (json_int_t)c->crop_width));
    if (ok && c->crop_rounds)
        ok = add(object, "clipc_crop_rounds", json_true());
    ok = ok && add(object, "do_rescale", json_boolean(c->rescale)) &&
         add(object, "rescale_factor", json_real(c->rescale_factor)) &&
         add(object, "do_normalize", json_boolean(c->normalize)) &&
         add(object, "image_mean", channels(c->mean)) &&
         add(object, "image_std", channels(c->std));
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return dump(object);
}
