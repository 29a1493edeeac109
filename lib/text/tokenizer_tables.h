/* SPDX-License-Identifier: MIT
 *
 * tokenizer_tables.h - a tokenizer as bytes, used where the bytes lie: the
 * tables of bpe.h and the added tokens of added_tokens.h, for packed files.
 */
#ifndef CLIPC_VOCABULARY_H
#define CLIPC_VOCABULARY_H

#include "text/added_tokens.h"
#include "text/bpe.h"

/* malloc'ed, a multiple of 4 bytes. */
clipc_status clipc_vocabulary_write(unsigned char **data, size_t *n,
                                    const clipc_bpe *bpe,
                                    const clipc_added *added,
                                    clipc_error *err);

/* Checks every size, id and range, and points bpe into `data`, which must
 * begin at a multiple of 4 and outlive it. Added tokens are copied. name is
 * for messages. On failure both are empty. */
clipc_status clipc_vocabulary_read(clipc_bpe *bpe, clipc_added *added,
                                   const unsigned char *data, size_t n,
                                   const char *name, size_t vocab_size,
                                   clipc_error *err);

#endif /* CLIPC_VOCABULARY_H */
