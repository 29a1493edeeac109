/* SPDX-License-Identifier: MIT
 *
 * tensor_files.c - the tensors of a checkpoint: one file, or an index and the
 * files it names. Each file is validated completely by its own reader; here
 * they become one list, in which every name occurs once, and which holds
 * every tensor of the index in the file where the index says it is.
 */
#include "checkpoint/tensor_files.h"
#include "checkpoint/model_files.h"

#include "checkpoint/shard_index.h"
#include "checkpoint/torch.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TENSORS 65536
#define INDEX_SUFFIX ".index.json"

typedef struct part {
    clipc_weights_file file;
    clipc_safetensors *st; /* one of the two */
    clipc_torch *torch;
    size_t first; /* index of its first tensor */
} part;

struct clipc_weights {
    char *name;
    part *parts; /* [n_parts] */
    size_t n_parts;
    clipc_tensor *tensors;        /* [n] file by file */
    const clipc_tensor **by_name; /* [n] */
    size_t n;
};

/* How files are opened. */
typedef struct opening {
    clipc_load load;
    size_t max_header_bytes;
} opening;

/* ---- one file ---------------------------------------------------------- */

static bool ends_in(const char *text, const char *suffix)
{
    size_t n = strlen(text), n_suffix = strlen(suffix);
    return n > n_suffix && strcmp(text + n - n_suffix, suffix) == 0;
}

static bool is_torch_name(const char *path)
{
    static const char *const suffixes[] = { ".bin", ".pt", ".pth", ".ckpt" };

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (ends_in(path, suffixes[i]))
            return true;
    return false;
}

bool clipc_weights_is_name(const char *path)
{
    return ends_in(path, ".safetensors") || ends_in(path, INDEX_SUFFIX) ||
           is_torch_name(path);
}

static clipc_status open_part(part *p, const char *path, const opening *how,
                              clipc_error *err)
{
    clipc_file_stamp before = clipc_file_stamp_get(path);

    if (is_torch_name(path))
        CLIPC_TRY(clipc_torch_open(&p->torch, path, how->load,
                                   how->max_header_bytes, err));
    else
        CLIPC_TRY(clipc_safetensors_open(&p->st, path, how->load,
                                         how->max_header_bytes, err));
    /* Replaced meanwhile: no stamp, and nothing is remembered about it. */
    clipc_file_stamp after = clipc_file_stamp_get(path);
    if (clipc_file_stamp_equal(&before, &after))
        p->file.stamp = before;
    return CLIPC_OK;
}

static clipc_status open_part_memory(part *p, const void *data, size_t n,
                                     const char *name,
                                     size_t max_header_bytes, clipc_error *err)
{
    if (clipc_torch_looks_like(data, n))
        return clipc_torch_open_memory(&p->torch, data, n, name,
                                       max_header_bytes, err);
    return clipc_safetensors_open_memory(&p->st, data, n, name,
                                         max_header_bytes, err);
}

static size_t part_count(const part *p)
{
    return p->torch ? clipc_torch_count(p->torch)
                    : clipc_safetensors_count(p->st);
}

static const clipc_tensor *part_at(const part *p, size_t index)
{
    return p->torch ? clipc_torch_at(p->torch, index)
                    : clipc_safetensors_at(p->st, index);
}

static void part_forget(const part *p, size_t index)
{
    if (p->torch)
        clipc_torch_forget(p->torch, clipc_torch_at(p->torch, index));
    else
        clipc_safetensors_forget(p->st, clipc_safetensors_at(p->st, index));
}

static void describe_part(part *p)
{
    clipc_weights_file *file = &p->file;

    file->name = p->torch ? clipc_torch_name(p->torch)
                          : clipc_safetensors_name(p->st);
    file->header = p->torch
                       ? clipc_torch_header(p->torch, &file->header_bytes)
                       : clipc_safetensors_header(p->st, &file->header_bytes);
}

static void close_part(part *p)
{
    clipc_torch_close(p->torch);
    clipc_safetensors_close(p->st);
}

/* ---- the list of all tensors ------------------------------------------- */

static const part *part_of(const clipc_weights *weights, size_t index)
{
    size_t i = weights->n_parts - 1;
    while (weights->parts[i].first > index)
        i--;
    return &weights->parts[i];
}

static int compare_names(const void *a, const void *b)
{
    const clipc_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static clipc_status index_names(clipc_weights *weights, clipc_error *err)
{
    const clipc_tensor **names = weights->by_name;

    for (size_t i = 0; i < weights->n; i++)
        names[i] = &weights->tensors[i];
    qsort(names, weights->n, sizeof *names, compare_names);
    for (size_t i = 1; i < weights->n; i++) {
        if (strcmp(names[i - 1]->name, names[i]->name) != 0)
            continue;
        const char *file = clipc_weights_file_of(weights, names[i]);
        const char *other = clipc_weights_file_of(weights, names[i - 1]);
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1, "%s: tensor %s: %s%s",
                          CLIPC_QUOTE(file), CLIPC_QUOTE(names[i]->name),
                          file == other ? "two tensors have this name"
                                        : "it is also in ",
                          file == other ? "" : CLIPC_QUOTE(other));
    }
    return CLIPC_OK;
}

/* After all parts are open. */
static clipc_status list_tensors(clipc_weights *weights, clipc_error *err)
{
    size_t n = 0;

    for (size_t i = 0; i < weights->n_parts; i++) {
        describe_part(&weights->parts[i]);
        weights->parts[i].first = n;
        n += part_count(&weights->parts[i]);
    }
    if (n > MAX_TENSORS)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: more than %d tensors (limit of clipc)",
                          CLIPC_QUOTE(weights->name), MAX_TENSORS);
    weights->tensors = clipc_alloc(n, sizeof *weights->tensors);
    weights->by_name = clipc_alloc(n, sizeof *weights->by_name);
    if (!weights->tensors || !weights->by_name)
        return clipc_fail_nomem(err, "table of tensors");
    for (size_t i = 0; i < weights->n_parts; i++) {
        const part *p = &weights->parts[i];
        for (size_t j = 0; j < part_count(p); j++)
            weights->tensors[weights->n++] = *part_at(p, j);
    }
    return index_names(weights, err);
}

/* ---- opening ----------------------------------------------------------- */

static clipc_status create(clipc_weights **out, const char *name,
                           size_t n_parts, clipc_error *err)
{
    clipc_weights *weights = clipc_alloc_zero(1, sizeof *weights);

    *out = NULL;
    if (weights) {
        weights->name = clipc_strndup(name, strlen(name));
        weights->parts = clipc_alloc_zero(n_parts, sizeof *weights->parts);
    }
    if (!weights || !weights->name || !weights->parts) {
        clipc_weights_close(weights);
        return clipc_fail_nomem(err, "checkpoint");
    }
    *out = weights;
    return CLIPC_OK;
}

/* What the steps after create() gave. */
static clipc_status finish(clipc_weights **out, clipc_weights *weights,
                           clipc_status status)
{
    if (status == CLIPC_OK)
        *out = weights;
    else
        clipc_weights_close(weights);
    return status;
}

static clipc_status open_single(clipc_weights **out, const char *path,
                                const opening *how, clipc_error *err)
{
    clipc_weights *weights;
    clipc_status status;

    CLIPC_TRY(create(&weights, path, 1, err));
    status = open_part(&weights->parts[0], path, how, err);
    if (status == CLIPC_OK) {
        weights->n_parts = 1;
        status = list_tensors(weights, err);
    }
    return finish(out, weights, status);
}

/* The file NAME beside the index. */
static clipc_status open_shard(clipc_weights *weights, const char *name,
                               const opening *how, clipc_error *err)
{
    const char *index = weights->name, *slash = strrchr(index, '/');
    char *path = clipc_format("%.*s%s", slash ? (int)(slash + 1 - index) : 0,
                              index, name);
    if (!path)
        return clipc_fail_nomem(err, "path of a model file");
    clipc_status status = open_part(&weights->parts[weights->n_parts], path,
                                    how, err);
    if (status == CLIPC_OK)
        weights->n_parts++;
    else if (status == CLIPC_ERR_NOT_FOUND)
        status = clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                            "%s: the file %s that it names is missing",
                            CLIPC_QUOTE(index), CLIPC_QUOTE(name));
    free(path);
    return status;
}

/* Every tensor of the index is in its file. */
static clipc_status check_index(const clipc_weights *weights,
                                const clipc_shard_index *index,
                                clipc_error *err)
{
    for (size_t i = 0; i < index->n_entries; i++) {
        const clipc_shard_entry *entry = &index->entries[i];
        const clipc_tensor *tensor = clipc_weights_find(weights,
                                                        entry->tensor);
        if (!tensor || part_of(weights, clipc_weights_index(weights, tensor)) !=
                           &weights->parts[entry->shard])
            return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                              "%s: tensor %s is not in %s",
                              CLIPC_QUOTE(weights->name),
                              CLIPC_QUOTE(entry->tensor),
                              CLIPC_QUOTE(index->shards[entry->shard]));
    }
    return CLIPC_OK;
}

static clipc_status open_shards(clipc_weights *weights,
                                const clipc_shard_index *index,
                                const opening *how, clipc_error *err)
{
    for (size_t i = 0; i < index->n_shards; i++)
        CLIPC_TRY(open_shard(weights, index->shards[i], how, err));
    CLIPC_TRY(list_tensors(weights, err));
    return check_index(weights, index, err);
}

/* *found is false when there is no index at `path`: CLIPC_ERR_NOT_FOUND may
 * mean one of its files. */
static clipc_status open_split(clipc_weights **out, const char *path,
                               const opening *how, bool *found,
                               clipc_error *err)
{
    clipc_weights *weights = NULL;
    clipc_shard_index index;
    clipc_bytes bytes;
    clipc_status status;

    status = clipc_file_read(&bytes, path, CLIPC_MAX_INDEX_BYTES,
                             "limit of an index of files", err);
    *found = status != CLIPC_ERR_NOT_FOUND;
    CLIPC_TRY(status);
    status = clipc_shard_index_parse(
        &index, (const char *)bytes.data, bytes.n,
        clipc_shard_suffix(path), path, err);
    clipc_bytes_release(&bytes);
    CLIPC_TRY(status);
    status = create(&weights, path, index.n_shards, err);
    if (status == CLIPC_OK)
        status = finish(out, weights, open_shards(weights, &index, how, err));
    clipc_shard_index_release(&index);
    return status;
}

static clipc_status open_either(clipc_weights **out, const char *path,
                                const opening *how, bool *found,
                                clipc_error *err)
{
    if (ends_in(path, INDEX_SUFFIX))
        return open_split(out, path, how, found, err);
    clipc_status status = open_single(out, path, how, err);
    *found = status != CLIPC_ERR_NOT_FOUND;
    return status;
}

clipc_status clipc_weights_open_folder(clipc_weights **out,
                                       const char *folder, clipc_load load,
                                       size_t max_header_bytes,
                                       clipc_error *err)
{
    const opening how = { load, max_header_bytes };

    *out = NULL;
    for (size_t i = 0; i < CLIPC_N_WEIGHTS_WAYS; i++) {
        clipc_error inner = CLIPC_ERROR_INIT;
        bool found;
        char *path = clipc_format("%s/%s", folder,
                                  clipc_weights_ways[i].file);
        if (!path)
            return clipc_fail_nomem(err, "path of a model file");
        clipc_status status = open_either(out, path, &how, &found, &inner);
        free(path);
        if (status == CLIPC_OK)
            return CLIPC_OK;
        if (found)
            return clipc_fail(err, status, inner.offset, "%s", inner.message);
    }
    return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                      "%s: it has no model.safetensors or pytorch_model.bin, "
                      "neither whole nor split (.index.json), and none of "
                      "open_clip", CLIPC_QUOTE(folder));
}

clipc_status clipc_weights_open_file(clipc_weights **out, const char *path,
                                     clipc_load load, size_t max_header_bytes,
                                     clipc_error *err)
{
    const opening how = { load, max_header_bytes };
    bool found;

    *out = NULL;
    return open_either(out, path, &how, &found, err);
}

clipc_status clipc_weights_open_memory(clipc_weights **out, const void *data,
                                       size_t n, const char *name,
                                       size_t max_header_bytes,
                                       clipc_error *err)
{
    clipc_weights *weights;
    clipc_status status;

    *out = NULL;
    CLIPC_TRY(create(&weights, name, 1, err));
    status = open_part_memory(&weights->parts[0], data, n, name,
                              max_header_bytes, err);
    if (status == CLIPC_OK) {
        weights->n_parts = 1;
        status = list_tensors(weights, err);
    }
    return finish(out, weights, status);
}

void clipc_weights_close(clipc_weights *weights)
{
    if (!weights)
        return;
    for (size_t i = 0; i < weights->n_parts; i++)
        close_part(&weights->parts[i]);
    free(weights->parts);
    free(weights->by_name);
    free(weights->tensors);
    free(weights->name);
    free(weights);
}

/* ---- questions --------------------------------------------------------- */

size_t clipc_weights_count(const clipc_weights *weights)
{
    return weights->n;
}

const clipc_tensor *clipc_weights_at(const clipc_weights *weights,
                                     size_t index)
{
    return &weights->tensors[index];
}

size_t clipc_weights_index(const clipc_weights *weights,
                           const clipc_tensor *tensor)
{
    return (size_t)(tensor - weights->tensors);
}

const clipc_tensor *clipc_weights_find(const clipc_weights *weights,
                                       const char *name)
{
    const clipc_tensor wanted = { .name = name }, *key = &wanted;
    const clipc_tensor **found =
        bsearch(&key, weights->by_name, weights->n, sizeof *weights->by_name,
                compare_names);
    return found ? *found : NULL;
}

void clipc_weights_forget(const clipc_weights *weights,
                          const clipc_tensor *tensor)
{
    size_t index = clipc_weights_index(weights, tensor);
    const part *p = part_of(weights, index);

    part_forget(p, index - p->first);
}

size_t clipc_weights_n_files(const clipc_weights *weights)
{
    return weights->n_parts;
}

const clipc_weights_file *clipc_weights_file_at(const clipc_weights *weights,
                                                size_t index)
{
    return &weights->parts[index].file;
}

const char *clipc_weights_file_of(const clipc_weights *weights,
                                  const clipc_tensor *tensor)
{
    return part_of(weights, clipc_weights_index(weights, tensor))->file.name;
}

const char *clipc_weights_name(const clipc_weights *weights)
{
    return weights->name;
}
