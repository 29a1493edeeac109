/* SPDX-License-Identifier: MIT
 *
 * config_keys.c - the keys of transformers' config.json beside the network's
 * numbers: those that name a class or a file are taken over, those that change
 * what is computed in a way that clipc does not know are refused. A key that
 * is null, false or empty is absent.
 */
#include "config/config.h"

#include "base/json_object.h"

#include <string.h>

static clipc_status refuse_quantized(const clipc_json_object *o,
                                     clipc_error *err)
{
    static const char key[] = "quantization_config";
    const json_t *value = json_object_get(o->object, key);
    const char *method = json_string_value(
        json_object_get(value, "quant_method"));

    if (clipc_json_is_off(value))
        return CLIPC_OK;
    return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, o, key,
                           "says that the weights are quantised (%s), which "
                           "clipc does not read; dequantise the model in "
                           "Python (model.dequantize()) and save it, or take "
                           "the model it was made from",
                           method ? clipc_json_quote(method).text
                                  : "no quant_method");
}

clipc_status clipc_config_check_keys(const clipc_json_object *o,
                                     clipc_error *err)
{
    CLIPC_TRY(refuse_quantized(o, err));
    if (!clipc_json_is_off(json_object_get(o->object, "per_layer_config")))
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, o,
                               "per_layer_config",
                               "makes layers that are not alike, which clipc "
                               "does not compute");
    if (!clipc_json_is_off(json_object_get(o->object, "attribute_map")))
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, o, "attribute_map",
                               "gives keys other meanings, which clipc does "
                               "not follow");
    return CLIPC_OK;
}

clipc_status clipc_config_check_causal(const clipc_json_object *o, bool text,
                                       clipc_error *err)
{
    bool causal = text;

    CLIPC_TRY(clipc_json_bool(o, "is_causal", &causal, err));
    if (causal == text)
        return CLIPC_OK;
    return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, o, "is_causal",
                           text ? "is false; clipc computes texts in which a "
                                  "token sees those before it alone"
                                : "is true; clipc computes pictures in which "
                                  "a patch sees all others");
}

/* The name of a class. */
static clipc_status read_class(char out[CLIPC_MAX_CLASS_NAME + 1],
                               const clipc_json_object *o, const char *key,
                               clipc_error *err)
{
    const char *name = NULL;

    out[0] = '\0';
    CLIPC_TRY(clipc_json_string(o, key, &name, err));
    if (!name)
        return CLIPC_OK;
    if (strlen(name) > CLIPC_MAX_CLASS_NAME)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, o, key,
                               "is longer than a name of %d bytes",
                               CLIPC_MAX_CLASS_NAME);
    memcpy(out, name, strlen(name) + 1);
    return CLIPC_OK;
}

/* The name comes from whoever made the checkpoint, and ends up in a path. */
static clipc_status read_weights(clipc_config *config,
                                 const clipc_json_object *o, clipc_error *err)
{
    static const char key[] = "transformers_weights";
    const char *name = NULL;

    config->weights[0] = '\0';
    CLIPC_TRY(clipc_json_string(o, key, &name, err));
    if (!name)
        return CLIPC_OK;
    if (strlen(name) > CLIPC_MAX_WEIGHTS_NAME || name[0] == '.' ||
        strpbrk(name, "/\\") ||
        !(clipc_ends_in(name, ".safetensors") ||
          clipc_ends_in(name, ".safetensors.index.json")))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, o, key,
                               "must name a file *.safetensors or "
                               "*.safetensors.index.json beside the "
                               "configuration");
    memcpy(config->weights, name, strlen(name) + 1);
    return CLIPC_OK;
}

clipc_status clipc_config_read_names(clipc_config *config,
                                     const clipc_json_object *root,
                                     clipc_error *err)
{
    CLIPC_TRY(
        read_class(config->tokenizer_class, root, "tokenizer_class", err));
    CLIPC_TRY(read_class(config->image_processor, root, "image_processor_type",
                         err));
    return read_weights(config, root, err);
}
