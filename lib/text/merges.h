/* SPDX-License-Identifier: MIT
 *
 * merges.h - the ranked merges of byte pair encoding, and the merging of one
 * row of symbols.
 */
#ifndef CLIPC_MERGES_H
#define CLIPC_MERGES_H

#include "text/ids.h"
#include "text/token_map.h"
#include "text/tokenizer_files.h"

/* The pair (left, right) becomes `result`; lower ranks go first. */
typedef struct clipc_merge {
    uint32_t right, rank, result;
} clipc_merge;

/* Immutable once loaded; all zero is empty. */
typedef struct clipc_merges {
    size_t n_ids;           /* one more than the largest id */
    const uint32_t *starts; /* [n_ids + 1]: merges of left id i are
                             * table[starts[i]] .. table[starts[i + 1] - 1],
                             * by rising right id */
    const clipc_merge *table;
    void *memory[2]; /* holds these two; NULL: borrowed */
} clipc_merges;

/* Reads the array at the cursor, of "left right" or ["left", "right"], or the
 * lines of merges.txt, in order of rank. Both parts and the result of every
 * merge are in the vocabulary. */
clipc_status clipc_merges_load_json(clipc_merges *merges,
                                    const clipc_token_map *tokens,
                                    clipc_json_cursor *cursor,
                                    clipc_error *err);
clipc_status clipc_merges_load_text(clipc_merges *merges,
                                    const clipc_token_map *tokens,
                                    const clipc_tokenizer_file *file,
                                    clipc_error *err);

/* Points merges into tables that somebody else keeps: starts [n_ids + 1],
 * table [n]. What is wrong with the tables, or NULL. */
const char *clipc_merges_borrow(clipc_merges *merges, const uint32_t *starts,
                                size_t n_ids, const clipc_merge *table,
                                size_t n);
void clipc_merges_free(clipc_merges *merges);

/* Memory of merging, grown as needed; all zero is empty. */
typedef struct clipc_merge_scratch {
    int32_t *symbols; /* [3, capacity]: ids, previous, next */
    uint64_t *heap;   /* [2 * capacity] */
    size_t capacity;
} clipc_merge_scratch;

void clipc_merge_scratch_free(clipc_merge_scratch *scratch);

/* Room for the ids of n symbols, to be filled; NULL when memory runs out. */
int32_t *clipc_merge_symbols(clipc_merge_scratch *scratch, size_t n);

/* Merges the first n symbols and appends what is left, in time n log n. False
 * when memory runs out. */
bool clipc_merges_apply(const clipc_merges *merges,
                        clipc_merge_scratch *scratch, size_t n,
                        clipc_ids *out);

#endif /* CLIPC_MERGES_H */
