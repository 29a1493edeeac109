/* SPDX-License-Identifier: MIT
 *
 * hub_download.c - clipc_hub_download(): the files that a model needs of a
 * repository, from the cache or from the hub.
 *
 * The first answer for a branch names the branch's commit (X-Repo-Commit).
 * Every later request names this commit, so that a branch that moves meanwhile
 * mixes no files. The ref is written last.
 */
#include "hub/hub.h"

#include "hub/hub_file.h"
#include "hub/hub_snapshot.h"
#include "base/file.h"
#include "checkpoint/model_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WEIGHT_BYTES ((uint64_t)64 << 30)

enum {
    CONNECT_TIMEOUT_MS = 10000,
    TIMEOUT_MS = 10000,
    MAX_RETRIES = 5,
    RETRY_WAIT_MS = 1000,
    LOCK_TIMEOUT_MS = 3600000
};

/* ---- parameters -------------------------------------------------------- */

clipc_hub_params clipc_hub_params_default(void)
{
    clipc_hub_params params = { .struct_size = sizeof params,
                                .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                .timeout_ms = TIMEOUT_MS,
                                .max_retries = MAX_RETRIES,
                                .retry_wait_ms = RETRY_WAIT_MS,
                                .lock_timeout_ms = LOCK_TIMEOUT_MS,
                                .max_file_bytes = MAX_WEIGHT_BYTES };
    return params;
}

clipc_status clipc_hub_params_merge(clipc_hub_params *params,
                                    const clipc_hub_params *given,
                                    clipc_error *err)
{
    const clipc_hub_params defaults = clipc_hub_params_default();

    *params = defaults;
    CLIPC_TRY(clipc_params_merge(params, sizeof *params, given,
                                 "clipc_hub_params", err));
    if (params->connect_timeout_ms == 0)
        params->connect_timeout_ms = defaults.connect_timeout_ms;
    if (params->timeout_ms == 0)
        params->timeout_ms = defaults.timeout_ms;
    if (params->retry_wait_ms == 0)
        params->retry_wait_ms = defaults.retry_wait_ms;
    if (params->lock_timeout_ms == 0)
        params->lock_timeout_ms = defaults.lock_timeout_ms;
    if (params->max_file_bytes == 0)
        params->max_file_bytes = defaults.max_file_bytes;
    return CLIPC_OK;
}

/* ---- files ------------------------------------------------------------- */

static clipc_status get_small(clipc_hub_task *d, const char *file, bool *found,
                              clipc_error *err)
{
    return clipc_hub_file_get(d, file, CLIPC_HUB_OPTIONAL,
                              CLIPC_HUB_SMALL_BYTES, found, err);
}

/* The path of a file of the snapshot, in the id's subfolder, malloc'ed. */
static clipc_status snapshot_path(char **path, const clipc_hub_task *d,
                                  const char *file, clipc_error *err)
{
    char *name = clipc_hub_within(d->id, d->commit, file);

    *path = NULL;
    if (!name)
        return clipc_fail_nomem(err, "path in the hub cache");
    const clipc_status status = clipc_hub_tree_path(path, &d->tree,
                                                    "snapshots", name, err);
    free(name);
    return status;
}

static clipc_status get_large(clipc_hub_task *d, const char *file,
                              clipc_hub_need need, bool *found,
                              clipc_error *err)
{
    return clipc_hub_file_get(d, file, need, d->params->max_file_bytes, found,
                              err);
}

static clipc_status get_shards(clipc_hub_task *d, const char *index,
                               clipc_error *err)
{
    clipc_hub_shards shards = { 0 };
    char *path;
    bool found;

    CLIPC_TRY(snapshot_path(&path, d, index, err));
    clipc_status status = clipc_hub_shards_read(&shards, path, err);
    for (size_t i = 0; status == CLIPC_OK && i < shards.n; i++)
        status = get_large(d, shards.names[i], CLIPC_HUB_REQUIRED, &found,
                           err);
    clipc_hub_shards_release(&shards);
    free(path);
    return status;
}

/* Gets the weights that config.json names. *named false: it names none. */
static clipc_status get_named_weights(clipc_hub_task *d, bool *named,
                                      clipc_error *err)
{
    char name[CLIPC_HUB_MAX_WEIGHTS + 1], *path;
    bool found;

    CLIPC_TRY(snapshot_path(&path, d, CLIPC_CONFIG_JSON, err));
    clipc_hub_named_weights(name, path);
    free(path);
    *named = *name != '\0';
    if (!*named)
        return CLIPC_OK;
    CLIPC_TRY(get_large(d, name, CLIPC_HUB_REQUIRED, &found, err));
    return clipc_is_weights_index(name) ? get_shards(d, name, err) : CLIPC_OK;
}

/* Gets the first set of weights that the revision has. */
static clipc_status get_weights(clipc_hub_task *d, clipc_error *err)
{
    bool found;

    /* The cache may have a later set, from Python. */
    if (!d->verify && clipc_hub_examine(d->tree.repository, d->commit, d->id,
                                        NULL, 0) != CLIPC_HUB_LACKING)
        return CLIPC_OK;
    CLIPC_TRY(get_named_weights(d, &found, err));
    if (found)
        return CLIPC_OK;
    for (size_t i = 0; i < CLIPC_N_WEIGHTS_WAYS; i++) {
        const clipc_weights_way *way = &clipc_weights_ways[i];
        if (way->is_open_clip) {
            CLIPC_TRY(get_small(d, CLIPC_OPEN_CLIP_CONFIG_JSON, &found, err));
            if (!found)
                continue;
        }
        if (way->is_index)
            CLIPC_TRY(get_small(d, way->file, &found, err));
        else
            CLIPC_TRY(
                get_large(d, way->file, CLIPC_HUB_OPTIONAL, &found, err));
        if (found)
            return way->is_index ? get_shards(d, way->file, err) : CLIPC_OK;
    }
    return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                      "%.80s: revision %.60s has no weights that clipc reads "
                      "(model.safetensors, pytorch_model.bin, their shards, "
                      "or open_clip's)",
                      d->id->repo, d->id->revision);
}

/* Gets spiece.model where the tokenizer's class reads that file, and
 * tokenizer.json; if the revision has neither, vocab.json and merges.txt.
 * *found false: there is no vocabulary. */
static clipc_status get_tokenizer(clipc_hub_task *d, bool *found,
                                  clipc_error *err)
{
    const char *const *names = clipc_tokenizer_file_names;
    bool ignored, pieces = false;
    char *config;

    CLIPC_TRY(get_small(d, names[CLIPC_FILE_TOKENIZER_CONFIG], &ignored, err));
    CLIPC_TRY(
        snapshot_path(&config, d, names[CLIPC_FILE_TOKENIZER_CONFIG], err));
    const bool needs_pieces = clipc_hub_needs_spiece(config);
    free(config);
    CLIPC_TRY(
        get_small(d, names[CLIPC_FILE_SPECIAL_TOKENS_MAP], &ignored, err));
    CLIPC_TRY(get_small(d, names[CLIPC_FILE_ADDED_TOKENS], &ignored, err));
    if (needs_pieces)
        CLIPC_TRY(get_small(d, names[CLIPC_FILE_SPIECE_MODEL], &pieces, err));
    CLIPC_TRY(get_small(d, names[CLIPC_FILE_TOKENIZER_JSON], found, err));
    if (*found)
        return CLIPC_OK;
    for (int i = 0; i < CLIPC_N_OTHER_VOCABULARIES; i++)
        CLIPC_TRY(get_small(d, clipc_other_vocabularies[i], &ignored, err));
    *found = pieces;
    if (*found)
        return CLIPC_OK;
    CLIPC_TRY(get_small(d, names[CLIPC_FILE_VOCAB_JSON], found, err));
    return get_small(d, names[CLIPC_FILE_MERGES_TXT], &ignored, err);
}

static clipc_status get_preprocessing(clipc_hub_task *d, bool *found,
                                      clipc_error *err)
{
    bool nested;

    CLIPC_TRY(get_small(d, CLIPC_PREPROCESSOR_CONFIG_JSON, found, err));
    CLIPC_TRY(get_small(d, CLIPC_PROCESSOR_CONFIG_JSON, &nested, err));
    *found |= nested;
    return CLIPC_OK;
}

/* Gets what the folder of a part of a pipeline lacks from the one beside. */
static clipc_status get_beside(clipc_hub_task *d, bool tokenizer,
                               bool preprocessing, clipc_error *err)
{
    const clipc_hub_id *own = d->id;
    clipc_hub_id beside;
    clipc_status status = CLIPC_OK;
    bool found;

    if (!clipc_hub_id_beside(&beside, own))
        return CLIPC_OK;
    d->id = &beside;
    if (!preprocessing)
        status = get_preprocessing(d, &found, err);
    if (status == CLIPC_OK && !tokenizer)
        status = get_tokenizer(d, &found, err);
    d->id = own;
    return status;
}

/* Gets a low-rank adapter, where the revision has one. */
static clipc_status get_adapter(clipc_hub_task *d, bool *found,
                                clipc_error *err)
{
    bool safetensors;

    CLIPC_TRY(get_small(d, CLIPC_ADAPTER_CONFIG_JSON, found, err));
    if (!*found)
        return CLIPC_OK;
    CLIPC_TRY(get_large(d, CLIPC_ADAPTER_SAFETENSORS, CLIPC_HUB_OPTIONAL,
                        &safetensors, err));
    return safetensors ? CLIPC_OK
                       : get_large(d, CLIPC_ADAPTER_BIN, CLIPC_HUB_REQUIRED,
                                   found, err);
}

/* Gets what sentence-transformers says of the folder. */
static clipc_status get_modules(clipc_hub_task *d, bool *found,
                                clipc_error *err)
{
    bool ignored;

    CLIPC_TRY(get_small(d, CLIPC_MODULES_JSON, found, err));
    if (!*found)
        return CLIPC_OK;
    CLIPC_TRY(get_small(d, CLIPC_SENTENCE_CONFIG_JSON, &ignored, err));
    return get_small(d, CLIPC_SENTENCE_MODULE_JSON, &ignored, err);
}

static clipc_status fail_no_config(const clipc_hub_task *d, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                      "%.80s: revision %.60s has no config.json: not a "
                      "model that clipc reads",
                      d->id->repo, d->id->revision);
}

static clipc_status get_all(clipc_hub_task *d, bool may_descend,
                            clipc_error *err);

/* Gets the model in the subfolder that a folder of another program names. */
static clipc_status get_below(clipc_hub_task *d, clipc_error *err)
{
    const clipc_hub_id *own = d->id;
    clipc_component component;
    clipc_hub_id below;
    char *folder;
    bool found, ignored;

    CLIPC_TRY(get_modules(d, &found, err));
    const bool has_modules = found;
    if (!found)
        CLIPC_TRY(get_small(d, CLIPC_MODEL_INDEX_JSON, &found, err));
    if (!found)
        return fail_no_config(d, err);
    CLIPC_TRY(snapshot_path(&folder, d, NULL, err));
    clipc_status status = clipc_component_find(&component, &found, folder,
                                               err);
    free(folder);
    CLIPC_TRY(status);
    if (!*component.path || !clipc_hub_id_below(&below, own, component.path))
        return fail_no_config(d, err);
    d->id = &below;
    if (has_modules)
        status = get_small(d, CLIPC_SENTENCE_MODULE_JSON, &ignored, err);
    if (status == CLIPC_OK)
        status = get_all(d, false, err);
    d->id = own;
    return status;
}

static clipc_status get_all(clipc_hub_task *d, bool may_descend,
                            clipc_error *err)
{
    bool config, open_clip, adapter, tokenizer, preprocessing, found;

    CLIPC_TRY(get_small(d, CLIPC_CONFIG_JSON, &config, err));
    CLIPC_TRY(get_small(d, CLIPC_OPEN_CLIP_CONFIG_JSON, &open_clip, err));
    CLIPC_TRY(get_adapter(d, &adapter, err));
    if (!config && !open_clip) {
        if (adapter)
            return CLIPC_OK; /* for a model that it names */
        return may_descend ? get_below(d, err) : fail_no_config(d, err);
    }
    CLIPC_TRY(get_modules(d, &found, err));
    CLIPC_TRY(get_preprocessing(d, &preprocessing, err));
    CLIPC_TRY(get_tokenizer(d, &tokenizer, err));
    CLIPC_TRY(get_beside(d, tokenizer, preprocessing, err));
    return get_weights(d, err);
}

/* ---- the call ---------------------------------------------------------- */

static void tell(const clipc_hub_params *params, const char *format,
                 const char *repo, const char *message)
{
    char text[512];

    if (!params->notice)
        return;
    snprintf(text, sizeof text, format, repo, message);
    params->notice(params->notice_user, text);
}

/* Whether the cache may serve the call after this failure. */
static bool may_use_cache(const clipc_hub_task *d, clipc_status status)
{
    switch (status) {
    case CLIPC_ERR_NETWORK:
    case CLIPC_ERR_TIMEOUT:
    case CLIPC_ERR_HTTP:
    case CLIPC_ERR_NOT_FOUND:
    case CLIPC_ERR_IO:
    case CLIPC_ERR_UNSUPPORTED: return !d->final;
    /* Not the hub has answered: a page of the network in between, say. Where it
     * has given files before, the fault is its own, and is told. */
    case CLIPC_ERR_FORMAT:
    case CLIPC_ERR_LIMIT:
    case CLIPC_ERR_URL:
    case CLIPC_ERR_URL_BLOCKED: return !d->final && !d->taken;
    default: return false;
    }
}

/* d->commit: the cache's commit, or ""; afterwards the commit whose files are
 * complete. */
static clipc_status download_files(clipc_hub_task *d, clipc_hub_state state,
                                   clipc_error *err)
{
    char cached[sizeof d->commit];
    clipc_error why = CLIPC_ERROR_INIT;
    clipc_status status;

    memcpy(cached, d->commit, sizeof cached);
    if (d->id->is_commit)
        memcpy(d->commit, d->id->revision, sizeof d->commit);
    else if (!d->verify) /* which looks at the files that are there */
        d->commit[0] = '\0';
    d->impatient = state != CLIPC_HUB_LACKING;
    status = clipc_hub_session_create(&d->session, d->params, &why);
    if (status == CLIPC_OK && !d->commit[0])
        status = clipc_hub_learn_commit(d, &why);
    if (status == CLIPC_OK && !d->verify && state == CLIPC_HUB_COMPLETE &&
        strcmp(d->commit, cached) == 0)
        return CLIPC_OK; /* the branch has not moved */
    if (status == CLIPC_OK)
        status = get_all(d, true, &why);
    if (status == CLIPC_OK && !d->id->is_commit) {
        clipc_error ref = CLIPC_ERROR_INIT;
        if (clipc_hub_ref_write(&d->tree, d->id->revision, d->commit, &ref) !=
            CLIPC_OK)
            tell(d->params,
                 "%s: its files are in the cache, its revision is "
                 "not: %s",
                 d->id->repo, ref.message);
    }
    if (status != CLIPC_OK && state != CLIPC_HUB_LACKING && !d->verify &&
        may_use_cache(d, status)) {
        tell(d->params,
             "%s: using the files in the cache, which may be old "
             "or not all: %s",
             d->id->repo, why.message);
        memcpy(d->commit, cached, sizeof d->commit);
        return CLIPC_OK;
    }
    if (status != CLIPC_OK)
        return clipc_fail(err, status, why.offset, "%s", why.message);
    return CLIPC_OK;
}

static clipc_status fail_lacking(const clipc_hub_id *id, const char *cache_dir,
                                 clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                      "%.80s: only some files of this revision are in the hub "
                      "cache, and downloading is off (hub cache: %s)",
                      id->repo, CLIPC_QUOTE(cache_dir));
}

clipc_status clipc_hub_get_files(char **folder, const clipc_hub_id *id,
                                 const clipc_hub_params *params,
                                 bool *repaired, clipc_error *err)
{
    clipc_hub_task d = { .params = params,
                         .id = id,
                         .verify = repaired != NULL };
    clipc_error why = CLIPC_ERROR_INIT;
    clipc_hub_state state = CLIPC_HUB_LACKING;
    clipc_status status;
    char missing[160];

    *folder = NULL;
    CLIPC_TRY(clipc_hub_tree_init(&d.tree, params, id, err));
    status = clipc_hub_commit(d.commit, params->cache_dir, id, &why);
    if (status == CLIPC_OK)
        state = clipc_hub_examine(d.tree.repository, d.commit, id, missing,
                                  sizeof missing);
    else
        d.commit[0] = '\0';
    bool up_to_date = state == CLIPC_HUB_COMPLETE && !d.verify &&
                      !(params->update && !id->is_commit);
    if (status == CLIPC_ERR_NOMEM) {
        status = clipc_fail_nomem(err, "path in the hub cache");
    } else if (params->allow_network && !up_to_date) {
        status = download_files(&d, state, err);
    } else if (status != CLIPC_OK) {
        status = clipc_fail(err, status, why.offset, "%s", why.message);
    } else if (state == CLIPC_HUB_LACKING) {
        status = fail_lacking(id, params->cache_dir, err);
    } else if (state == CLIPC_HUB_USABLE) {
        tell(params,
             "%s: the hub was never asked for %s, which may change answers; "
             "downloading is off",
             id->repo, missing);
    }
    if (status == CLIPC_OK) {
        char *below = clipc_hub_within(id, d.commit, NULL);
        status = below ? clipc_hub_tree_path(folder, &d.tree, "snapshots",
                                             below, err)
                       : clipc_fail_nomem(err, "path in the hub cache");
        free(below);
    }
    if (repaired)
        *repaired = d.repaired;
    clipc_hub_session_free(d.session);
    clipc_hub_tree_release(&d.tree);
    return status;
}

clipc_status clipc_hub_download(char **folder, const char *name,
                                const clipc_hub_params *given,
                                clipc_error *err)
{
    clipc_hub_params params;
    clipc_hub_id id;

    if (folder)
        *folder = NULL;
    if (!folder || !name)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s is NULL",
                          folder ? "id" : "folder");
    CLIPC_TRY(clipc_hub_params_merge(&params, given, err));
    if (!params.cache_dir || !*params.cache_dir)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->cache_dir is %s",
                          params.cache_dir ? "empty" : "NULL");
    if (!clipc_hub_parse(&id, name))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "%s: not a repository id (NAME, ORG/NAME or "
                          "ORG/NAME/SUBFOLDER, optionally @REVISION)",
                          CLIPC_QUOTE(name));
    return clipc_hub_get_files(folder, &id, &params, NULL, err);
}
