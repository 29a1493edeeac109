/* SPDX-License-Identifier: MIT
 *
 * model_files.h - the files of a published model, by name: what is opened, in
 * which order, and what the hub download fetches. Every name stands here and
 * nowhere else.
 */
#ifndef CLIPC_MODEL_FILES_H
#define CLIPC_MODEL_FILES_H

#include <stdbool.h>
#include <stddef.h>

#define CLIPC_CONFIG_JSON "config.json"
#define CLIPC_OPEN_CLIP_CONFIG_JSON "open_clip_config.json"
/* The first of the two files that describes an image processor counts. */
#define CLIPC_PROCESSOR_CONFIG_JSON "processor_config.json"
#define CLIPC_PREPROCESSOR_CONFIG_JSON "preprocessor_config.json"

/* A low-rank adapter of PEFT. */
#define CLIPC_ADAPTER_CONFIG_JSON "adapter_config.json"
#define CLIPC_ADAPTER_SAFETENSORS "adapter_model.safetensors"
#define CLIPC_ADAPTER_BIN "adapter_model.bin"

#define CLIPC_OPEN_CLIP_SAFETENSORS "open_clip_model.safetensors"

/* A way to store weights. */
typedef struct clipc_weights_way {
    const char *file;
    bool is_index;     /* the file names others, which hold the tensors */
    bool is_bin;       /* PyTorch's; else safetensors */
    bool is_open_clip; /* goes with open_clip_config.json */
} clipc_weights_way;

/* All ways, in the order of the search. */
enum { CLIPC_N_WEIGHTS_WAYS = 6 };
extern const clipc_weights_way clipc_weights_ways[CLIPC_N_WEIGHTS_WAYS];

/* Whether a file is open_clip's weights, by its name; path: NAME or
 * .../NAME. */
bool clipc_is_open_clip_weights(const char *path);

/* Whether a folder has files of a checkpoint that several processes saved
 * together: transformers reads them, and no other file of weights. */
bool clipc_folder_is_distributed(const char *folder);

/* Whether a file of weights is an index of others, by its name. */
bool clipc_is_weights_index(const char *name);

/* The suffix of the files that an index of this name may name: ".bin" or
 * ".safetensors". */
const char *clipc_shard_suffix(const char *index);

/* Files of the tokenizer. */
typedef enum clipc_model_file {
    CLIPC_FILE_TOKENIZER_JSON,
    CLIPC_FILE_VOCAB_JSON, /* with merges.txt, where tokenizer.json lacks */
    CLIPC_FILE_MERGES_TXT,
    CLIPC_FILE_SPIECE_MODEL, /* SigLIP's first version */
    CLIPC_FILE_TOKENIZER_CONFIG,
    CLIPC_FILE_SPECIAL_TOKENS_MAP, /* of older transformers, as the next */
    CLIPC_FILE_ADDED_TOKENS,
    CLIPC_N_TOKENIZER_FILES
} clipc_model_file;
extern const char *const clipc_tokenizer_file_names[CLIPC_N_TOKENIZER_FILES];

/* Vocabularies of other kinds, which transformers reads in place of vocab.json
 * or spiece.model where there is no tokenizer.json. clipc reads none. */
enum { CLIPC_N_OTHER_VOCABULARIES = 3 };
extern const char *const clipc_other_vocabularies[CLIPC_N_OTHER_VOCABULARIES];

#endif /* CLIPC_MODEL_FILES_H */
