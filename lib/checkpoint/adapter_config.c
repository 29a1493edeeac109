/* SPDX-License-Identifier: MIT
 *
 * adapter_config.c - see adapter_config.h. Reference: peft 0.21, LoraConfig
 * and get_pattern_key().
 */
#include "checkpoint/adapter_config.h"

#include "base/file.h"

#include <math.h>
#include <string.h>

#define MAX_BYTES ((size_t)1 << 20)

/* Whether the value is null, false, or an empty list or object. */
static bool is_off(const json_t *value)
{
    return !value || json_is_null(value) || json_is_false(value) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

/* Settings that change what the tensors mean. */
static clipc_status refuse_others(const clipc_json_object *o, clipc_error *err)
{
    static const char *const keys[] = {
        "use_qalora",       "lora_bias",         "layer_replication",
        "use_bdlora",       "monteclora_config", "alora_invocation_tokens",
        "kasa_config",      "arrow_config",      "trainable_token_indices",
        "target_parameters"
    };
    static const char *const starts[] = { "gaussian", "eva", "orthogonal" };
    const json_t *start = json_object_get(o->object, "init_lora_weights");
    const char *type = NULL;

    CLIPC_TRY(clipc_json_string(o, "peft_type", &type, err));
    if (!type || strcmp(type, "LORA") != 0)
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, o, "peft_type",
                               "is \"%s\"; clipc applies adapters of type "
                               "LORA",
                               clipc_json_quote(type ? type : "").text);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!is_off(json_object_get(o->object, keys[i])))
            return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, o, keys[i],
                                   "is set, which clipc does not compute; "
                                   "merge the adapter in Python "
                                   "(merge_and_unload) and save the model");
    bool known = !json_is_string(start);
    for (size_t i = 0; !known && i < sizeof starts / sizeof starts[0]; i++)
        known = strcmp(json_string_value(start), starts[i]) == 0;
    if (!known) /* pissa, olora, corda, loftq, lora_ga */
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, o,
                               "init_lora_weights",
                               "is \"%s\", which changes the weights below "
                               "the adapter; merge the adapter in Python "
                               "(merge_and_unload) and save the model",
                               clipc_json_quote(json_string_value(start))
                                   .text);
    return CLIPC_OK;
}

/* The keys are regular expressions that end a module's name. Names of modules
 * have letters, digits, '_' and '.'; of a key with anything else clipc does
 * not know what it matches. */
static clipc_status check_pattern(const clipc_json_object *o, const char *name,
                                  const json_t **pattern, clipc_error *err)
{
    clipc_json_object found;
    const char *key;
    json_t *value;

    CLIPC_TRY(clipc_json_find(&found, o, name, err));
    *pattern = found.object;
    json_t *object = (json_t *)(uintptr_t)found.object;
    json_object_foreach(object, key, value)
    {
        const size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz"
                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789_.");
        if (key[n] || n == 0)
            return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, o, name,
                                   "has the expression \"%s\"; clipc reads "
                                   "names of modules",
                                   clipc_json_quote(key).text);
        if (!json_is_number(value))
            return clipc_json_fail(err, CLIPC_ERR_CONFIG, o, name,
                                   "must have numbers");
    }
    return CLIPC_OK;
}

static clipc_status read_all(clipc_adapter_config *config,
                             const clipc_json_object *o, clipc_error *err)
{
    bool transposed = false;

    CLIPC_TRY(clipc_json_check_object(o, err));
    CLIPC_TRY(refuse_others(o, err));
    config->alpha = config->rank = 8; /* of LoraConfig */
    CLIPC_TRY(clipc_json_number(o, "r", 1, 65536, &config->rank, err));
    CLIPC_TRY(
        clipc_json_number(o, "lora_alpha", -1e30, 1e30, &config->alpha, err));
    CLIPC_TRY(clipc_json_bool(o, "use_rslora", &config->rslora, err));
    CLIPC_TRY(clipc_json_bool(o, "use_dora", &config->dora, err));
    CLIPC_TRY(clipc_json_bool(o, "fan_in_fan_out", &transposed, err));
    /* peft itself sets it to false for torch's linear layers. */
    (void)transposed;
    CLIPC_TRY(
        clipc_json_string(o, "base_model_name_or_path", &config->base, err));
    CLIPC_TRY(clipc_json_string(o, "revision", &config->revision, err));
    CLIPC_TRY(check_pattern(o, "rank_pattern", &config->rank_pattern, err));
    return check_pattern(o, "alpha_pattern", &config->alpha_pattern, err);
}

clipc_status clipc_adapter_config_parse(clipc_adapter_config *config,
                                        const char *data, size_t n,
                                        const char *name, clipc_error *err)
{
    *config = (clipc_adapter_config){ 0 };
    CLIPC_TRY(clipc_json_parse(&config->root, data, n, name, err));
    const clipc_json_object o = { config->root, name, "" };
    const clipc_status status = read_all(config, &o, err);
    if (status != CLIPC_OK)
        clipc_adapter_config_free(config);
    return status;
}

clipc_status clipc_adapter_config_read(clipc_adapter_config *config,
                                       const char *path, clipc_error *err)
{
    clipc_bytes bytes;

    *config = (clipc_adapter_config){ 0 };
    CLIPC_TRY(clipc_file_read(&bytes, path, MAX_BYTES,
                              "limit of adapter_config.json", err));
    const clipc_status status =
        clipc_adapter_config_parse(config, (const char *)bytes.data, bytes.n,
                                   path, err);
    clipc_bytes_release(&bytes);
    return status;
}

void clipc_adapter_config_free(clipc_adapter_config *config)
{
    json_decref(config->root);
    *config = (clipc_adapter_config){ 0 };
}

/* Whether the module's name is the key, or ends in "." and the key, where a
 * '.' of the key is any character. */
static bool matches(const char *key, const char *module)
{
    const size_t n = strlen(key), n_module = strlen(module);

    if (n > n_module || (n < n_module && module[n_module - n - 1] != '.'))
        return false;
    for (size_t i = 0; i < n; i++)
        if (key[i] != '.' && key[i] != module[n_module - n + i])
            return false;
    return true;
}

/* The pattern's number for the module, or the one given. */
static double find_number(const json_t *pattern, const char *module,
                          double number)
{
    json_t *object = (json_t *)(uintptr_t)pattern, *value;
    const char *key;

    json_object_foreach(object, key, value) if (
        matches(key, module)) return json_number_value(value);
    return number;
}

double clipc_adapter_rank(const clipc_adapter_config *config,
                          const char *module)
{
    return find_number(config->rank_pattern, module, config->rank);
}

double clipc_adapter_scale(const clipc_adapter_config *config,
                           const char *module, size_t rank)
{
    const double alpha = find_number(config->alpha_pattern, module,
                                     config->alpha);

    return alpha / (config->rslora ? sqrt((double)rank) : (double)rank);
}
