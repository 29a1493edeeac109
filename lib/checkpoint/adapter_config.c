/* SPDX-License-Identifier: MIT
 *
 * adapter_config.c - see adapter_config.h. Reference: peft 0.21, LoraConfig,
 * get_pattern_key() and check_target_module_exists().
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

/* Names of modules have letters, digits, '_' and '.'. An expression with
 * anything else may match clipc does not know what. */
static bool is_plain(const char *expression)
{
    const size_t n = strspn(expression, "abcdefghijklmnopqrstuvwxyz"
                                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789_.");
    return n > 0 && !expression[n];
}

/* The keys are regular expressions that end a module's name. */
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
        if (!is_plain(key))
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

/* Null, a string, or a list of strings (of integers). */
static clipc_status read_list(const clipc_json_object *o, const char *key,
                              bool integers, const json_t **out,
                              clipc_error *err)
{
    const json_t *list = clipc_json_lookup(o->object, key);
    const size_t n = json_is_array(list) ? json_array_size(list) : 1;

    *out = list;
    for (size_t i = 0; list && i < n; i++) {
        const json_t *item = json_is_array(list) ? json_array_get(list, i)
                                                 : list;
        if (integers ? !json_is_integer(item) : !json_is_string(item))
            return clipc_json_fail(err, CLIPC_ERR_CONFIG, o, key,
                                   integers ? "must have integers"
                                            : "must have strings");
    }
    return CLIPC_OK;
}

static clipc_status read_targets(clipc_adapter_config *config,
                                 const clipc_json_object *o, clipc_error *err)
{
    CLIPC_TRY(read_list(o, "target_modules", false, &config->targets, err));
    CLIPC_TRY(read_list(o, "exclude_modules", false, &config->excluded, err));
    CLIPC_TRY(read_list(o, "modules_to_save", false, &config->saved, err));
    CLIPC_TRY(read_list(o, "layers_to_transform", true, &config->layers, err));
    return read_list(o, "layers_pattern", false, &config->layers_pattern, err);
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
    CLIPC_TRY(read_targets(config, o, err));
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

/* ---- which modules ----------------------------------------------------- */

/* Of a list, or of one by itself: the string at i, NULL behind the last. */
static const char *string_at(const json_t *list, size_t i)
{
    if (json_is_array(list))
        return json_string_value(json_array_get(list, i));
    return i == 0 ? json_string_value(list) : NULL;
}

/* Whether the list has the module's name, or its end behind a dot. */
static bool has_end(const json_t *list, const char *module, bool *whole)
{
    const size_t n_module = strlen(module);
    const char *name;
    bool found = false;

    *whole = false;
    for (size_t i = 0; !*whole && (name = string_at(list, i)) != NULL; i++) {
        const size_t n = strlen(name);
        if (n > n_module || strcmp(module + n_module - n, name) != 0)
            continue;
        *whole = n == n_module;
        found |= *whole || module[n_module - n - 1] == '.';
    }
    return found;
}

/* Past the name at a place of the module's name where a part begins, or
 * NULL. */
static const char *past_part(const char *at, const char *name)
{
    for (; *name; at++, name++)
        if (!*at || (*name != '.' && *name != *at))
            return NULL;
    return at;
}

static const char *next_part(const char *at)
{
    const char *dot = strchr(at, '.');
    return dot ? dot + 1 : NULL;
}

/* Whether the module is one that is saved whole, or lies within one. */
static bool is_saved(const json_t *saved, const char *module)
{
    const char *name;

    for (size_t i = 0; (name = string_at(saved, i)) != NULL; i++)
        for (const char *at = module; at; at = next_part(at)) {
            const char *end = is_plain(name) ? past_part(at, name) : NULL;
            if (end && (!*end || *end == '.'))
                return true;
        }
    return false;
}

/* The digits and a dot behind "NAME." as a number, -1: there are none. */
static int64_t number_at(const char *at)
{
    int64_t number = 0;
    const char *end = at;

    for (; *end >= '0' && *end <= '9' && number < INT32_MAX; end++)
        number = 10 * number + (*end - '0');
    return end > at && *end == '.' ? number : -1;
}

/* The number of the layer that the module lies in: behind the pattern, or
 * without one behind any part but the first. -1: none. */
static int64_t layer_of(const char *module, const char *pattern)
{
    const char *at = pattern ? module : next_part(module);

    for (; at; at = next_part(at)) {
        const char *end = pattern ? past_part(at, pattern) : strchr(at, '.');
        const int64_t number = end && *end == '.' ? number_at(end + 1) : -1;
        if (number >= 0)
            return number;
    }
    return -1;
}

static bool is_transformed(const clipc_adapter_config *config,
                           const char *module)
{
    const json_t *layers = config->layers;
    const char *pattern = string_at(config->layers_pattern, 0);
    int64_t number = -1;

    if (!layers || (json_is_array(layers) && json_array_size(layers) == 0))
        return true;
    if (!pattern || !*pattern)
        number = layer_of(module, NULL);
    for (size_t i = 0; number < 0 && pattern && *pattern; i++) {
        if (!is_plain(pattern))
            return true;
        number = layer_of(module, pattern);
        pattern = string_at(config->layers_pattern, i + 1);
    }
    if (!json_is_array(layers))
        return number >= 0 && json_integer_value(layers) == number;
    for (size_t i = 0; number >= 0 && i < json_array_size(layers); i++)
        if (json_integer_value(json_array_get(layers, i)) == number)
            return true;
    return false;
}

bool clipc_adapter_adapts(const clipc_adapter_config *config,
                          const char *module)
{
    bool whole;

    if (json_is_array(config->excluded) &&
        has_end(config->excluded, module, &whole))
        return false;
    if (is_saved(config->saved, module))
        return false;
    if (!json_is_array(config->targets))
        return true; /* an expression, "all-linear", or nothing */
    if (!has_end(config->targets, module, &whole))
        return false;
    return whole || is_transformed(config, module);
}
