/* SPDX-License-Identifier: MIT
 *
 * tokenizer_config.c - see tokenizer_config.h.
 *
 * The two older files count where tokenizer_config.json has no
 * "added_tokens_decoder", and then what special_tokens_map.json says replaces
 * what the configuration says. The order of the steps is transformers'.
 */
#include "text/tokenizer_config.h"

#include <stdlib.h>
#include <string.h>

static const char EXTRA[] = "extra_special_tokens";
static const char OLD_EXTRA[] = "additional_special_tokens";
static const char SPECIFIC[] = "model_specific_special_tokens";
static const char DECODER[] = "added_tokens_decoder";
static const char OF_MAP[] = "__map"; /* of clipc alone */

enum { MAX_ADDED = 65536 };

bool clipc_is_named_token(const char *key)
{
    static const char *const NAMES[] = { "bos_token", "eos_token", "unk_token",
                                         "sep_token", "pad_token", "cls_token",
                                         "mask_token" };

    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(key, NAMES[i]) == 0)
            return true;
    return false;
}

/* Whether the key names a special token of this model alone. */
static bool is_specific(const char *key)
{
    const size_t n = strlen(key);

    return n > 6 && strcmp(key + n - 6, "_token") == 0 &&
           !clipc_is_named_token(key);
}

/* ---- reading objects --------------------------------------------------- */

static clipc_status parse(json_t **root, const clipc_tokenizer_file *file,
                          clipc_error *err)
{
    CLIPC_TRY(
        clipc_json_parse_reals(root, file->data, file->n, file->name, err));
    if (json_is_object(*root))
        return CLIPC_OK;
    json_decref(*root);
    *root = NULL;
    return clipc_fail(err, CLIPC_ERR_FORMAT, -1, "%s: not a JSON object",
                      CLIPC_QUOTE(file->name));
}

static clipc_status done(int failed, clipc_error *err)
{
    return failed ? clipc_fail_nomem(err, "tokenizer configuration")
                  : CLIPC_OK;
}

/* Whether a list has an equal value. */
static bool holds(const json_t *list, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), value))
            return true;
    return false;
}

/* ---- tokens of one model ----------------------------------------------- */

/* An object with the type that AddedToken is written with. */
static bool is_written_token(const json_t *value)
{
    const json_t *type = json_object_get(value, "__type");

    return json_is_string(type) &&
           strcmp(json_string_value(type), "AddedToken") == 0;
}

/* Moves the special tokens of this model alone to `specific`: those that the
 * test admits. */
static clipc_status collect(json_t *root, json_t *specific,
                            bool (*admit)(const json_t *), clipc_error *err)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(root, next, key, value)
    {
        if (!is_specific(key) || !admit(value))
            continue;
        if (json_object_set_nocheck(specific, key, value))
            return done(-1, err);
        json_object_del(root, key);
    }
    return CLIPC_OK;
}

static bool is_text(const json_t *value)
{
    return json_is_string(value);
}

static bool is_token(const json_t *value)
{
    return json_is_string(value) || is_written_token(value);
}

/* Moves an object "extra_special_tokens" to `specific`. */
static clipc_status collect_extra(json_t *root, json_t *specific,
                                  clipc_error *err)
{
    const json_t *extra = json_object_get(root, EXTRA);

    if (!json_is_object(extra))
        return CLIPC_OK;
    if (json_object_update(specific, (json_t *)(uintptr_t)extra))
        return done(-1, err);
    json_object_del(root, EXTRA);
    return CLIPC_OK;
}

/* ---- special_tokens_map.json ------------------------------------------- */

/* *out: a copy of a token that is marked special, and as the map's, or the
 * value itself. */
static clipc_status special_copy(json_t **out, json_t *value, clipc_error *err)
{
    if (!json_is_object(value)) {
        *out = json_incref(value);
        return CLIPC_OK;
    }
    *out = json_copy(value);
    if (*out && json_object_set_new(*out, "special", json_true()) == 0 &&
        json_object_set_new(*out, OF_MAP, json_true()) == 0 &&
        json_object_set_new(*out, "__type", json_string("AddedToken")) == 0)
        return CLIPC_OK;
    json_decref(*out);
    *out = NULL;
    return done(-1, err);
}

/* The lists are searched for each token. */
static clipc_status check_sizes(const json_t *root, const json_t *list,
                                clipc_error *err)
{
    enum { MOST = 8192 };

    if (json_object_size(root) <= MOST && json_array_size(list) <= MOST &&
        json_array_size(json_object_get(root, EXTRA)) <= MOST)
        return CLIPC_OK;
    return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                      "tokenizer_config.json: more than %d keys or %s "
                      "(limit of clipc)",
                      (int)MOST, EXTRA);
}

/* Appends the tokens of the map's list that the configuration's list lacks. */
static clipc_status merge_extra(json_t *root, const json_t *list,
                                clipc_error *err)
{
    CLIPC_TRY(check_sizes(root, list, err));
    json_t *merged = json_array();
    const json_t *old = json_object_get(root, EXTRA);
    clipc_status status =
        done(!merged || (json_is_array(old) &&
                         json_array_extend(merged, (json_t *)(uintptr_t)old)),
             err);

    for (size_t i = 0; status == CLIPC_OK && i < json_array_size(list); i++) {
        json_t *token = NULL;
        status = special_copy(&token, json_array_get(list, i), err);
        if (status == CLIPC_OK && !holds(merged, token))
            status = done(json_array_append(merged, token), err);
        json_decref(token);
    }
    if (status == CLIPC_OK)
        status = done(json_object_set(root, EXTRA, merged), err);
    json_decref(merged);
    return status;
}

static clipc_status merge_map(json_t *root, json_t *map, clipc_error *err)
{
    const char *key;
    json_t *value, *token;

    json_object_foreach(map, key, value)
    {
        if (strcmp(key, EXTRA) == 0 && json_is_array(value)) {
            CLIPC_TRY(merge_extra(root, value, err));
            continue;
        }
        if (strcmp(key, EXTRA) == 0 && json_is_object(value))
            token = json_incref(value);
        else
            CLIPC_TRY(special_copy(&token, value, err));
        if (json_object_set_new_nocheck(root, key, token))
            return done(-1, err);
    }
    return CLIPC_OK;
}

/* ---- added_tokens.json ------------------------------------------------- */

/* The text of a token. transformers looks into the map's objects and not into
 * those of the configuration. */
static const json_t *text_of(const json_t *value)
{
    if (!json_is_object(value))
        return value;
    return json_object_get(value, OF_MAP) ? json_object_get(value, "content")
                                          : NULL;
}

/* Whether the files name the text as a special token. The defaults of the
 * tokenizer's class do not count here. */
static bool is_special(const json_t *root, const json_t *text)
{
    const json_t *extra = json_object_get(root, EXTRA), *value;
    const char *key;
    json_t *object = (json_t *)(uintptr_t)root;

    json_object_foreach(object, key, value)
    {
        if (clipc_is_named_token(key) && json_equal(text_of(value), text))
            return true;
    }
    for (size_t i = 0; i < json_array_size(extra); i++) {
        if (json_equal(text_of(json_array_get(extra, i)), text))
            return true;
    }
    return false;
}

static clipc_status add_token(json_t *list, const json_t *root,
                              const char *name, const char *key,
                              const json_t *id, clipc_error *err)
{
    const double number = json_number_value(id);

    if (!json_is_number(id) || !(number >= 0 && number <= INT32_MAX) ||
        number != (double)(int32_t)number)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: the id of \"%s\" must be an integer",
                          CLIPC_QUOTE(name),
                          clipc_quote(key, strnlen(key, 40)).text);
    json_t *content = json_string_nocheck(key);
    const bool special = content && is_special(root, content);
    json_t *token = json_pack("{s:O, s:I, s:b, s:b}", "content", content, "id",
                              (json_int_t)number, "normalized", !special,
                              "special", special);
    json_decref(content);
    return done(!token || json_array_append_new(list, token), err);
}

static clipc_status read_added(clipc_tokenizer_config *config,
                               const clipc_tokenizer_file *file,
                               clipc_error *err)
{
    json_t *root, *value;
    const char *key;

    CLIPC_TRY(check_sizes(config->root, NULL, err));
    CLIPC_TRY(parse(&root, file, err));
    clipc_status status = CLIPC_OK;
    config->added = json_array();
    config->added_name = file->name;
    if (!config->added)
        status = done(-1, err);
    else if (json_object_size(root) > MAX_ADDED)
        status = clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                            "%s: more than %d added tokens",
                            CLIPC_QUOTE(file->name), MAX_ADDED);
    else
        json_object_foreach(root, key, value)
        {
            status = add_token(config->added, config->root, file->name, key,
                               value, err);
            if (status != CLIPC_OK)
                break;
        }
    json_decref(root);
    return status;
}

static int compare_ids(const void *a, const void *b)
{
    const json_int_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

clipc_status clipc_tokenizer_config_override(clipc_tokenizer_config *config,
                                             const json_t *added_tokens,
                                             clipc_error *err)
{
    const size_t n = json_array_size(added_tokens);

    if (!config->added || n == 0)
        return CLIPC_OK;
    json_int_t *ids = clipc_alloc(n, sizeof *ids);
    if (!ids)
        return clipc_fail_nomem(err, "added tokens");
    for (size_t i = 0; i < n; i++)
        ids[i] = json_integer_value(
            json_object_get(json_array_get(added_tokens, i), "id"));
    qsort(ids, n, sizeof *ids, compare_ids);
    for (size_t i = json_array_size(config->added); i-- > 0;) {
        const json_int_t id = json_integer_value(
            json_object_get(json_array_get(config->added, i), "id"));
        if (bsearch(&id, ids, n, sizeof *ids, compare_ids))
            json_array_remove(config->added, i);
    }
    free(ids);
    return CLIPC_OK;
}

/* ---- all of it --------------------------------------------------------- */

/* Where the configuration has tokens under the older key alone. */
static clipc_status rename_extra(json_t *root, clipc_error *err)
{
    const json_t *extra = json_object_get(root, EXTRA);
    json_t *old = json_object_get(root, OLD_EXTRA);

    if (!old || json_array_size(extra) > 0 || json_object_size(extra) > 0)
        return CLIPC_OK;
    CLIPC_TRY(done(json_object_set(root, EXTRA, old), err));
    json_object_del(root, OLD_EXTRA);
    return CLIPC_OK;
}

/* Takes the tokens of this model alone out of the configuration to `early`, and
 * then takes over what the map says. */
static clipc_status read_map(json_t *root, json_t *early,
                             const clipc_tokenizer_file *map_file,
                             clipc_error *err)
{
    json_t *map = NULL;

    CLIPC_TRY(rename_extra(root, err));
    CLIPC_TRY(collect(root, early, is_text, err));
    CLIPC_TRY(collect_extra(root, early, err));
    if (!map_file)
        return CLIPC_OK;
    CLIPC_TRY(parse(&map, map_file, err));
    const clipc_status status = merge_map(root, map, err);
    json_decref(map);
    CLIPC_TRY(status);
    return collect_extra(root, early, err);
}

/* Collects what was left: transformers comes upon such tokens while it makes
 * the tokenizer, and puts them before the early ones. */
static clipc_status finish(json_t *root, const json_t *early, clipc_error *err)
{
    json_t *late = json_object();
    clipc_status status = done(!late, err);

    if (status == CLIPC_OK && !json_object_get(root, EXTRA))
        status = rename_extra(root, err);
    if (status == CLIPC_OK)
        status = collect(root, late, is_token, err);
    if (status == CLIPC_OK)
        status = done(json_object_update(late, (json_t *)(uintptr_t)early) ||
                          (json_object_size(late) > 0 &&
                           json_object_set(root, SPECIFIC, late)),
                      err);
    json_decref(late);
    return status;
}

/* The steps in transformers' order. */
static clipc_status read_all(clipc_tokenizer_config *config, json_t *early,
                             const clipc_tokenizer_files *files,
                             clipc_error *err)
{
    const clipc_tokenizer_file *own = &files->tokenizer_config;
    const clipc_tokenizer_file *map = &files->special_tokens_map;
    const clipc_tokenizer_file *added = &files->added_tokens;

    config->name = own->data ? own->name : map->name;
    if (own->data)
        CLIPC_TRY(parse(&config->root, own, err));
    else if (map->data)
        CLIPC_TRY(done(!(config->root = json_object()), err));
    if (files->tokenizer_json.data) { /* its post-processor counts instead */
        json_object_del(config->root, "add_bos_token");
        json_object_del(config->root, "add_eos_token");
    }
    const bool older = !json_object_get(config->root, DECODER);
    if (config->root)
        CLIPC_TRY(read_map(config->root, early,
                           older && map->data ? map : NULL, err));
    if (older && added->data)
        CLIPC_TRY(read_added(config, added, err));
    return config->root ? finish(config->root, early, err) : CLIPC_OK;
}

clipc_status clipc_tokenizer_config_read(clipc_tokenizer_config *config,
                                         const clipc_tokenizer_files *files,
                                         clipc_error *err)
{
    *config = (clipc_tokenizer_config){ 0 };
    json_t *early = json_object();
    clipc_status status = done(!early, err);
    if (status == CLIPC_OK)
        status = read_all(config, early, files, err);
    json_decref(early);
    if (status != CLIPC_OK)
        clipc_tokenizer_config_free(config);
    return status;
}

void clipc_tokenizer_config_free(clipc_tokenizer_config *config)
{
    json_decref(config->root);
    json_decref(config->added);
    *config = (clipc_tokenizer_config){ 0 };
}
