/* SPDX-License-Identifier: MIT
 *
 * bpe.h - byte-level byte pair encoding with "</w>" at the end of a word, as
 * CLIP has it: the model (vocabulary, ranked merges) and the merging.
 */
#ifndef CLIPC_BPE_H
#define CLIPC_BPE_H

#include "base/json.h"

/* One file in memory; data NULL: absent. name is for messages. */
typedef struct clipc_tokenizer_file {
    const char *data;
    size_t n;
    const char *name;
} clipc_tokenizer_file;

/* A growable list of ids; all zero is empty. Free ids with free(). */
typedef struct clipc_ids {
    int32_t *ids;
    size_t n, capacity;
} clipc_ids;

/* The pair (left, right) becomes `result`; lower ranks go first. */
typedef struct clipc_merge {
    uint32_t right, rank, result;
} clipc_merge;

/* Immutable once loaded; all zero is empty. */
typedef struct clipc_bpe {
    int32_t inner_ids[256]; /* token of a byte inside a word */
    int32_t last_ids[256];  /* token of a byte that ends a word */
    size_t n_ids;           /* one more than the largest id */
    const uint32_t *starts; /* [n_ids + 1]: merges of left id i are
                             * merges[starts[i]] .. merges[starts[i + 1] - 1],
                             * by rising right id */
    const clipc_merge *merges;
    void *memory[2]; /* holds these two; NULL: borrowed */
} clipc_bpe;

/* Where the model comes from: vocab is {"token": id}; merges is an array of
 * "left right" or ["left", "right"], or NULL and merges_txt has a line each.
 * Names are for the messages. */
typedef struct clipc_bpe_source {
    const json_t *vocab;
    const char *vocab_name;
    const json_t *merges;
    clipc_tokenizer_file merges_txt;
} clipc_bpe_source;

/* Checks that ids are distinct and below vocab_size, that all bytes have
 * their tokens, and that both parts and the result of every merge are in the
 * vocabulary. */
clipc_status clipc_bpe_load(clipc_bpe *bpe, const clipc_bpe_source *source,
                            size_t vocab_size, clipc_error *err);
void clipc_bpe_free(clipc_bpe *bpe);

/* Memory of clipc_bpe_word(), grown as needed; all zero is empty. */
typedef struct clipc_bpe_scratch {
    int32_t *symbols; /* [3, capacity]: ids, previous, next */
    uint64_t *heap;   /* [2 * capacity] */
    size_t capacity;
} clipc_bpe_scratch;

void clipc_bpe_scratch_free(clipc_bpe_scratch *scratch);

/* Appends the ids of one word of n > 0 bytes, in time n log n. False when
 * memory runs out. */
bool clipc_bpe_word(const clipc_bpe *bpe, const char *word, size_t n,
                    clipc_bpe_scratch *scratch, clipc_ids *out);

/* Appends one id; false when memory runs out. */
bool clipc_ids_push(clipc_ids *ids, int32_t id);

#endif /* CLIPC_BPE_H */
