/* SPDX-License-Identifier: MIT
 *
 * bpe.c - byte pair encoding.
 *
 * A word is a row of symbols, at first one symbol per byte. Replace the
 * neighbouring pair of the lowest rank in the list of merges, the leftmost of
 * equals, by its result; repeat until no pair is in the list. A heap of (rank,
 * position) over a linked list takes n log n steps.
 *
 * Tokens are written with one character per byte: bytes 0x21-7E, A1-AC and
 * AE-FF as themselves, the other 68 bytes in rising order as U+0100, U+0101,
 * ... (the byte-level alphabet of GPT-2).
 */
#include "text/bpe.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define END_OF_WORD "</w>"

/* ---- loading: vocabulary ----------------------------------------------- */

typedef struct loader {
    const clipc_bpe_source *source;
    const char *merges_name;
    size_t longest_token;
    char *joined; /* [longest_token]: room for a merge's result */
    size_t n, capacity;
    struct loaded_merge *merges;
} loader;

typedef struct loaded_merge {
    uint32_t left;
    clipc_merge merge;
} loaded_merge;

/* Returns a token's id; -1: the token is not in the vocabulary. */
static int32_t find_token(const loader *ld, const char *token, size_t n)
{
    const json_t *id = json_object_getn(ld->source->vocab, token, n);
    return id ? (int32_t)json_integer_value(id) : -1;
}

static clipc_status check_vocab(clipc_bpe *bpe, loader *ld, size_t vocab_size,
                                clipc_error *err)
{
    const char *name = ld->source->vocab_name, *token;
    unsigned char *seen = clipc_alloc_zero(vocab_size, 1);
    size_t n;
    json_t *value, *vocab;

    if (!seen)
        return clipc_fail_nomem(err, "vocabulary");
    /* jansson's iteration macro needs a pointer without const. */
    memcpy(&vocab, &ld->source->vocab, sizeof vocab);
    json_object_keylen_foreach(vocab, token, n, value)
    {
        json_int_t id = json_is_integer(value) ? json_integer_value(value)
                                               : -1;
        const char *what = NULL;
        if (n == 0)
            what = "is empty";
        else if (!json_is_integer(value) || id < 0)
            what = "has no id (an integer from 0)";
        else if ((uint64_t)id >= vocab_size)
            what = "has an id past the token embedding";
        else if (seen[id])
            what = "has the same id as another";
        if (what) {
            clipc_quoted quoted = clipc_quote(token, n < 40 ? n : 40);
            clipc_status code = n != 0 && (uint64_t)id >= vocab_size && id >= 0
                                    ? CLIPC_ERR_CONFIG
                                    : CLIPC_ERR_FORMAT;
            free(seen);
            return clipc_fail(err, code, -1,
                              "%s: token \"%s\" %s (id %lld, %zu rows)",
                              CLIPC_QUOTE(name), quoted.text, what,
                              (long long)id, vocab_size);
        }
        seen[id] = 1;
        if ((size_t)id >= bpe->n_ids)
            bpe->n_ids = (size_t)id + 1;
        if (n > ld->longest_token)
            ld->longest_token = n;
    }
    free(seen);
    return CLIPC_OK;
}

static bool stands_for_itself(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) ||
           byte >= 0xAE;
}

static clipc_status find_bytes(clipc_bpe *bpe, const loader *ld,
                               clipc_error *err)
{
    uint32_t code = 0x100;

    for (unsigned byte = 0; byte < 256; byte++) {
        char token[8];
        uint32_t shown = stands_for_itself(byte) ? byte : code++;
        size_t n = clipc_utf8_encode(shown, token);
        bpe->inner_ids[byte] = find_token(ld, token, n);
        memcpy(token + n, END_OF_WORD, 4);
        bpe->last_ids[byte] = find_token(ld, token, n + 4);
        if (bpe->inner_ids[byte] < 0 || bpe->last_ids[byte] < 0)
            return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                              "%s: no token%s for the byte 0x%02X: this is "
                              "not a byte-level vocabulary of CLIP's kind",
                              CLIPC_QUOTE(ld->source->vocab_name),
                              bpe->inner_ids[byte] < 0 ? ""
                                                       : " with " END_OF_WORD,
                              byte);
    }
    return CLIPC_OK;
}

/* ---- loading: merges --------------------------------------------------- */

static clipc_status fail_merge(const loader *ld, const char *what,
                               const char *token, size_t n, clipc_error *err)
{
    clipc_quoted quoted = clipc_quote(token, n < 60 ? n : 60);
    return clipc_fail(err, CLIPC_ERR_FORMAT, -1, "%s: merge %zu: %s \"%s\"",
                      CLIPC_QUOTE(ld->merges_name), ld->n, what, quoted.text);
}

/* Adds the next merge. Call in order of rank. */
static clipc_status add_merge(loader *ld, const char *left, size_t n_left,
                              const char *right, size_t n_right,
                              clipc_error *err)
{
    int32_t left_id = find_token(ld, left, n_left);
    int32_t right_id = find_token(ld, right, n_right);
    int32_t result = -1;

    if (left_id < 0)
        return fail_merge(ld, "unknown token", left, n_left, err);
    if (right_id < 0)
        return fail_merge(ld, "unknown token", right, n_right, err);
    /* Both parts are tokens, so the sum cannot overflow. */
    if (n_left + n_right <= ld->longest_token) {
        memcpy(ld->joined, left, n_left);
        memcpy(ld->joined + n_left, right, n_right);
        result = find_token(ld, ld->joined, n_left + n_right);
    }
    if (result < 0)
        return fail_merge(ld, "the result is no token, first part", left,
                          n_left, err);
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
static clipc_status add_merge_line(loader *ld, const char *line, size_t n,
                                   clipc_error *err)
{
    const char *space = n ? memchr(line, ' ', n) : NULL;
    size_t n_left = space ? (size_t)(space - line) : 0;

    if (!space || memchr(space + 1, ' ', n - n_left - 1))
        return fail_merge(ld,
                          "not two tokens with a space between them:", line, n,
                          err);
    return add_merge(ld, line, n_left, space + 1, n - n_left - 1, err);
}

static clipc_status add_merges_json(loader *ld, clipc_error *err)
{
    const json_t *array = ld->source->merges;
    size_t n = json_array_size(array);

    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(array, i);
        const json_t *left = json_array_get(item, 0);
        const json_t *right = json_array_get(item, 1);
        if (json_is_string(item))
            CLIPC_TRY(add_merge_line(ld, json_string_value(item),
                                     json_string_length(item), err));
        else if (json_array_size(item) == 2 && json_is_string(left) &&
                 json_is_string(right))
            CLIPC_TRY(add_merge(ld, json_string_value(left),
                                json_string_length(left),
                                json_string_value(right),
                                json_string_length(right), err));
        else
            return fail_merge(ld, "not two tokens", "", 0, err);
    }
    return CLIPC_OK;
}

static clipc_status add_merges_text(loader *ld, clipc_error *err)
{
    static const char version[] = "#version";
    const clipc_tokenizer_file *file = &ld->source->merges_txt;

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
        CLIPC_TRY(add_merge_line(ld, line, n, err));
    }
    return CLIPC_OK;
}

/* ---- loading: the table ------------------------------------------------ */

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

static clipc_status build_table(clipc_bpe *bpe, loader *ld, clipc_error *err)
{
    loaded_merge *sorted = clipc_alloc(ld->n, sizeof *sorted);
    uint32_t *starts = clipc_alloc(bpe->n_ids + 1, sizeof *starts);
    clipc_merge *merges = clipc_alloc(ld->n, sizeof *merges);
    bpe->starts = bpe->memory[0] = starts;
    bpe->merges = bpe->memory[1] = merges;
    if (!sorted || !starts || !merges) {
        free(sorted);
        return clipc_fail_nomem(err, "merges");
    }
    sort_merges(ld->merges, sorted, ld->n, false, starts, bpe->n_ids);
    sort_merges(sorted, ld->merges, ld->n, true, starts, bpe->n_ids);
    free(sorted);
    for (size_t i = 0; i < ld->n; i++) {
        const loaded_merge *merge = &ld->merges[i];
        if (i > 0 && merge[-1].left == merge->left &&
            merge[-1].merge.right == merge->merge.right)
            return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                              "%s: merges %u and %u are the same",
                              CLIPC_QUOTE(ld->merges_name),
                              merge[-1].merge.rank, merge->merge.rank);
        merges[i] = merge->merge;
    }
    return CLIPC_OK;
}

clipc_status clipc_bpe_load(clipc_bpe *bpe, const clipc_bpe_source *source,
                            size_t vocab_size, clipc_error *err)
{
    loader ld = { .source = source };
    clipc_status status;

    *bpe = (clipc_bpe){ 0 };
    ld.merges_name = source->merges ? source->vocab_name
                                    : source->merges_txt.name;
    CLIPC_TRY_GOTO(status, done, check_vocab(bpe, &ld, vocab_size, err));
    CLIPC_TRY_GOTO(status, done, find_bytes(bpe, &ld, err));
    ld.joined = clipc_alloc(ld.longest_token, 1);
    if (!ld.joined) {
        status = clipc_fail_nomem(err, "vocabulary");
        goto done;
    }
    CLIPC_TRY_GOTO(status, done,
                   source->merges ? add_merges_json(&ld, err)
                                  : add_merges_text(&ld, err));
    status = build_table(bpe, &ld, err);

done:
    free(ld.joined);
    free(ld.merges);
    if (status != CLIPC_OK)
        clipc_bpe_free(bpe);
    return status;
}

void clipc_bpe_free(clipc_bpe *bpe)
{
    free(bpe->memory[0]);
    free(bpe->memory[1]);
    *bpe = (clipc_bpe){ 0 };
}

/* ---- merging ----------------------------------------------------------- */

static const clipc_merge *find_merge(const clipc_bpe *bpe, int32_t left,
                                     int32_t right)
{
    size_t low = bpe->starts[left], end = bpe->starts[left + 1];
    size_t high = end;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (bpe->merges[middle].right < (uint32_t)right)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && bpe->merges[low].right == (uint32_t)right
               ? &bpe->merges[low]
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

static bool reserve(clipc_bpe_scratch *scratch, size_t n)
{
    size_t capacity = scratch->capacity ? scratch->capacity : 64;
    if (n <= scratch->capacity)
        return true;
    while (capacity < n)
        capacity *= 2;
    clipc_bpe_scratch_free(scratch);
    scratch->symbols = clipc_alloc(capacity, 3 * sizeof *scratch->symbols);
    scratch->heap = clipc_alloc(capacity, 2 * sizeof *scratch->heap);
    if (!scratch->symbols || !scratch->heap) {
        clipc_bpe_scratch_free(scratch);
        return false;
    }
    scratch->capacity = capacity;
    return true;
}

void clipc_bpe_scratch_free(clipc_bpe_scratch *scratch)
{
    free(scratch->symbols);
    free(scratch->heap);
    *scratch = (clipc_bpe_scratch){ 0 };
}

bool clipc_ids_push(clipc_ids *ids, int32_t id)
{
    if (ids->n == ids->capacity) {
        size_t capacity = ids->capacity ? ids->capacity * 2 : 32;
        int32_t *grown = clipc_realloc(ids->ids, capacity, sizeof *grown);
        if (!grown)
            return false;
        ids->ids = grown;
        ids->capacity = capacity;
    }
    ids->ids[ids->n++] = id;
    return true;
}

bool clipc_bpe_word(const clipc_bpe *bpe, const char *word, size_t n,
                    clipc_bpe_scratch *scratch, clipc_ids *out)
{
    const unsigned char *bytes = (const unsigned char *)word;

    if (n > INT32_MAX / 2 || !reserve(scratch, n))
        return false;
    int32_t *ids = scratch->symbols;
    int32_t *previous = ids + scratch->capacity;
    int32_t *next = previous + scratch->capacity;
    uint64_t *heap = scratch->heap; /* rank << 32 | left position */
    size_t n_heap = 0;

    for (size_t i = 0; i < n; i++) {
        ids[i] = i + 1 < n ? bpe->inner_ids[bytes[i]]
                           : bpe->last_ids[bytes[i]];
        previous[i] = (int32_t)i - 1;
        next[i] = i + 1 < n ? (int32_t)i + 1 : -1;
    }
    for (size_t i = 0; i + 1 < n; i++) {
        const clipc_merge *merge = find_merge(bpe, ids[i], ids[i + 1]);
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
        const clipc_merge *merge = find_merge(bpe, ids[left], ids[right]);
        if (!merge || merge->rank != top >> 32)
            continue; /* a symbol of the pair has grown since */

        ids[left] = (int32_t)merge->result;
        ids[right] = -1;
        next[left] = next[right];
        if (next[left] >= 0) {
            previous[next[left]] = left;
            merge = find_merge(bpe, ids[left], ids[next[left]]);
            if (merge)
                heap_push(heap, &n_heap,
                          (uint64_t)merge->rank << 32 | (uint32_t)left);
        }
        if (previous[left] >= 0) {
            merge = find_merge(bpe, ids[previous[left]], ids[left]);
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
