/* SPDX-License-Identifier: MIT
 *
 * hub_snapshot.c - see hub_snapshot.h. A file of a snapshot is there, or known
 * not to exist in the revision, or neither: then the hub was never asked for
 * it. That a file does not exist is known from .no_exist, and from the listing
 * of all files that Python leaves after a download of a whole repository.
 */
#include "hub/hub_snapshot.h"

#include "checkpoint/model_files.h"
#include "checkpoint/shard_index.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LISTING_BYTES ((size_t)32 << 20)
#define MAX_CONFIG_BYTES ((size_t)4 << 20)

/* ---- files that name others -------------------------------------------- */

json_t *clipc_hub_json(const char *path, size_t max_bytes)
{
    clipc_bytes bytes;
    json_t *root = NULL;

    if (clipc_file_read(&bytes, path, max_bytes, "limit of a file", NULL) !=
        CLIPC_OK)
        return NULL;
    if (clipc_json_parse_reals(&root, (const char *)bytes.data, bytes.n, path,
                               NULL) != CLIPC_OK)
        root = NULL;
    clipc_bytes_release(&bytes);
    return root;
}

void clipc_hub_named_weights(char name[CLIPC_HUB_MAX_WEIGHTS + 1],
                             const char *config_path)
{
    json_t *root = clipc_hub_json(config_path, MAX_CONFIG_BYTES);
    const char *text = json_string_value(
        json_object_get(root, "transformers_weights"));

    name[0] = '\0';
    if (text && strlen(text) <= CLIPC_HUB_MAX_WEIGHTS && text[0] != '.' &&
        !strpbrk(text, "/\\"))
        memcpy(name, text, strlen(text) + 1);
    json_decref(root);
}

bool clipc_hub_needs_spiece(const char *path)
{
    json_t *root = clipc_hub_json(path, MAX_CONFIG_BYTES);
    const char *class = json_string_value(
        json_object_get(root, "tokenizer_class"));
    const bool needs = class && strcmp(class, "SiglipTokenizer") == 0;

    json_decref(root);
    return needs;
}

clipc_status clipc_hub_shards_read(clipc_hub_shards *shards,
                                   const char *index_path, clipc_error *err)
{
    clipc_shard_index index;
    clipc_bytes bytes;

    *shards = (clipc_hub_shards){ 0 };
    CLIPC_TRY(clipc_file_read(&bytes, index_path, CLIPC_MAX_INDEX_BYTES,
                              "limit of an index of weights", err));
    clipc_status status =
        clipc_shard_index_parse(&index, (const char *)bytes.data, bytes.n,
                                clipc_shard_suffix(index_path), index_path,
                                err);
    clipc_bytes_release(&bytes);
    CLIPC_TRY(status);
    shards->names = clipc_alloc_zero(index.n_shards, sizeof *shards->names);
    for (size_t i = 0; shards->names && i < index.n_shards; i++) {
        shards->names[i] = clipc_strndup(index.shards[i],
                                         strlen(index.shards[i]));
        if (!shards->names[i])
            break;
        shards->n++;
    }
    if (shards->n < index.n_shards) {
        clipc_hub_shards_release(shards);
        status = clipc_fail_nomem(err, "names of shards");
    }
    clipc_shard_index_release(&index);
    return status;
}

void clipc_hub_shards_release(clipc_hub_shards *shards)
{
    for (size_t i = 0; i < shards->n; i++)
        free(shards->names[i]);
    free(shards->names);
    *shards = (clipc_hub_shards){ 0 };
}

/* ---- other folders of the repository ----------------------------------- */

/* The first n bytes of the id's subfolder, then `name`. */
static bool set_folder(clipc_hub_id *out, const clipc_hub_id *id, size_t n,
                       const char *name)
{
    const clipc_hub_id copy = *id;

    if (n + strlen(name) + 1 > CLIPC_HUB_MAX_SUBFOLDER)
        return false;
    *out = copy;
    snprintf(out->subfolder, sizeof out->subfolder, "%.*s%s%s", (int)n,
             copy.subfolder, n > 0 && *name ? "/" : "", name);
    return true;
}

bool clipc_hub_id_below(clipc_hub_id *out, const clipc_hub_id *id,
                        const char *path)
{
    return set_folder(out, id, strlen(id->subfolder), path);
}

bool clipc_hub_id_beside(clipc_hub_id *out, const clipc_hub_id *id)
{
    const char *slash = strrchr(id->subfolder, '/');
    clipc_component beside;

    clipc_component_beside(&beside, id->subfolder);
    return *beside.path &&
           set_folder(out, id, slash ? (size_t)(slash - id->subfolder) : 0,
                      beside.path);
}

/* ---- looking ----------------------------------------------------------- */

/* A folder of a snapshot being looked at. */
typedef struct view {
    const char *repository, *commit;
    const clipc_hub_id *id; /* its subfolder */
    const json_t *listing;  /* the files of the commit; or NULL */
    char *missing;          /* names of files that were never asked for */
    size_t room;            /* of missing */
} view;

/* malloc'ed, or NULL. */
static char *path_in(const view *v, const char *part, const char *file)
{
    char *below = clipc_hub_within(v->id, v->commit, file);
    char *path = below ? clipc_format("%s/%s/%s", v->repository, part, below)
                       : NULL;

    free(below);
    return path;
}

static bool exists_in(const view *v, const char *part, const char *file)
{
    char *path = path_in(v, part, file);
    const bool exists = path && clipc_file_exists(path);

    free(path);
    return exists;
}

static bool has(const view *v, const char *file)
{
    return exists_in(v, "snapshots", file);
}

/* Whether there is a listing, and the file is not in it. */
static bool is_unlisted(const view *v, const char *file)
{
    char *name = v->listing ? clipc_hub_within(v->id, "", file) : NULL;
    const bool unlisted = name && !json_object_get(v->listing, name);

    free(name);
    return unlisted;
}

/* Whether the file is there or known not to exist. */
static bool is_settled(const view *v, const char *file)
{
    return has(v, file) || exists_in(v, ".no_exist", file) ||
           is_unlisted(v, file);
}

/* The same; a file that is neither is named. */
static bool settle(const view *v, const char *file)
{
    if (is_settled(v, file))
        return true;
    const size_t used = v->missing ? strlen(v->missing) : 0;
    if (v->missing && used + strlen(file) + 3 <= v->room)
        snprintf(v->missing + used, v->room - used, "%s%s", used ? ", " : "",
                 file);
    return false;
}

static bool has_shards(const view *v, const char *index)
{
    char *path = path_in(v, "snapshots", index);
    clipc_hub_shards shards = { 0 };
    bool all = path && clipc_file_exists(path) &&
               clipc_hub_shards_read(&shards, path, NULL) == CLIPC_OK;

    for (size_t i = 0; all && i < shards.n; i++)
        all = has(v, shards.names[i]);
    clipc_hub_shards_release(&shards);
    free(path);
    return all;
}

/* *named: config.json names the file of weights, which counts alone. */
static bool has_named_weights(const view *v, bool *named)
{
    char name[CLIPC_HUB_MAX_WEIGHTS + 1] = "";
    char *path = path_in(v, "snapshots", CLIPC_CONFIG_JSON);

    if (path)
        clipc_hub_named_weights(name, path);
    free(path);
    *named = *name != '\0';
    return *named &&
           (clipc_is_weights_index(name) ? has_shards(v, name) : has(v, name));
}

static bool has_weights(const view *v, bool open_clip)
{
    bool named, has_named = has_named_weights(v, &named);

    if (named)
        return has_named;
    for (size_t i = 0; i < CLIPC_N_WEIGHTS_WAYS; i++) {
        const clipc_weights_way *way = &clipc_weights_ways[i];
        if (way->is_open_clip && !open_clip)
            continue;
        if (way->is_index ? has_shards(v, way->file) : has(v, way->file))
            return true;
    }
    return false;
}

/* ---- what there is left to ask for ------------------------------------- */

static bool has_vocabulary(const view *v)
{
    const char *const *names = clipc_tokenizer_file_names;

    return has(v, names[CLIPC_FILE_TOKENIZER_JSON]) ||
           has(v, names[CLIPC_FILE_SPIECE_MODEL]) ||
           (has(v, names[CLIPC_FILE_VOCAB_JSON]) &&
            has(v, names[CLIPC_FILE_MERGES_TXT]));
}

/* Whether the class of the tokenizer reads spiece.model, and that file is not
 * settled. */
static bool lacks_spiece(const view *v)
{
    char *path =
        path_in(v, "snapshots",
                clipc_tokenizer_file_names[CLIPC_FILE_TOKENIZER_CONFIG]);
    const bool needs = path && clipc_hub_needs_spiece(path);

    free(path);
    return needs &&
           !settle(v, clipc_tokenizer_file_names[CLIPC_FILE_SPIECE_MODEL]);
}

static bool is_tokenizer_settled(const view *v, bool may_be_beside)
{
    static const clipc_model_file others[] = { CLIPC_FILE_TOKENIZER_CONFIG,
                                               CLIPC_FILE_SPECIAL_TOKENS_MAP,
                                               CLIPC_FILE_ADDED_TOKENS };
    /* Python asks for vocab.json and merges.txt first. */
    static const clipc_model_file vocabularies[] = { CLIPC_FILE_TOKENIZER_JSON,
                                                     CLIPC_FILE_VOCAB_JSON,
                                                     CLIPC_FILE_MERGES_TXT };
    const bool found = has_vocabulary(v);
    const clipc_model_file *files = found ? others : vocabularies;
    bool settled = true;

    for (size_t i = 0; i < 3; i++)
        settled &= settle(v, clipc_tokenizer_file_names[files[i]]);
    if (found)
        return settled && !lacks_spiece(v);
    clipc_hub_id beside;
    if (!settled || !may_be_beside || !clipc_hub_id_beside(&beside, v->id))
        return settled;
    view other = *v;
    other.id = &beside;
    return is_tokenizer_settled(&other, false);
}

/* The two files of preprocessing, and those that clipc asks for and no other
 * program: they are unsettled in a cache that an older clipc filled. */
static bool is_rest_settled(const view *v)
{
    bool settled = settle(v, CLIPC_PREPROCESSOR_CONFIG_JSON);

    settled &= settle(v, CLIPC_PROCESSOR_CONFIG_JSON);
    if (exists_in(v, ".no_exist", CLIPC_OPEN_CLIP_CONFIG_JSON)) {
        settled &= settle(v, CLIPC_ADAPTER_CONFIG_JSON);
        settled &= settle(v, CLIPC_MODULES_JSON);
    }
    return settled;
}

static clipc_hub_state examine(const view *v, bool may_descend);

/* The model in the subfolder that a folder of another program names. */
static clipc_hub_state examine_below(const view *v)
{
    char *folder = path_in(v, "snapshots", NULL);
    clipc_component component;
    clipc_hub_id below;
    bool found = false;
    const clipc_status status = folder
                                    ? clipc_component_find(&component, &found,
                                                           folder, NULL)
                                    : CLIPC_ERR_NOMEM;

    free(folder);
    if (status != CLIPC_OK) /* opening tells what is wrong */
        return status == CLIPC_ERR_NOMEM ? CLIPC_HUB_LACKING
                                         : CLIPC_HUB_COMPLETE;
    if (!found || !*component.path ||
        !clipc_hub_id_below(&below, v->id, component.path))
        return CLIPC_HUB_LACKING;
    view other = *v;
    other.id = &below;
    return examine(&other, false);
}

static clipc_hub_state examine(const view *v, bool may_descend)
{
    const bool open_clip = has(v, CLIPC_OPEN_CLIP_CONFIG_JSON);

    if (!has(v, CLIPC_CONFIG_JSON) && !open_clip) {
        if (has(v, CLIPC_ADAPTER_CONFIG_JSON) &&
            (has(v, CLIPC_ADAPTER_SAFETENSORS) || has(v, CLIPC_ADAPTER_BIN)))
            return CLIPC_HUB_COMPLETE; /* an adapter by itself */
        return may_descend ? examine_below(v) : CLIPC_HUB_LACKING;
    }
    if (!has_weights(v, open_clip))
        return CLIPC_HUB_LACKING;
    bool settled = is_tokenizer_settled(v, true);
    settled &= is_rest_settled(v);
    return settled ? CLIPC_HUB_COMPLETE : CLIPC_HUB_USABLE;
}

/* The listing that huggingface_hub 2.4 leaves, of format 1. */
static json_t *read_listing(const char *repository, const char *commit)
{
    char *path = clipc_format("%s/trees/%s.json", repository, commit);
    json_t *root = path ? clipc_hub_json(path, MAX_LISTING_BYTES) : NULL;

    free(path);
    if (json_number_value(json_object_get(root, "format_version")) == 1 &&
        json_is_object(json_object_get(root, "files")))
        return root;
    json_decref(root);
    return NULL;
}

clipc_hub_state clipc_hub_examine(const char *repository, const char *commit,
                                  const clipc_hub_id *id, char *missing,
                                  size_t room)
{
    json_t *listing = read_listing(repository, commit);
    const view v = { .repository = repository,
                     .commit = commit,
                     .id = id,
                     .listing = json_object_get(listing, "files"),
                     .missing = missing,
                     .room = room };

    if (missing)
        missing[0] = '\0';
    const clipc_hub_state state = examine(&v, true);
    json_decref(listing);
    return state;
}
