/* SPDX-License-Identifier: MIT
 *
 * model_name.c - see model_name.h. What lies at a path goes before a repository
 * of the same name.
 */
#include "api/model_name.h"

#include "checkpoint/adapter_config.h"
#include "checkpoint/component.h"
#include "checkpoint/model_files.h"
#include "checkpoint/tensor_files.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- paths and ids ----------------------------------------------------- */

/* "/x", "./x", "../x", "." and "..": never a repository id. */
static bool is_plain_path(const char *name)
{
    if (name[0] == '.') {
        name++;
        name += name[0] == '.';
        return name[0] == '\0' || name[0] == '/';
    }
    return name[0] == '/';
}

bool clipc_model_is_weights(const char *name)
{
    return clipc_tensor_files_is_name(name) && clipc_file_exists(name);
}

/* adapter_model.safetensors named in place of its folder. */
static bool is_adapter_file(const char *name)
{
    const char *slash = strrchr(name, '/');

    return strncmp(slash ? slash + 1 : name, "adapter_model.", 14) == 0;
}

/* The folder that a file lies in, malloc'ed. */
static clipc_status parent(char **folder, const char *file, clipc_error *err)
{
    const char *slash = strrchr(file, '/');

    *folder = !slash
                  ? clipc_strndup(".", 1)
                  : clipc_strndup(file,
                                  slash == file ? 1 : (size_t)(slash - file));
    return *folder ? CLIPC_OK : clipc_fail_nomem(err, "path of a model");
}

static clipc_status resolve_id(char **folder, const char *name,
                               const clipc_hub_id *id,
                               clipc_model_place *place,
                               const clipc_model_params *params,
                               clipc_error *err)
{
    CLIPC_TRY(clipc_hub_params_merge(&place->hub, params->hub, err));
    if (!place->hub.cache_dir || !*place->hub.cache_dir)
        return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                          "%s: no such folder or file, and no hub cache was "
                          "given to look it up in",
                          CLIPC_QUOTE(name));
    return clipc_hub_get_files(folder, id, &place->hub, NULL, err);
}

static bool repair_id(const clipc_hub_id *id, const clipc_hub_params *hub)
{
    char *folder = NULL;
    bool repaired = false;

    if (clipc_hub_get_files(&folder, id, hub, &repaired, NULL) != CLIPC_OK)
        repaired = false;
    free(folder);
    return repaired;
}

bool clipc_model_repair(const clipc_model_place *place, clipc_status status)
{
    bool repaired = false;

    if (!place->hub.allow_network ||
        (status != CLIPC_ERR_FORMAT && status != CLIPC_ERR_TRUNCATED))
        return false;
    if (place->is_id)
        repaired = repair_id(&place->id, &place->hub);
    if (place->adapter_is_id)
        repaired |= repair_id(&place->adapter_id, &place->hub);
    return repaired;
}

/* The folder that `name` stands for, malloc'ed. */
static clipc_status resolve(char **folder, const char *name,
                            clipc_model_place *place,
                            const clipc_model_params *params, clipc_error *err)
{
    *folder = NULL;
    place->is_id = false;
    if (strcmp(name, "demo") == 0 && params->data_dir) {
        CLIPC_TRY(clipc_path_join(folder, params->data_dir, "demo", err));
        if (clipc_folder_exists(*folder))
            return CLIPC_OK;
        free(*folder);
        *folder = NULL;
        return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                          "the demo model is not in the data folder %s",
                          CLIPC_QUOTE(params->data_dir));
    }
    if (!is_plain_path(name) && clipc_folder_is_empty(name) &&
        clipc_hub_parse(&place->id, name))
        return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                          "%s: an empty folder, which hides the repository of "
                          "that id; remove the folder, or start the program "
                          "in another one",
                          CLIPC_QUOTE(name));
    if (clipc_folder_exists(name)) {
        *folder = clipc_strndup(name, strlen(name));
        return *folder ? CLIPC_OK : clipc_fail_nomem(err, "path of a model");
    }
    if (clipc_model_is_weights(name))
        return parent(folder, name, err);
    if (access(name, F_OK) == 0)
        return clipc_fail(err, CLIPC_ERR_IO, -1,
                          "%s: it is neither a folder nor a regular file",
                          CLIPC_QUOTE(name));
    if (is_plain_path(name) || !clipc_hub_parse(&place->id, name))
        return clipc_fail(
            err, CLIPC_ERR_NOT_FOUND, -1,
            "%s: no such folder or file, and not a repository id",
            CLIPC_QUOTE(name));
    place->is_id = true;
    return resolve_id(folder, name, &place->id, place, params, err);
}

/* ---- adapters ---------------------------------------------------------- */

static clipc_status is_model_folder(bool *is, const char *folder,
                                    clipc_error *err)
{
    CLIPC_TRY(clipc_folder_has(is, folder, CLIPC_CONFIG_JSON, err));
    return *is ? CLIPC_OK
               : clipc_folder_has(is, folder, CLIPC_OPEN_CLIP_CONFIG_JSON,
                                  err);
}

/* The folder, malloc'ed, of the model that an adapter by itself names. */
static clipc_status find_base(char **base, const char *adapter,
                              const clipc_adapter_config *config,
                              clipc_model_place *place,
                              const clipc_model_params *params,
                              clipc_error *err)
{
    clipc_error why = CLIPC_ERROR_INIT;

    if (params->adapter || !config->base || !*config->base)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: an adapter by itself%s", CLIPC_QUOTE(adapter),
                          params->adapter ? ", which takes no other adapter"
                                          : ", which does not name its model "
                                            "(base_model_name_or_path)");
    /* peft goes by the key, transformers takes the newest model. */
    if (config->revision && strcmp(config->revision, "main") != 0)
        return clipc_fail(
            err, CLIPC_ERR_UNSUPPORTED, -1,
            "%s: \"revision\" is \"%s\"; name the model with the "
            "revision that you want, and this as its adapter",
            CLIPC_QUOTE(adapter), CLIPC_QUOTE(config->revision));
    const clipc_status status = resolve(base, config->base, place, params,
                                        &why);
    return status == CLIPC_OK
               ? CLIPC_OK
               : clipc_fail(err, status, -1, "%s: its model: %s",
                            CLIPC_QUOTE(adapter), why.message);
}

/* A folder with an adapter and no model stands for the model that the adapter
 * names, with the adapter. */
static clipc_status follow_adapter(clipc_model_place *place,
                                   const clipc_model_params *params,
                                   clipc_error *err)
{
    clipc_adapter_config config;
    char *file, *base = NULL;
    bool has_adapter, is_model;

    CLIPC_TRY(clipc_folder_has(&has_adapter, place->folder,
                               CLIPC_ADAPTER_CONFIG_JSON, err));
    CLIPC_TRY(is_model_folder(&is_model, place->folder, err));
    if (!has_adapter || is_model)
        return CLIPC_OK;
    CLIPC_TRY(
        clipc_path_join(&file, place->folder, CLIPC_ADAPTER_CONFIG_JSON, err));
    clipc_status status = clipc_adapter_config_read(&config, file, err);
    free(file);
    CLIPC_TRY(status);
    place->adapter_is_id = place->is_id;
    place->adapter_id = place->id;
    status = find_base(&base, place->folder, &config, place, params, err);
    clipc_adapter_config_free(&config);
    CLIPC_TRY(status);
    place->adapter = place->folder;
    place->folder = base;
    return CLIPC_OK;
}

/* An adapter that was asked for may be a repository too. */
static clipc_status find_adapter(clipc_model_place *place,
                                 const clipc_model_params *params,
                                 clipc_error *err)
{
    const char *name = params->adapter;

    if (!name || !*name || is_plain_path(name) || !strchr(name, '/') ||
        access(name, F_OK) == 0 || !clipc_hub_parse(&place->adapter_id, name))
        return CLIPC_OK;
    place->adapter_is_id = true;
    return resolve_id(&place->adapter, name, &place->adapter_id, place, params,
                      err);
}

/* ---- the model in a folder --------------------------------------------- */

/* Goes into the subfolder that a folder of sentence-transformers or diffusers
 * says, and refuses what they would do with the model's vectors. */
static clipc_status descend(clipc_model_place *place, clipc_error *err)
{
    clipc_component component;
    bool is_model, found;
    char *below;

    CLIPC_TRY(is_model_folder(&is_model, place->folder, err));
    if (is_model)
        return clipc_component_check(place->folder, err);
    CLIPC_TRY(clipc_component_find(&component, &found, place->folder, err));
    if (!found || !*component.path)
        return CLIPC_OK;
    CLIPC_TRY(clipc_path_join(&below, place->folder, component.path, err));
    free(place->folder);
    place->folder = below;
    return CLIPC_OK;
}

static clipc_status find(clipc_model_place *place, const char *name,
                         const clipc_model_params *params, clipc_error *err)
{
    CLIPC_TRY(find_adapter(place, params, err));
    CLIPC_TRY(resolve(&place->folder, name, place, params, err));
    if (clipc_model_is_weights(name) && !is_adapter_file(name)) {
        place->file = name;
        return CLIPC_OK;
    }
    CLIPC_TRY(follow_adapter(place, params, err));
    return descend(place, err);
}

clipc_status clipc_model_find(clipc_model_place *place, const char *name,
                              const clipc_model_params *params,
                              clipc_error *err)
{
    *place = (clipc_model_place){ 0 };
    return find(place, name, params, err);
}

void clipc_model_place_release(clipc_model_place *place)
{
    free(place->folder);
    free(place->adapter);
    place->folder = place->adapter = NULL;
}
