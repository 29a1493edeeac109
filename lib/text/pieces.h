/* SPDX-License-Identifier: MIT
 *
 * pieces.h - the vocabulary of a tokenizer of pieces: a unigram model, the
 * rules of normalisation, and the ids that the pieces get.
 */
#ifndef CLIPC_PIECES_H
#define CLIPC_PIECES_H

#include "text/charsmap.h"
#include "text/spiece.h"
#include "text/tables.h"

/* A string with an id of its own: it is not looked up among the pieces. */
typedef clipc_trie_key clipc_piece_name;

/* Bits of clipc_pieces_head.flags. */
enum {
    CLIPC_PIECES_BYTES = 1,
    CLIPC_PIECES_SUFFIX = 2,
    CLIPC_PIECES_PREFIX = 4,
    CLIPC_PIECES_TRIM = 8,
    CLIPC_PIECES_ESCAPE = 16,
    CLIPC_PIECES_USER = 32,
    CLIPC_PIECES_SINGLE = 64
};

/* What a packed file keeps beside the tables. */
typedef struct clipc_pieces_head {
    uint32_t n_pieces, flags;
    double unknown_score;
    int32_t unknown_id;
    int32_t byte_ids[256]; /* of the bytes of an unknown character */
    uint32_t zero;
} clipc_pieces_head;

/* Immutable once loaded; all zero is empty. The tables are in memory of its
 * own, or borrowed. */
typedef struct clipc_pieces {
    clipc_unigram model;
    clipc_trie names; /* strings whose id is not that of model.trie */
    clipc_charsmap charsmap;
    bool byte_fallback, whitespace_suffix, dummy_prefix, remove_extra_spaces,
        escape_spaces;     /* spiece.h */
    bool has_user_defined; /* some piece is user-defined */
    size_t max_bytes; /* of a text after normalisation, all its parts: so much
                       * that a search, which may look at a piece's length at
                       * every byte, ends after some seconds */
    clipc_pieces_head head;
    clipc_table charsmap_table; /* the charsmap's bytes */
    void *memory[2];
} clipc_pieces;

/* Makes the tables of a SentencePiece model. names, sorted by
 * clipc_trie_sort(): strings that have an id whatever the model says. Every id
 * must be below vocab_size. name is for messages. */
clipc_status clipc_pieces_load(clipc_pieces *pieces,
                               const clipc_spiece *spiece,
                               const clipc_piece_name *names, size_t n_names,
                               size_t vocab_size, const char *name,
                               clipc_error *err);
void clipc_pieces_free(clipc_pieces *pieces);

/* ---- packed files (pieces_tables.c) ------------------------------------ */

enum { CLIPC_N_PIECES_TABLES = 10 };

/* Fills tables, [CLIPC_N_PIECES_TABLES], which are valid as long as pieces. */
void clipc_pieces_write(const clipc_pieces *pieces, clipc_table *tables);

/* The reverse, from the tables of a packed file from number `first` on, which
 * outlive pieces. Checks every size, id and table. On failure clear pieces with
 * clipc_pieces_free(). */
clipc_status clipc_pieces_read(clipc_pieces *pieces,
                               const clipc_tables *tables, size_t first,
                               size_t vocab_size, clipc_error *err);

/* Sets max_bytes from the lengths of the model. */
void clipc_pieces_bound(clipc_pieces *pieces);

/* CLIPC_ERR_LIMIT of a text of n bytes that has more than max_bytes. */
clipc_status clipc_pieces_fail_long(const clipc_pieces *pieces, size_t n,
                                    clipc_error *err);

/* ---- tokens of a text -------------------------------------------------- */

/* One piece of a text, a run of unknown characters, or a byte of one. */
typedef struct clipc_piece_token {
    const char *text;
    size_t n;
    int32_t id;
} clipc_piece_token;

/* A walk over a text: all zero at first. */
typedef struct clipc_piece_walk {
    size_t at, end_of_bytes;
} clipc_piece_walk;

/* The next token of n bytes, whose path clipc_unigram_search() has found;
 * false at the end. */
bool clipc_pieces_next(const clipc_pieces *pieces, const char *text, size_t n,
                       const clipc_unigram_path *path, clipc_piece_walk *walk,
                       clipc_piece_token *token);

#endif /* CLIPC_PIECES_H */
