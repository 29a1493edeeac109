/* SPDX-License-Identifier: MIT
 *
 * shard_index.c - reads the index of a checkpoint split in several files. The
 * names in it come from whoever made the checkpoint and end up in paths:
 * nothing that could lead out of the folder is accepted.
 */
#include "checkpoint/shard_index.h"

#include "base/json.h"
#include "checkpoint/tensor.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_SHARD_NAME = 255 /* bytes: a file system's limit */
};

/* The terminated name of n bytes is a plain file name. */
static bool is_shard_name(const char *text, size_t n, const char *suffix)
{
    if (n > MAX_SHARD_NAME || text[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == '/' ||
            text[i] == '\\' || text[i] == 0x7F)
            return false;
    return clipc_ends_in(text, suffix);
}

static int compare_texts(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* shards: one name for each tensor on entry, each once afterwards. */
static void sort_shards(clipc_shard_index *index)
{
    size_t n = 0;

    qsort(index->shards, index->n_shards, sizeof *index->shards,
          compare_texts);
    for (size_t i = 0; i < index->n_shards; i++)
        if (n == 0 || strcmp(index->shards[n - 1], index->shards[i]) != 0)
            index->shards[n++] = index->shards[i];
    index->n_shards = n;
}

static clipc_status read_map(clipc_shard_index *index, json_t *map,
                             const char *suffix, const char *name,
                             clipc_error *err)
{
    size_t n = json_object_size(map);
    const char *tensor;
    json_t *value;

    if (n == 0)
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                          "%s: its weight_map names no tensor",
                          CLIPC_QUOTE(name));
    if (n > CLIPC_MAX_TENSORS)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: more than %d tensors (limit of clipc)",
                          CLIPC_QUOTE(name), CLIPC_MAX_TENSORS);
    index->shards = clipc_alloc(n, sizeof *index->shards);
    if (!index->shards)
        return clipc_fail_nomem(err, "index of a split checkpoint");
    json_object_foreach(map, tensor, value)
    {
        const char *shard = json_string_value(value);
        if (!shard)
            return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                              "%s: weight_map: the file of tensor %s is not a "
                              "string",
                              CLIPC_QUOTE(name), CLIPC_QUOTE(tensor));
        if (!is_shard_name(shard, json_string_length(value), suffix))
            return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                              "%s: weight_map: %s is not the name of a *%s "
                              "file beside it",
                              CLIPC_QUOTE(name), CLIPC_QUOTE(shard), suffix);
        index->shards[index->n_shards++] = shard;
    }
    sort_shards(index);
    if (index->n_shards > CLIPC_MAX_SHARDS)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: more than %d files (limit of clipc)",
                          CLIPC_QUOTE(name), CLIPC_MAX_SHARDS);
    return CLIPC_OK;
}

clipc_status clipc_shard_index_parse(clipc_shard_index *index,
                                     const char *data, size_t n,
                                     const char *suffix, const char *name,
                                     clipc_error *err)
{
    clipc_status status;
    json_t *root, *map;

    *index = (clipc_shard_index){ 0 };
    CLIPC_TRY(clipc_json_parse(&root, data, n, name, err));
    index->root = root;
    map = json_object_get(root, "weight_map");
    if (!json_is_object(map))
        status = clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                            "%s: it has no object \"weight_map\"",
                            CLIPC_QUOTE(name));
    else
        status = read_map(index, map, suffix, name, err);
    if (status != CLIPC_OK)
        clipc_shard_index_release(index);
    return status;
}

void clipc_shard_index_release(clipc_shard_index *index)
{
    json_decref(index->root);
    free(index->shards);
    *index = (clipc_shard_index){ 0 };
}
