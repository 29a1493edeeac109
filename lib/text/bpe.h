/* SPDX-License-Identifier: MIT
 *
 * bpe.h - byte-level byte pair encoding with "</w>" at the end of a word, as
 * CLIP has it: the tokens of the bytes, and the ranked merges.
 */
#ifndef CLIPC_BPE_H
#define CLIPC_BPE_H

#include "text/merges.h"

/* Immutable once loaded; all zero is empty. */
typedef struct clipc_bpe {
    int32_t inner_ids[256]; /* token of a byte inside a word */
    int32_t last_ids[256];  /* token of a byte that ends a word */
    clipc_merges merges;
} clipc_bpe;

/* Finds the tokens of all bytes in the vocabulary. name: of the vocabulary's
 * file, for messages. */
clipc_status clipc_bpe_find_bytes(clipc_bpe *bpe,
                                  const clipc_token_map *tokens,
                                  const char *name, clipc_error *err);

/* Appends the ids of one word of n > 0 bytes, in time n log n. False when
 * memory runs out. */
bool clipc_bpe_word(const clipc_bpe *bpe, const char *word, size_t n,
                    clipc_merge_scratch *scratch, clipc_ids *out);

#endif /* CLIPC_BPE_H */
