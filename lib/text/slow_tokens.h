/* SPDX-License-Identifier: MIT
 *
 * slow_tokens.h - added tokens as the tokenizers of transformers that are
 * written in Python have them: found in the raw text by Trie.split(); lstrip
 * and rstrip take Python's white space along.
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
 * own has that of the piece of its name, else the next one from the number of
 * names on that pieces and listed tokens have; an id that a listed token has
 * is refused. Names of files are for messages. */
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

/* A walk over the parts of a text: all zero at first. [begin, end) is a part,
 * stripped, and perhaps empty. */
typedef struct clipc_slow_walk {
    size_t begin, end;
    const clipc_slow_token *token; /* that the part is; NULL: other text */
    size_t at;                     /* private: where the next part begins */
    bool rstrip; /* private: the part before takes white space along */
    size_t match_begin, match_end; /* private: the match from `at` on */
} clipc_slow_walk;

/* Goes to the next part of the text. False: there is none. */
bool clipc_slow_tokens_next(const clipc_slow_tokens *tokens, const char *text,
                            size_t n, clipc_slow_walk *walk);

#endif /* CLIPC_SLOW_TOKENS_H */
