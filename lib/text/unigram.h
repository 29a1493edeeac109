/* SPDX-License-Identifier: MIT
 *
 * unigram.h - a unigram language model over pieces of text: the sequence of
 * pieces whose scores have the largest sum.
 */
#ifndef CLIPC_UNIGRAM_H
#define CLIPC_UNIGRAM_H

#include "text/trie.h"

enum {
    CLIPC_MAX_PIECES = 1 << 22,
    CLIPC_MAX_PIECE_BYTES = 512, /* bounds the search at each byte of a text */
    CLIPC_NO_PIECE = -1
};

/* The numbers are those of SentencePiece's files. */
typedef enum clipc_piece_kind {
    CLIPC_PIECE_NORMAL = 1,
    CLIPC_PIECE_UNKNOWN = 2,
    CLIPC_PIECE_CONTROL = 3,      /* never found in a text */
    CLIPC_PIECE_USER_DEFINED = 4, /* scored by its length; not normalised */
    CLIPC_PIECE_UNUSED = 5,       /* has an id, is not used by the search */
    CLIPC_PIECE_BYTE = 6          /* "<0x00>" to "<0xFF>" */
} clipc_piece_kind;

/* Immutable; the tables are borrowed. */
typedef struct clipc_unigram {
    size_t n_pieces;
    clipc_trie trie;         /* pieces that a text may have: their ids */
    const double *scores;    /* [n_pieces] */
    const uint8_t *kinds;    /* [n_pieces]: clipc_piece_kind */
    const uint16_t *lengths; /* [n_pieces]: bytes; 0: not in the trie */
    double unknown_score;    /* of a character that no piece is */
    bool single; /* sums in float32, as SentencePiece; else in float64 */
} clipc_unigram;

/* Memory of a search; all zero is empty. Free with
 * clipc_unigram_path_free(). */
typedef struct clipc_unigram_path {
    int32_t *ids; /* [capacity] */
    size_t capacity;
} clipc_unigram_path;

/* Finds the best sequence for n bytes of valid UTF-8, in time n times the
 * longest piece. At the start of each piece i, path->ids[i] is the piece's id,
 * or CLIPC_NO_PIECE for one unknown character. False when memory runs out. */
bool clipc_unigram_search(const clipc_unigram *model, const char *text,
                          size_t n, clipc_unigram_path *path);
void clipc_unigram_path_free(clipc_unigram_path *path);

#endif /* CLIPC_UNIGRAM_H */
