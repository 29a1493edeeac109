/* SPDX-License-Identifier: MIT
 *
 * added_tokens.h - added tokens: strings that become one id wherever they
 * stand in a text, before the text is split. The start and end token are two.
 */
#ifndef CLIPC_ADDED_H
#define CLIPC_ADDED_H

#include "base/json_object.h"
#include "text/ids.h"
#include "text/token_map.h"
#include "text/tokenizer_kind.h"
#include "text/unicode.h"

enum {
    CLIPC_MAX_ADDED = 65536,    /* added tokens of a tokenizer */
    CLIPC_MAX_ADDED_BYTES = 256 /* of one, as written and as searched: bounds
                                 * the search at each byte of a text */
};

typedef struct clipc_added_token {
    char *text; /* as it is searched: normalised where `normalized` */
    size_t n;
    int32_t id;
    bool special;        /* CLIPC_TEXT_SPECIALS_PLAIN turns it into text */
    bool single_word;    /* no word character may touch it */
    bool lstrip, rstrip; /* takes the white space on that side along */
    bool normalized;     /* searched in normalised text, else in the raw one */
} clipc_added_token;

/* Tokens searched together, sorted by their bytes. */
typedef struct clipc_added_set {
    clipc_added_token *tokens;
    size_t n;
    uint32_t first[257]; /* tokens that start with byte b are first[b] ..
                          * first[b + 1] - 1 */
} clipc_added_set;

typedef struct clipc_added {
    clipc_added_set raw, normalized;
    int32_t start_id, end_id; /* of bos_token and eos_token */
    int32_t unk_id, pad_id;   /* -1: there is no such token. start_id and
                               * end_id too, in the general class or without
                               * ends_needed */
    bool specials_plain;      /* split_special_tokens of the configuration */
} clipc_added;

/* The special tokens that have a name, in transformers' order: bos_token ... */
enum {
    CLIPC_NAMED_BOS,
    CLIPC_NAMED_EOS,
    CLIPC_NAMED_UNK,
    CLIPC_NAMED_SEP,
    CLIPC_NAMED_PAD,
    CLIPC_NAMED_CLS,
    CLIPC_NAMED_MASK,
    CLIPC_N_NAMED
};

/* Where the added tokens are. */
typedef struct clipc_added_source {
    const clipc_tokenizer_source *files;
    const clipc_token_map *vocab;
    /* [CLIPC_N_NAMED] what a name means where the configuration lacks it; NULL:
     * nothing. The general class has none of them. */
    const char *const *named;
    bool ends_needed; /* the class's bos_token and eos_token may not be null */
    /* The normaliser of the text that normalised tokens are searched in: *out
     * is replaced; false when memory runs out. */
    bool (*normalize)(const void *normalizer, const char *text, size_t n,
                      clipc_utf8 *out);
    const void *normalizer; /* normalize() gets it */
} clipc_added_source;

clipc_status clipc_added_load(clipc_added *added,
                              const clipc_added_source *source,
                              clipc_error *err);
void clipc_added_free(clipc_added *added);

/* Fills set->first of tokens in order. */
void clipc_added_index(clipc_added_set *set);

/* Where the ids of a text go. */
typedef struct clipc_added_sink {
    clipc_ids *ids;
    size_t limit; /* nothing more is added once ids->n has reached this */
    bool specials_plain; /* special tokens in a text are text */
} clipc_added_sink;

/* Adds the ids of text without tokens of the set; n may be 0. False: stop. */
typedef bool clipc_added_between(void *user, const char *text, size_t n);

/* Adds the ids of a text: those of the set's tokens, leftmost and the longest
 * that starts there, and what `between` makes of the text around them. False
 * when memory runs out or `between` says so. */
bool clipc_added_encode(const clipc_added_set *set, const char *text, size_t n,
                        const clipc_added_sink *sink,
                        clipc_added_between *between, void *user);

#endif /* CLIPC_ADDED_H */
