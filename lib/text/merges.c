/* SPDX-License-Identifier: MIT
 *
 * merges.c - byte pair encoding, whatever a symbol stands for.
 *
 * Replace the neighbouring pair of the lowest rank in the list of merges, the
 * leftmost of equals, by its result; repeat until no pair is in the list. A
 * heap of (rank, position) over a linked list takes n log n steps.
 */
#include "text/merges.h"

#include <stdlib.h>
#include <string.h>

/* ---- loading ----------------------------------------------------------- */

typedef struct loaded_merge {
    uint32_t left;
    clipc_merge merge;
} loaded_merge;

typedef struct loader {
    const clipc_token_map *tokens;
    const char *name; /* of the file, for messages */
    size_t n, capacity;
    loaded_merge *merges;
} loader;

static clipc_status fail_merge(const loader *ld, const char *what,
                               clipc_text token, clipc_error *err)
{
    clipc_quoted quoted = clipc_quote(token.data ? token.data : "",
                                      token.len < 60 ? token.len : 60);
    return clipc_fail(err, CLIPC_ERR_FORMAT, -1, "%s: merge %zu: %s \"%s\"",
                      CLIPC_QUOTE(ld->name), ld->n, what, quoted.text);
}

static clipc_status find_token(const loader *ld, clipc_text token, int32_t *id,
                               clipc_error *err)
{
    *id = clipc_token_map_find(ld->tokens, token.data, token.len);
    return *id < 0 ? fail_merge(ld, "unknown token", token, err) : CLIPC_OK;
}

/* Adds the next merge. Call in order of rank. */
static clipc_status add_merge(loader *ld, clipc_text left, clipc_text right,
                              clipc_error *err)
{
    int32_t left_id, right_id, result;

    CLIPC_TRY(find_token(ld, left, &left_id, err));
    CLIPC_TRY(find_token(ld, right, &right_id, err));
    result = clipc_token_map_find_joined(ld->tokens, left, right);
    if (result < 0)
        return fail_merge(ld, "the result is no token, first part", left, err);
    if (ld->n == ld->capacity) {
        size_t capacity = ld->capacity ? ld->capacity * 2 : 1024;
        loaded_merge *merges = clipc_realloc(ld->merges, capacity,
                                             sizeof *merges);
        if (!merges)
            return clipc_fail_nomem(err, "merges");
        ld->merges = merges;
        ld->capacity = capacity;
    }
    ld->merges[ld->n] = (loaded_merge){
        .left = (uint32_t)left_id,
        .merge = { .right = (uint32_t)right_id,
                   .rank = (uint32_t)ld->n,
                   .result = (uint32_t)result },
    };
    ld->n++;
    return CLIPC_OK;
}

/* Adds the merge "left right": two parts, one space. */
static clipc_status add_line(loader *ld, clipc_text line, clipc_error *err)
{
    const char *space = line.len ? memchr(line.data, ' ', line.len) : NULL;
    const size_t n_left = space ? (size_t)(space - line.data) : 0;

    if (!space || memchr(space + 1, ' ', line.len - n_left - 1))
        return fail_merge(ld,
                          "not two tokens with a space between them:", line,
                          err);
    return add_merge(ld, (clipc_text){ line.data, n_left },
                     (clipc_text){ space + 1, line.len - n_left - 1 }, err);
}

/* A token of a pair, as the vocabulary's own copy: the next string may take
 * the place of this one. */
static clipc_status read_part(const loader *ld, clipc_json_cursor *cursor,
                              bool first, clipc_text *part, clipc_error *err)
{
    bool more;

    CLIPC_TRY(clipc_cursor_more(cursor, ']', first, &more, err));
    if (!more || clipc_cursor_peek(cursor) != '"')
        return fail_merge(ld, "not two tokens", (clipc_text){ 0 }, err);
    CLIPC_TRY(clipc_cursor_string(cursor, part, err));
    const clipc_token *token = clipc_token_map_get(ld->tokens, *part);
    if (!token)
        return fail_merge(ld, "unknown token", *part, err);
    *part = (clipc_text){ ld->tokens->bytes + token->begin, token->n };
    return CLIPC_OK;
}

static clipc_status add_item(loader *ld, clipc_json_cursor *cursor,
                             clipc_error *err)
{
    clipc_text left, right;
    bool more;

    if (clipc_cursor_peek(cursor) == '"') {
        CLIPC_TRY(clipc_cursor_string(cursor, &left, err));
        return add_line(ld, left, err);
    }
    if (clipc_cursor_peek(cursor) != '[')
        return fail_merge(ld, "not two tokens", (clipc_text){ 0 }, err);
    clipc_cursor_enter(cursor);
    CLIPC_TRY(read_part(ld, cursor, true, &left, err));
    CLIPC_TRY(read_part(ld, cursor, false, &right, err));
    CLIPC_TRY(clipc_cursor_more(cursor, ']', false, &more, err));
    if (more)
        return fail_merge(ld, "not two tokens", (clipc_text){ 0 }, err);
    return add_merge(ld, left, right, err);
}

static clipc_status add_json(loader *ld, clipc_json_cursor *cursor,
                             clipc_error *err)
{
    clipc_cursor_enter(cursor);
    for (bool first = true;; first = false) {
        bool more;
        CLIPC_TRY(clipc_cursor_more(cursor, ']', first, &more, err));
        if (!more)
            return CLIPC_OK;
        CLIPC_TRY(add_item(ld, cursor, err));
    }
}

static clipc_status add_text(loader *ld, const clipc_tokenizer_file *file,
                             clipc_error *err)
{
    static const char version[] = "#version";

    for (size_t at = 0; at < file->n;) {
        const char *line = file->data + at;
        const char *end = memchr(line, '\n', file->n - at);
        size_t n = end ? (size_t)(end - line) : file->n - at;
        at += n + (end != NULL);
        if (n > 0 && end && line[n - 1] == '\r')
            n--;
        if (n >= sizeof version - 1 &&
            memcmp(line, version, sizeof version - 1) == 0)
            continue;
        CLIPC_TRY(add_line(ld, (clipc_text){ line, n }, err));
    }
    return CLIPC_OK;
}

/* ---- the table --------------------------------------------------------- */

/* Stable counting sort from `in` to `out` by right or left id. Afterwards
 * starts [n_ids + 1] holds the first index of each id. */
static void sort_merges(const loaded_merge *in, loaded_merge *out, size_t n,
                        bool by_left, uint32_t *starts, size_t n_ids)
{
    memset(starts, 0, (n_ids + 1) * sizeof *starts);
    for (size_t i = 0; i < n; i++)
        starts[(by_left ? in[i].left : in[i].merge.right) + 1]++;
    for (size_t id = 0; id < n_ids; id++)
        starts[id + 1] += starts[id];
    for (size_t i = 0; i < n; i++)
        out[starts[by_left ? in[i].left : in[i].merge.right]++] = in[i];
    /* Each entry has moved to the start of the next one. */
    memmove(starts + 1, starts, n_ids * sizeof *starts);
    starts[0] = 0;
}

static clipc_status build_table(clipc_merges *merges, loader *ld,
                                clipc_error *err)
{
    const size_t n_ids = ld->tokens->n_ids;
    loaded_merge *sorted = clipc_alloc(ld->n, sizeof *sorted);
    uint32_t *starts = clipc_alloc(n_ids + 1, sizeof *starts);
    clipc_merge *table = clipc_alloc(ld->n, sizeof *table);

    merges->n_ids = n_ids;
    merges->starts = merges->memory[0] = starts;
    merges->table = merges->memory[1] = table;
    if (!sorted || !starts || !table) {
        free(sorted);
        return clipc_fail_nomem(err, "merges");
    }
    sort_merges(ld->merges, sorted, ld->n, false, starts, n_ids);
    sort_merges(sorted, ld->merges, ld->n, true, starts, n_ids);
    free(sorted);
    for (size_t i = 0; i < ld->n; i++) {
        const loaded_merge *merge = &ld->merges[i];
        if (i > 0 && merge[-1].left == merge->left &&
            merge[-1].merge.right == merge->merge.right)
            return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                              "%s: merges %u and %u are the same",
                              CLIPC_QUOTE(ld->name), merge[-1].merge.rank,
                              merge->merge.rank);
        table[i] = merge->merge;
    }
    return CLIPC_OK;
}

static clipc_status finish(clipc_merges *merges, loader *ld,
                           clipc_status status, clipc_error *err)
{
    *merges = (clipc_merges){ 0 };
    if (status == CLIPC_OK)
        status = build_table(merges, ld, err);
    free(ld->merges);
    if (status != CLIPC_OK)
        clipc_merges_free(merges);
    return status;
}

clipc_status clipc_merges_load_json(clipc_merges *merges,
                                    const clipc_token_map *tokens,
                                    clipc_json_cursor *cursor,
                                    clipc_error *err)
{
    loader ld = { .tokens = tokens, .name = cursor->name };
    return finish(merges, &ld, add_json(&ld, cursor, err), err);
}

clipc_status clipc_merges_load_text(clipc_merges *merges,
                                    const clipc_token_map *tokens,
                                    const clipc_tokenizer_file *file,
                                    clipc_error *err)
{
    loader ld = { .tokens = tokens, .name = file->name };
    return finish(merges, &ld, add_text(&ld, file, err), err);
}

const char *clipc_merges_borrow(clipc_merges *merges, const uint32_t *starts,
                                size_t n_ids, const clipc_merge *table,
                                size_t n)
{
    *merges = (clipc_merges){ 0 };
    if (starts[0] != 0 || starts[n_ids] != n)
        return "its merges are not all in the table";
    for (size_t id = 0; id < n_ids; id++)
        if (starts[id] > starts[id + 1] || starts[id + 1] > n)
            return "its table of merges does not rise";
    for (size_t id = 0; id < n_ids; id++)
        for (size_t i = starts[id]; i < starts[id + 1]; i++)
            if (table[i].right >= n_ids || table[i].result >= n_ids ||
                table[i].rank >= n ||
                (i > starts[id] && table[i - 1].right >= table[i].right))
                return "a merge's ids are out of range or order";
    merges->n_ids = n_ids;
    merges->starts = starts;
    merges->table = table;
    return NULL;
}

void clipc_merges_free(clipc_merges *merges)
{
    free(merges->memory[0]);
    free(merges->memory[1]);
    *merges = (clipc_merges){ 0 };
}

/* ---- merging ----------------------------------------------------------- */

static const clipc_merge *find_merge(const clipc_merges *merges, int32_t left,
                                     int32_t right)
{
    size_t low = merges->starts[left], end = merges->starts[left + 1];
    size_t high = end;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (merges->table[middle].right < (uint32_t)right)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && merges->table[low].right == (uint32_t)right
               ? &merges->table[low]
               : NULL;
}

static void sift_down(uint64_t *heap, size_t n, size_t at)
{
    uint64_t moving = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= moving)
            break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

static void heap_push(uint64_t *heap, size_t *n, uint64_t item)
{
    size_t at = (*n)++;
    for (; at > 0 && heap[(at - 1) / 2] > item; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = item;
}

void clipc_merge_scratch_free(clipc_merge_scratch *scratch)
{
    free(scratch->symbols);
    free(scratch->heap);
    *scratch = (clipc_merge_scratch){ 0 };
}

int32_t *clipc_merge_symbols(clipc_merge_scratch *scratch, size_t n)
{
    size_t capacity = scratch->capacity ? scratch->capacity : 64;

    if (n > INT32_MAX / 2)
        return NULL;
    if (n <= scratch->capacity)
        return scratch->symbols;
    while (capacity < n)
        capacity *= 2;
    clipc_merge_scratch_free(scratch);
    scratch->symbols = clipc_alloc(capacity, 3 * sizeof *scratch->symbols);
    scratch->heap = clipc_alloc(capacity, 2 * sizeof *scratch->heap);
    if (!scratch->symbols || !scratch->heap) {
        clipc_merge_scratch_free(scratch);
        return NULL;
    }
    scratch->capacity = capacity;
    return scratch->symbols;
}

bool clipc_merges_apply(const clipc_merges *merges,
                        clipc_merge_scratch *scratch, size_t n, clipc_ids *out)
{
    int32_t *ids = scratch->symbols;
    int32_t *previous = ids + scratch->capacity;
    int32_t *next = previous + scratch->capacity;
    uint64_t *heap = scratch->heap; /* rank << 32 | left position */
    size_t n_heap = 0;

    for (size_t i = 0; i < n; i++) {
        previous[i] = (int32_t)i - 1;
        next[i] = i + 1 < n ? (int32_t)i + 1 : -1;
    }
    for (size_t i = 0; i + 1 < n; i++) {
        const clipc_merge *merge = find_merge(merges, ids[i], ids[i + 1]);
        if (merge)
            heap[n_heap++] = (uint64_t)merge->rank << 32 | i;
    }
    for (size_t i = n_heap / 2; i-- > 0;)
        sift_down(heap, n_heap, i);

    /* Each merge removes one entry and adds at most two; fewer than n merges
     * happen: 2 n entries are enough. */
    while (n_heap > 0) {
        uint64_t top = heap[0];
        heap[0] = heap[--n_heap];
        if (n_heap > 0)
            sift_down(heap, n_heap, 0);

        int32_t left = (int32_t)(top & UINT32_MAX);
        int32_t right = ids[left] < 0 ? -1 : next[left];
        if (right < 0)
            continue; /* `left` was merged away, or is the last symbol */
        const clipc_merge *merge = find_merge(merges, ids[left], ids[right]);
        if (!merge || merge->rank != top >> 32)
            continue; /* a symbol of the pair has grown since */

        ids[left] = (int32_t)merge->result;
        ids[right] = -1;
        next[left] = next[right];
        if (next[left] >= 0) {
            previous[next[left]] = left;
            merge = find_merge(merges, ids[left], ids[next[left]]);
            if (merge)
                heap_push(heap, &n_heap,
                          (uint64_t)merge->rank << 32 | (uint32_t)left);
        }
        if (previous[left] >= 0) {
            merge = find_merge(merges, ids[previous[left]], ids[left]);
            if (merge)
                heap_push(heap, &n_heap,
                          (uint64_t)merge->rank << 32 |
                              (uint32_t)previous[left]);
        }
    }
    for (int32_t i = n > 0 ? 0 : -1; i >= 0; i = next[i])
        if (!clipc_ids_push(out, ids[i]))
            return false;
    return true;
}
