/* SPDX-License-Identifier: MIT
 *
 * shard_index.h - which files a split checkpoint has:
 *
 *     {"metadata": {"total_size": 7},
 *      "weight_map": {"logit_scale": "model-00001-of-00002.safetensors"}}
 *
 * Written by transformers and huggingface_hub as model.safetensors.index.json
 * and pytorch_model.bin.index.json.
 */
#ifndef CLIPC_SHARD_INDEX_H
#define CLIPC_SHARD_INDEX_H

#include "base/base.h"

#define CLIPC_MAX_INDEX_BYTES ((size_t)8 << 20)
#define CLIPC_MAX_SHARDS 1024

typedef struct clipc_shard_index {
    const char **shards; /* [n_shards] file names, sorted, each once */
    size_t n_shards;
    void *root; /* owns the texts */
} clipc_shard_index;

/* Every shard's name must end in `suffix`, ".safetensors" or ".bin", and name
 * a file beside the index: a name with a folder in it, or with a dot at its
 * start, is CLIPC_ERR_FORMAT. name is for messages. */
clipc_status clipc_shard_index_parse(clipc_shard_index *index,
                                     const char *data, size_t n,
                                     const char *suffix, const char *name,
                                     clipc_error *err);
/* Zeroes *index. */
void clipc_shard_index_release(clipc_shard_index *index);

#endif /* CLIPC_SHARD_INDEX_H */
