/* SPDX-License-Identifier: MIT
 *
 * token_map.c - a hash table with linear probing. A table that is at most half
 * full has no run of MAX_PROBES taken slots unless the file was made to have
 * one: such a file is refused, so a search is bounded.
 */
#include "text/token_map.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_SLOTS = 1024, MAX_PROBES = 256 };

/* ---- finding ----------------------------------------------------------- */

static uint64_t hash_bytes(uint64_t hash, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001B3u;
    return hash;
}

static uint32_t hash_joined(clipc_text a, clipc_text b)
{
    uint64_t hash = hash_bytes(0xCBF29CE484222325u, a.data, a.len);

    hash = hash_bytes(hash, b.data, b.len);
    hash = (hash ^ hash >> 32) * 0xD6E8FEB86659FD93u;
    return (uint32_t)(hash ^ hash >> 32);
}

static bool is_joined(const clipc_token_map *map, const clipc_token *token,
                      clipc_text a, clipc_text b)
{
    const char *text = map->bytes + token->begin;

    return token->n == a.len + b.len &&
           (a.len == 0 || memcmp(text, a.data, a.len) == 0) &&
           (b.len == 0 || memcmp(text + a.len, b.data, b.len) == 0);
}

/* The slot of the token a b, or the free one where it belongs; n_slots: there
 * is neither within MAX_PROBES. */
static size_t find_slot(const clipc_token_map *map, uint32_t hash,
                        clipc_text a, clipc_text b)
{
    for (size_t i = 0; i < MAX_PROBES; i++) {
        const size_t slot = (hash + i) & (map->n_slots - 1);
        if (map->slots[slot] == 0)
            return slot;
        const clipc_token *token = &map->tokens[map->slots[slot] - 1];
        if (token->hash == hash && is_joined(map, token, a, b))
            return slot;
    }
    return map->n_slots;
}

static const clipc_token *find(const clipc_token_map *map, clipc_text a,
                               clipc_text b)
{
    if (map->n == 0)
        return NULL;
    const size_t slot = find_slot(map, hash_joined(a, b), a, b);
    return slot == map->n_slots || map->slots[slot] == 0
               ? NULL
               : &map->tokens[map->slots[slot] - 1];
}

const clipc_token *clipc_token_map_get(const clipc_token_map *map,
                                       clipc_text text)
{
    return find(map, text, (clipc_text){ 0 });
}

int32_t clipc_token_map_find_joined(const clipc_token_map *map, clipc_text a,
                                    clipc_text b)
{
    const clipc_token *token = find(map, a, b);
    return token ? token->id : -1;
}

int32_t clipc_token_map_find(const clipc_token_map *map, const char *text,
                             size_t n)
{
    return clipc_token_map_find_joined(map, (clipc_text){ text, n },
                                       (clipc_text){ 0 });
}

/* ---- loading ----------------------------------------------------------- */

static clipc_status fail_crowded(const clipc_json_cursor *cursor,
                                 clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_LIMIT, (int64_t)cursor->at,
                      "%s: more than %d tokens of the vocabulary have the "
                      "same hash",
                      CLIPC_QUOTE(cursor->name), MAX_PROBES);
}

/* Doubles the slots where one more token would fill more than half. */
static clipc_status grow_slots(clipc_token_map *map,
                               const clipc_json_cursor *cursor,
                               clipc_error *err)
{
    if (map->n_slots >= 2 * (map->n + 1))
        return CLIPC_OK;
    free(map->slots);
    map->n_slots = map->n_slots ? 2 * map->n_slots : LEAST_SLOTS;
    map->slots = clipc_alloc_zero(map->n_slots, sizeof *map->slots);
    if (!map->slots)
        return clipc_fail_nomem(err, "vocabulary");
    for (size_t i = 0; i < map->n; i++) {
        const clipc_token *token = &map->tokens[i];
        const clipc_text text = { map->bytes + token->begin, token->n };
        const size_t slot = find_slot(map, token->hash, text,
                                      (clipc_text){ 0 });
        if (slot == map->n_slots)
            return fail_crowded(cursor, err);
        map->slots[slot] = (uint32_t)i + 1;
    }
    return CLIPC_OK;
}

static bool reserve(clipc_token_map *map, size_t n_bytes)
{
    if (map->n == map->capacity) {
        size_t capacity = map->capacity ? 2 * map->capacity : 1024;
        clipc_token *tokens = clipc_realloc(map->tokens, capacity,
                                            sizeof *tokens);
        if (!tokens)
            return false;
        map->tokens = tokens;
        map->capacity = capacity;
    }
    if (n_bytes > map->bytes_capacity - map->n_bytes) {
        size_t capacity = 2 * map->bytes_capacity + n_bytes + 4096;
        char *bytes = clipc_realloc(map->bytes, capacity, 1);
        if (!bytes)
            return false;
        map->bytes = bytes;
        map->bytes_capacity = capacity;
    }
    return true;
}

/* The cursor is behind the key, which begins at `begin`. */
static clipc_status add_token(clipc_token_map *map, clipc_json_cursor *cursor,
                              clipc_text text, size_t begin, clipc_error *err)
{
    const clipc_text none = { 0 };
    const uint32_t hash = hash_joined(text, none);

    CLIPC_TRY(grow_slots(map, cursor, err));
    const size_t slot = find_slot(map, hash, text, none);
    if (slot == map->n_slots)
        return fail_crowded(cursor, err);
    if (map->slots[slot]) {
        cursor->at = begin;
        return clipc_cursor_fail(cursor, "duplicate key in JSON", err);
    }
    if (!reserve(map, text.len))
        return clipc_fail_nomem(err, "vocabulary");
    if (text.len > 0)
        memcpy(map->bytes + map->n_bytes, text.data, text.len);
    map->tokens[map->n] = (clipc_token){ .begin = (uint32_t)map->n_bytes,
                                         .n = (uint32_t)text.len,
                                         .hash = hash,
                                         .id = -1 };
    map->slots[slot] = (uint32_t)++map->n;
    map->n_bytes += text.len;
    return CLIPC_OK;
}

/* Reads the id of the last token. seen: [vocab_size]. */
static clipc_status read_id(clipc_token_map *map, clipc_json_cursor *cursor,
                            unsigned char *seen, size_t vocab_size,
                            clipc_error *err)
{
    clipc_token *token = &map->tokens[map->n - 1];
    clipc_cursor_value value = { .is_real = true };
    clipc_status code = CLIPC_ERR_FORMAT;
    const char *what = NULL;
    const char c = clipc_cursor_peek(cursor);

    if (c == '-' || (c >= '0' && c <= '9'))
        CLIPC_TRY(clipc_cursor_number(cursor, false, &value, err));
    const long long id = value.is_real ? -1 : value.integer;
    if (token->n == 0) {
        what = "is empty";
    } else if (id < 0) {
        what = "has no id (an integer from 0)";
    } else if ((unsigned long long)id >= vocab_size) {
        what = "has an id past the token embedding";
        code = CLIPC_ERR_CONFIG;
    } else if (seen[id]) {
        what = "has the same id as another";
    }
    if (what) {
        /* Without a token there may be no bytes. */
        const char *text = token->n ? map->bytes + token->begin : "";
        const clipc_quoted quoted = clipc_quote(text,
                                                token->n < 40 ? token->n : 40);
        return clipc_fail(err, code, -1,
                          "%s: token \"%s\" %s (id %lld, %zu rows)",
                          CLIPC_QUOTE(cursor->name), quoted.text, what, id,
                          vocab_size);
    }
    seen[id] = 1;
    token->id = (int32_t)id;
    if ((size_t)id >= map->n_ids)
        map->n_ids = (size_t)id + 1;
    return CLIPC_OK;
}

static clipc_status load(clipc_token_map *map, clipc_json_cursor *cursor,
                         unsigned char *seen, size_t vocab_size,
                         clipc_error *err)
{
    bool more = true;

    clipc_cursor_enter(cursor);
    for (bool first = true;; first = false) {
        clipc_text text;
        CLIPC_TRY(clipc_cursor_more(cursor, '}', first, &more, err));
        if (!more)
            return CLIPC_OK;
        const size_t begin = cursor->at;
        CLIPC_TRY(clipc_cursor_key(cursor, &text, err));
        CLIPC_TRY(add_token(map, cursor, text, begin, err));
        CLIPC_TRY(read_id(map, cursor, seen, vocab_size, err));
    }
}

clipc_status clipc_token_map_load(clipc_token_map *map,
                                  clipc_json_cursor *cursor, size_t vocab_size,
                                  clipc_error *err)
{
    unsigned char *seen = clipc_alloc_zero(vocab_size, 1);

    *map = (clipc_token_map){ 0 };
    if (!seen)
        return clipc_fail_nomem(err, "vocabulary");
    clipc_status status = load(map, cursor, seen, vocab_size, err);
    free(seen);
    if (status != CLIPC_OK)
        clipc_token_map_free(map);
    return status;
}

/* Reads the pair ["token", score] that the cursor is at. */
static clipc_status read_pair(clipc_token_map *map, double *score,
                              clipc_json_cursor *cursor, clipc_error *err)
{
    static const char expected[] = "a token of the vocabulary must be "
                                   "[\"token\", score]";
    const size_t begin = cursor->at;
    clipc_cursor_value value;
    clipc_text text;
    bool more;

    if (clipc_cursor_peek(cursor) != '[')
        return clipc_cursor_fail(cursor, expected, err);
    clipc_cursor_enter(cursor);
    CLIPC_TRY(clipc_cursor_more(cursor, ']', true, &more, err));
    if (!more || clipc_cursor_peek(cursor) != '"')
        return clipc_cursor_fail(cursor, expected, err);
    CLIPC_TRY(clipc_cursor_string(cursor, &text, err));
    if (text.len == 0)
        return clipc_cursor_fail(cursor, "a token of the vocabulary is empty",
                                 err);
    if (clipc_token_map_find(map, text.data, text.len) >= 0)
        return clipc_cursor_fail(cursor,
                                 "a token of the vocabulary is there twice",
                                 err);
    CLIPC_TRY(add_token(map, cursor, text, begin, err));
    map->tokens[map->n - 1].id = (int32_t)(map->n - 1);
    CLIPC_TRY(clipc_cursor_more(cursor, ']', false, &more, err));
    const char c = more ? clipc_cursor_peek(cursor) : ']';
    if (c != '-' && (c < '0' || c > '9'))
        return clipc_cursor_fail(cursor, expected, err);
    CLIPC_TRY(clipc_cursor_number(cursor, true, &value, err));
    if (!isfinite(value.real))
        return clipc_cursor_fail(cursor, "JSON number too large", err);
    *score = value.real;
    CLIPC_TRY(clipc_cursor_more(cursor, ']', false, &more, err));
    return more ? clipc_cursor_fail(cursor, expected, err) : CLIPC_OK;
}

static clipc_status load_scored(clipc_token_map *map, double **scores,
                                clipc_json_cursor *cursor, size_t vocab_size,
                                clipc_error *err)
{
    size_t capacity = 0;
    bool more = true;

    clipc_cursor_enter(cursor);
    for (;;) {
        CLIPC_TRY(clipc_cursor_more(cursor, ']', map->n == 0, &more, err));
        if (!more)
            return CLIPC_OK;
        if (map->n == vocab_size)
            return clipc_fail(err, CLIPC_ERR_CONFIG, (int64_t)cursor->at,
                              "%s: more tokens in the vocabulary than the %zu "
                              "rows of the token embedding",
                              CLIPC_QUOTE(cursor->name), vocab_size);
        if (map->n == capacity) {
            capacity = capacity ? 2 * capacity : 1024;
            double *grown = clipc_realloc(*scores, capacity, sizeof *grown);
            if (!grown)
                return clipc_fail_nomem(err, "vocabulary");
            *scores = grown;
        }
        double score = 0;
        CLIPC_TRY(read_pair(map, &score, cursor, err));
        (*scores)[map->n - 1] = score;
    }
}

clipc_status clipc_token_map_load_scored(clipc_token_map *map, double **scores,
                                         clipc_json_cursor *cursor,
                                         size_t vocab_size, clipc_error *err)
{
    *map = (clipc_token_map){ 0 };
    *scores = NULL;
    clipc_status status = load_scored(map, scores, cursor, vocab_size, err);
    map->n_ids = map->n;
    if (status != CLIPC_OK) {
        clipc_token_map_free(map);
        free(*scores);
        *scores = NULL;
    }
    return status;
}

void clipc_token_map_free(clipc_token_map *map)
{
    free(map->tokens);
    free(map->bytes);
    free(map->slots);
    *map = (clipc_token_map){ 0 };
}
