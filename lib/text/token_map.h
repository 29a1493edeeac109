/* SPDX-License-Identifier: MIT
 *
 * token_map.h - the tokens of a vocabulary, found by their text.
 */
#ifndef CLIPC_TOKEN_MAP_H
#define CLIPC_TOKEN_MAP_H

#include "base/json_cursor.h"

typedef struct clipc_token {
    uint32_t begin, n, hash; /* bytes[begin] .. bytes[begin + n - 1] */
    int32_t id;
} clipc_token;

/* All zero is empty. */
typedef struct clipc_token_map {
    clipc_token *tokens; /* [n] in the order of the file */
    size_t n, capacity;
    size_t n_ids; /* one more than the largest id */
    char *bytes;  /* texts, one after the other */
    size_t n_bytes, bytes_capacity;
    uint32_t *slots; /* [n_slots] number of a token plus one; 0: free */
    size_t n_slots;  /* a power of two, at least 2 n */
} clipc_token_map;

/* Reads {"token": id} at the cursor. Ids are distinct and below vocab_size;
 * tokens are distinct and not empty. */
clipc_status clipc_token_map_load(clipc_token_map *map,
                                  clipc_json_cursor *cursor, size_t vocab_size,
                                  clipc_error *err);
/* Reads [["token", score], ...] at the cursor: the first token has id 0. The
 * tokens, at most vocab_size, are distinct and not empty; a score is a finite
 * number. *scores, [map->n], is malloc'ed. On failure nothing is left to
 * free. */
clipc_status clipc_token_map_load_scored(clipc_token_map *map, double **scores,
                                         clipc_json_cursor *cursor,
                                         size_t vocab_size, clipc_error *err);
void clipc_token_map_free(clipc_token_map *map);

/* The token of this text; NULL: there is none. */
const clipc_token *clipc_token_map_get(const clipc_token_map *map,
                                       clipc_text text);

/* Id of the token of this text; -1: there is none. */
int32_t clipc_token_map_find(const clipc_token_map *map, const char *text,
                             size_t n);
/* The same for the text of two texts, one after the other. */
int32_t clipc_token_map_find_joined(const clipc_token_map *map, clipc_text a,
                                    clipc_text b);

#endif /* CLIPC_TOKEN_MAP_H */
