/* SPDX-License-Identifier: MIT
 *
 * slow_tokens.h - added tokens as the tokenizers of transformers that are
 * written in Python have them: found in the raw text, leftmost and longest;
 * lstrip and rstrip take Python's white space along.
 */
#ifndef CLIPC_SLOW_TOKENS_H
#define CLIPC_SLOW_TOKENS_H

#include "base/json_object.h"
#include "text/spiece.h"
#include "text/tables.h"

typedef struct clipc_slow_token {
    char *text;
    size_t n;
    int32_t id;
    bool lstrip, rstrip;
    bool special; /* eos_token, unk_token, pad_token and the like */
} clipc_slow_token;

typedef struct clipc_slow_tokens {
    clipc_slow_token *tokens; /* [n], sorted by text */
    size_t n;
    clipc_trie trie; /* text to index */
    int32_t end_id, pad_id;
    int32_t unknown; /* index of unk_token */
} clipc_slow_tokens;

/* Reads the tokens of tokenizer_config.json (NULL: absent) and, where the
 * configuration has no added_tokens_decoder, those of added_tokens.json and
 * added_tokens of tokenizer.json (NULL: absent). A token without an id of its
 * own has that of the piece of its name, else the next one after the pieces
 * and the listed tokens. Names of files are for messages. */
typedef struct clipc_slow_source {
    const clipc_spiece *spiece;
    const json_t *config, *added_tokens, *older_tokens;
    const char *spiece_name, *config_name, *tokens_name, *older_name;
    size_t vocab_size;
} clipc_slow_source;

clipc_status clipc_slow_tokens_load(clipc_slow_tokens *tokens,
                                    const clipc_slow_source *source,
                                    clipc_error *err);
void clipc_slow_tokens_free(clipc_slow_tokens *tokens);

/* ---- packed files ------------------------------------------------------ */

enum { CLIPC_N_SLOW_TABLES = 2 };

/* The tables of a packed file: records and texts. */
typedef struct clipc_slow_tables {
    clipc_table table[CLIPC_N_SLOW_TABLES];
    void *memory;
} clipc_slow_tables;

/* False when memory runs out. */
bool clipc_slow_tokens_write(const clipc_slow_tokens *tokens,
                             clipc_slow_tables *tables);
void clipc_slow_tables_free(clipc_slow_tables *tables);

/* The reverse, from the tables of a packed file from number `first` on, which
 * are copied. end_id, pad_id and unknown are not among them. On failure clear
 * tokens with clipc_slow_tokens_free(). */
clipc_status clipc_slow_tokens_read(clipc_slow_tokens *tokens,
                                    const clipc_tables *tables, size_t first,
                                    size_t vocab_size, clipc_error *err);

/* ---- finding ----------------------------------------------------------- */

/* A walk over a text: all zero at first. After each token found, [begin, end)
 * is the text between it and the one before, stripped. */
typedef struct clipc_slow_walk {
    size_t begin, end;
    size_t at;   /* private: end of the last token */
    bool rstrip; /* private: that token takes white space along */
} clipc_slow_walk;

/* The next token of the text; NULL at the end, with the rest of the text in
 * the walk. */
const clipc_slow_token *clipc_slow_tokens_next(const clipc_slow_tokens *tokens,
                                               const char *text, size_t n,
                                               clipc_slow_walk *walk);

#endif /* CLIPC_SLOW_TOKENS_H */
