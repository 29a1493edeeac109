/* SPDX-License-Identifier: MIT
 *
 * tokenizer.h - from a text to token ids, as transformers' tokenizer of the
 * same files does it. The files say which kind of tokenizer they are
 * (tokenizer_kind.h). Details: docs/MODEL.md.
 */
#ifndef CLIPC_TOKENIZER_H
#define CLIPC_TOKENIZER_H

#include "text/ids.h"
#include "text/tokenizer_files.h"

#define CLIPC_MAX_TEXT_BYTES ((size_t)1 << 20)

typedef struct clipc_tokenizer clipc_tokenizer;

/* Parses and checks. Every id must be below vocab_size (the rows of the token
 * embedding). */
clipc_status clipc_tokenizer_create(clipc_tokenizer **tokenizer,
                                    const clipc_tokenizer_files *files,
                                    size_t vocab_size, clipc_error *err);

/* Writes a tokenizer as a binary vocabulary (tables.h, tokenizer_tables.h),
 * malloc'ed, and reads one. padded: the network pads its texts; without that,
 * padding is not kept where the kind is CLIP's. Keep `data` until the
 * tokenizer is freed; data that do not begin at a multiple of 8 are copied. */
clipc_status clipc_tokenizer_write(const clipc_tokenizer *tokenizer,
                                   bool padded, unsigned char **data,
                                   size_t *n, clipc_error *err);
clipc_status clipc_tokenizer_read(clipc_tokenizer **tokenizer,
                                  const unsigned char *data, size_t n,
                                  const char *name, size_t vocab_size,
                                  clipc_error *err);
void clipc_tokenizer_destroy(clipc_tokenizer *tokenizer);

/* What is done to each text first: CLIPC_CLEAN_... of clean.h. Before the
 * tokenizer is used by several threads. */
void clipc_tokenizer_set_cleaning(clipc_tokenizer *tokenizer, unsigned steps);

/* The most ids that the network reads: a bound of the tokenizer's own that is
 * not below is forgotten. Before the tokenizer is used by several threads. */
void clipc_tokenizer_set_context(clipc_tokenizer *tokenizer,
                                 size_t context_length);

/* To how many ids a text is padded for a network that reads context_length:
 * as many, or the bound of the tokenizer's own. */
size_t clipc_tokenizer_padded(const clipc_tokenizer *tokenizer,
                              size_t context_length);

/* Appends the ids of one text, start and end token included. max_ids 0: all
 * of them; else cut to max_ids or to the bound of the tokenizer's own, on the
 * side that the tokenizer's files say, keeping both tokens. flags:
 * CLIPC_TEXT_SPECIALS_PLAIN. Thread-safe. On failure `out` is as before. */
clipc_status clipc_tokenizer_encode(const clipc_tokenizer *tokenizer,
                                    clipc_text text, size_t max_ids,
                                    unsigned flags, clipc_ids *out,
                                    clipc_error *err);

/* Fills the ids from out->ids[begin] on up to n_rows ids with the tokenizer's
 * padding, on the side where the tokenizer has it. More ids stay as they are.
 * CLIPC_ERR_CONFIG: the tokenizer has no padding token. */
clipc_status clipc_tokenizer_pad(const clipc_tokenizer *tokenizer,
                                 clipc_ids *out, size_t begin, size_t n_rows,
                                 clipc_error *err);

#endif /* CLIPC_TOKENIZER_H */
