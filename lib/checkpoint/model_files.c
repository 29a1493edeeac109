/* SPDX-License-Identifier: MIT
 *
 * model_files.c - see model_files.h.
 */
#include "checkpoint/model_files.h"

#include <dirent.h>
#include <string.h>

const clipc_weights_way clipc_weights_ways[CLIPC_N_WEIGHTS_WAYS] = {
    { .file = "model.safetensors" },
    { .file = "model.safetensors.index.json", .is_index = true },
    { .file = CLIPC_OPEN_CLIP_SAFETENSORS, .is_open_clip = true },
    { .file = "pytorch_model.bin", .is_bin = true },
    { .file = "pytorch_model.bin.index.json",
      .is_bin = true,
      .is_index = true },
    { .file = "open_clip_pytorch_model.bin",
      .is_bin = true,
      .is_open_clip = true },
};

const char *const clipc_tokenizer_file_names[CLIPC_N_TOKENIZER_FILES] = {
    [CLIPC_FILE_TOKENIZER_JSON] = "tokenizer.json",
    [CLIPC_FILE_VOCAB_JSON] = "vocab.json",
    [CLIPC_FILE_MERGES_TXT] = "merges.txt",
    [CLIPC_FILE_SPIECE_MODEL] = "spiece.model",
    [CLIPC_FILE_TOKENIZER_CONFIG] = "tokenizer_config.json",
    [CLIPC_FILE_SPECIAL_TOKENS_MAP] = "special_tokens_map.json",
    [CLIPC_FILE_ADDED_TOKENS] = "added_tokens.json",
};

const char *const clipc_other_vocabularies[CLIPC_N_OTHER_VOCABULARIES] = {
    "tokenizer.model", "tekken.json", "tiktoken.model"
};

bool clipc_is_open_clip_weights(const char *path)
{
    static const char prefix[] = "open_clip_";
    const char *slash = strrchr(path, '/');

    return strncmp(slash ? slash + 1 : path, prefix, sizeof prefix - 1) == 0;
}

/* "shard-00001-model-00001-of-00002.safetensors" */
static bool is_distributed(const char *name)
{
    static const char pattern[] =
        "shard-00000-model-00000-of-00000.safetensors";
    size_t i;

    for (i = 0; i < sizeof pattern - 1 && name[i]; i++)
        if (pattern[i] == '0' ? name[i] < '0' || name[i] > '9'
                              : name[i] != pattern[i])
            return false;
    return i == sizeof pattern - 1 && !name[i];
}

bool clipc_folder_is_distributed(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    bool found = false;

    while (dir && !found && (entry = readdir(dir)) != NULL)
        found = is_distributed(entry->d_name);
    if (dir)
        closedir(dir);
    return found;
}

bool clipc_is_weights_index(const char *name)
{
    static const char suffix[] = ".index.json";
    const size_t n = strlen(name), n_suffix = sizeof suffix - 1;

    return n > n_suffix && strcmp(name + n - n_suffix, suffix) == 0;
}

const char *clipc_shard_suffix(const char *index)
{
    static const char suffix[] = ".bin.index.json";
    const size_t n = strlen(index), n_suffix = sizeof suffix - 1;

    return n >= n_suffix && strcmp(index + n - n_suffix, suffix) == 0
               ? ".bin"
               : ".safetensors";
}
