/* SPDX-License-Identifier: MIT
 *
 * trie.h - a fixed set of byte strings, to find those that a text begins with.
 *
 * Nodes are numbered level by level from the root, node 0; the children of a
 * node are neighbours and rise by their byte. The tables may lie in a mapped
 * file.
 */
#ifndef CLIPC_TRIE_H
#define CLIPC_TRIE_H

#include "base/base.h"

#define CLIPC_TRIE_NONE (-1)

typedef struct clipc_trie {
    size_t n_nodes; /* at least 1: the root */
    /* [n_nodes + 1]: the children of node i are first_child[i] ..
     * first_child[i + 1] - 1 */
    const uint32_t *first_child;
    const int32_t *values; /* [n_nodes]: CLIPC_TRIE_NONE: no string ends */
    const uint8_t *labels; /* [n_nodes]: the byte that leads to the node */
    void *memory;          /* holds the tables; NULL: they are borrowed */
} clipc_trie;

typedef struct clipc_trie_key {
    const char *text;
    size_t n;
    int32_t value; /* from 0 */
} clipc_trie_key;

/* Puts keys in the order that clipc_trie_build() wants; equal strings become
 * neighbours, the one of the smaller value first. */
void clipc_trie_sort(clipc_trie_key *keys, size_t n);

/* Builds the trie of n sorted keys, which differ and are not empty. The keys
 * may be freed afterwards. False when memory runs out; the trie is then
 * empty. */
bool clipc_trie_build(clipc_trie *trie, const clipc_trie_key *keys, size_t n);
void clipc_trie_free(clipc_trie *trie);

/* Whether borrowed tables are a trie whose values are below n_values, and whose
 * strings have at most max_bytes. lengths, [n_values], NULL or written: bytes
 * of the string of each value, 0 where no string has it; the values must
 * differ. */
bool clipc_trie_check(const clipc_trie *trie, size_t n_values,
                      size_t max_bytes, uint16_t *lengths);

/* The child of the node at this byte; 0: there is none. */
uint32_t clipc_trie_child(const clipc_trie *trie, uint32_t node, uint8_t byte);

/* The value of exactly this string, or CLIPC_TRIE_NONE. */
int32_t clipc_trie_find(const clipc_trie *trie, const char *text, size_t n);

#endif /* CLIPC_TRIE_H */
