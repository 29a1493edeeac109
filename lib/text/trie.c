/* SPDX-License-Identifier: MIT
 *
 * trie.c - see trie.h.
 */
#include "text/trie.h"

#include <stdlib.h>
#include <string.h>

/* ---- building ---------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    const clipc_trie_key *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = n ? memcmp(x->text, y->text, n) : 0;

    if (order)
        return order;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

void clipc_trie_sort(clipc_trie_key *keys, size_t n)
{
    if (n > 0)
        qsort(keys, n, sizeof *keys, by_text);
}

/* One node for the root and one for each prefix that no key before has. */
static size_t count_nodes(const clipc_trie_key *keys, size_t n)
{
    size_t nodes = 1;

    for (size_t i = 0; i < n; i++) {
        size_t common = 0;
        while (i > 0 && common < keys[i].n && common < keys[i - 1].n &&
               keys[i].text[common] == keys[i - 1].text[common])
            common++;
        nodes += keys[i].n - common;
    }
    return nodes;
}

/* The keys [first, end) that begin with a node's string. */
typedef struct span {
    uint32_t first, end;
} span;

/* Fills the tables level by level; the nodes themselves are the queue. */
static void fill(const clipc_trie_key *keys, size_t n_keys, span *spans,
                 uint32_t *first_child, int32_t *values, uint8_t *labels)
{
    size_t n = 1, level_end = 1, depth = 0;

    spans[0] = (span){ 0, (uint32_t)n_keys };
    labels[0] = 0;
    for (size_t node = 0; node < n; node++) {
        if (node == level_end) {
            level_end = n;
            depth++;
        }
        span keys_here = spans[node];
        values[node] = CLIPC_TRIE_NONE;
        if (keys_here.first < keys_here.end &&
            keys[keys_here.first].n == depth)
            values[node] = keys[keys_here.first++].value;
        first_child[node] = (uint32_t)n;
        for (uint32_t i = keys_here.first; i < keys_here.end; n++) {
            labels[n] = (uint8_t)keys[i].text[depth];
            spans[n].first = i;
            while (i < keys_here.end &&
                   (uint8_t)keys[i].text[depth] == labels[n])
                i++;
            spans[n].end = i;
        }
    }
    first_child[n] = (uint32_t)n;
}

bool clipc_trie_build(clipc_trie *trie, const clipc_trie_key *keys, size_t n)
{
    const size_t nodes = count_nodes(keys, n);
    span *spans = NULL;
    unsigned char *memory = NULL;

    *trie = (clipc_trie){ 0 };
    if (nodes < UINT32_MAX && n < UINT32_MAX) {
        spans = clipc_alloc(nodes, sizeof *spans);
        memory = clipc_alloc(nodes + 1, 9);
    }
    if (!spans || !memory) {
        free(spans);
        free(memory);
        return false;
    }
    uint32_t *first_child = (void *)memory;
    int32_t *values = (void *)(memory + 4 * (nodes + 1));
    uint8_t *labels = memory + 8 * (nodes + 1);
    fill(keys, n, spans, first_child, values, labels);
    free(spans);
    *trie = (clipc_trie){ .n_nodes = nodes,
                          .first_child = first_child,
                          .values = values,
                          .labels = labels,
                          .memory = memory };
    return true;
}

void clipc_trie_free(clipc_trie *trie)
{
    free(trie->memory);
    *trie = (clipc_trie){ 0 };
}

/* ---- checking ---------------------------------------------------------- */

bool clipc_trie_check(const clipc_trie *trie, size_t n_values,
                      size_t max_bytes, uint16_t *lengths)
{
    const uint32_t *first = trie->first_child;
    size_t depth = 0, level_end = 1;

    if (lengths)
        memset(lengths, 0, n_values * sizeof *lengths);
    if (trie->n_nodes == 0 || first[0] != 1 || trie->values[0] >= 0)
        return false;
    for (size_t node = 0; node < trie->n_nodes; node++) {
        const int32_t value = trie->values[node];
        if (node == level_end) {
            level_end = first[node]; /* the first node of the level below */
            depth++;
        }
        /* Children come after their parent, and after the children of the
         * nodes before. */
        if (first[node + 1] < first[node] || first[node + 1] > trie->n_nodes ||
            first[node] <= node || depth > max_bytes)
            return false;
        for (size_t i = first[node] + 1; i < first[node + 1]; i++)
            if (trie->labels[i - 1] >= trie->labels[i])
                return false;
        if (value == CLIPC_TRIE_NONE)
            continue;
        if (value < 0 || (size_t)value >= n_values ||
            (lengths && lengths[value]))
            return false;
        if (lengths)
            lengths[value] = (uint16_t)depth;
    }
    return first[trie->n_nodes] == trie->n_nodes;
}

/* ---- finding ----------------------------------------------------------- */

uint32_t clipc_trie_child(const clipc_trie *trie, uint32_t node, uint8_t byte)
{
    size_t low = trie->first_child[node], high = trie->first_child[node + 1];

    while (high - low > 8) {
        size_t middle = (low + high) / 2;
        if (trie->labels[middle] <= byte)
            low = middle;
        else
            high = middle;
    }
    for (; low < high && trie->labels[low] <= byte; low++)
        if (trie->labels[low] == byte)
            return (uint32_t)low;
    return 0;
}

int32_t clipc_trie_find(const clipc_trie *trie, const char *text, size_t n)
{
    uint32_t node = 0;

    if (trie->n_nodes == 0)
        return CLIPC_TRIE_NONE;
    for (size_t i = 0; i < n; i++) {
        node = clipc_trie_child(trie, node, (uint8_t)text[i]);
        if (node == 0)
            return CLIPC_TRIE_NONE;
    }
    return trie->values[node];
}
