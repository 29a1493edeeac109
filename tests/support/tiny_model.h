/* SPDX-License-Identifier: MIT
 *
 * tiny_model.h - a random CLIP of some 60,000 parameters, made in memory.
 *
 * The towers differ in every width, depth and head count. Vocabulary: the 512
 * byte tokens, some merges for words about cars, both special tokens; under
 * 600. Every weight is a small multiple of a power of two that F32, F16 and
 * BF16 all hold exactly, so the three dtypes are the same network. Equal
 * options give equal bytes.
 */
#ifndef CLIPC_TINY_MODEL_H
#define CLIPC_TINY_MODEL_H

#include "clipc.h"

/* The default options are all zero, or NULL. */
typedef struct tiny_model_options {
    const char *dtype;      /* "F32" (default), "F16" or "BF16" */
    const char *activation; /* "quick_gelu" (default) or "gelu" */
    unsigned seed;          /* other weights */
    int misaligned;         /* tensor data at odd addresses of the file */
    int position_ids;       /* two I64 tensors, as in old checkpoints */
    int vocab_merges;       /* vocab.json and merges.txt instead of
                             * tokenizer.json */
    int old_eos;            /* "eos_token_id": 2, as in old configs */
} tiny_model_options;

enum {
    TINY_IMAGE_SIZE = 32,
    TINY_PATCH_SIZE = 8,
    TINY_DIM = 16, /* length of an embedding */
    TINY_CONTEXT = 77,
    TINY_VISION_WIDTH = 32,
    TINY_VISION_LAYERS = 2,
    TINY_VISION_HEADS = 2,
    TINY_VISION_MLP = 80,
    TINY_TEXT_WIDTH = 24,
    TINY_TEXT_LAYERS = 3,
    TINY_TEXT_HEADS = 3,
    TINY_TEXT_MLP = 56
};

/* Number of tokens; the last two are <|startoftext|> and <|endoftext|>. */
size_t tiny_model_vocab_size(void);

/* Fills *files with buffers; free them with tiny_model_free(). Running out of
 * memory here ends the test program. */
void tiny_model_files(clipc_model_files *files,
                      const tiny_model_options *options);
void tiny_model_free(clipc_model_files *files);

/* Writes the same files to a folder, and makes the folder if necessary. */
void tiny_model_write(const char *folder, const tiny_model_options *options);

/* Writes FOLDER/name, nothing if data is NULL. Ends the process on failure. */
void write_file(const char *folder, const char *name, const void *data,
                size_t n);

#endif /* CLIPC_TINY_MODEL_H */
