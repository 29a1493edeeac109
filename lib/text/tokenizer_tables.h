/* SPDX-License-Identifier: MIT
 *
 * tokenizer_tables.h - the bytes of CLIP's tokenizer in a packed file: bpe.h's
 * tables, which are used in place, and added_tokens.h's tokens. tables.h is
 * the frame of all other kinds, and of this one where a network pads.
 */
#ifndef CLIPC_VOCABULARY_H
#define CLIPC_VOCABULARY_H

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/tokenizer_kind.h"

/* ends_split: of clip_tokenizer.c. *data is malloc'ed; its size is a multiple
 * of 4 bytes. */
clipc_status clipc_vocabulary_write(unsigned char **data, size_t *n,
                                    const clipc_bpe *bpe,
                                    const clipc_added *added, bool ends_split,
                                    const clipc_truncation *truncation,
                                    clipc_error *err);

/* Checks every size, id and range, and points bpe into `data`. Align `data` to
 * 4 bytes and keep `data` as long as bpe. Added tokens are copied. name is for
 * messages. On failure bpe and the added tokens are empty. */
clipc_status clipc_vocabulary_read(clipc_bpe *bpe, clipc_added *added,
                                   bool *ends_split,
                                   clipc_truncation *truncation,
                                   const unsigned char *data, size_t n,
                                   const char *name, size_t vocab_size,
                                   clipc_error *err);

#endif /* CLIPC_VOCABULARY_H */
