/* SPDX-License-Identifier: MIT
 *
 * tokenizer.h - CLIP's tokenizer as Hugging Face tokenizers runs it: added
 * tokens, NFC, white space, lower case, split, byte-level BPE.
 * Details: docs/MODEL.md.
 */
#ifndef CLIPC_TOKENIZER_H
#define CLIPC_TOKENIZER_H

#include "text/bpe.h"

#define CLIPC_MAX_TEXT_BYTES ((size_t)1 << 20)

typedef struct clipc_tokenizer clipc_tokenizer;

/* tokenizer_json, or vocab_json and merges_txt; tokenizer_config is optional
 * (added token flags). */
typedef struct clipc_tokenizer_files {
    clipc_tokenizer_file tokenizer_json, vocab_json, merges_txt;
    clipc_tokenizer_file tokenizer_config;
} clipc_tokenizer_files;

/* Parses and checks. Every id must be below vocab_size (the rows of the token
 * embedding). */
clipc_status clipc_tokenizer_create(clipc_tokenizer **tokenizer,
                                    const clipc_tokenizer_files *files,
                                    size_t vocab_size, clipc_error *err);

/* Writes a tokenizer as a binary vocabulary (tokenizer_tables.h), malloc'ed,
 * and reads one. Keep `data` until the tokenizer is freed; data that do not
 * begin at a multiple of 4 are copied. */
clipc_status clipc_tokenizer_write(const clipc_tokenizer *tokenizer,
                                   unsigned char **data, size_t *n,
                                   clipc_error *err);
clipc_status clipc_tokenizer_read(clipc_tokenizer **tokenizer,
                                  const unsigned char *data, size_t n,
                                  const char *name, size_t vocab_size,
                                  clipc_error *err);
void clipc_tokenizer_destroy(clipc_tokenizer *tokenizer);

/* Appends the ids of one text, start and end token included. max_ids 0: all
 * of them; else cut to max_ids, keeping the end token. flags:
 * CLIPC_TEXT_SPECIALS_PLAIN. Thread-safe. On failure `out` is as before. */
clipc_status clipc_tokenizer_encode(const clipc_tokenizer *tokenizer,
                                    clipc_text text, size_t max_ids,
                                    unsigned flags, clipc_ids *out,
                                    clipc_error *err);

#endif /* CLIPC_TOKENIZER_H */
