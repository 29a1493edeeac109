/* SPDX-License-Identifier: MIT
 *
 * spiece.h - reads a SentencePiece model (spiece.model): a message of Protocol
 * Buffers with the pieces, their scores, and how a text is normalised. Source
 * of the field numbers: sentencepiece_model.proto.
 */
#ifndef CLIPC_SPIECE_H
#define CLIPC_SPIECE_H

#include "text/unigram.h"

typedef struct clipc_spiece_piece {
    const char *text; /* into the file */
    size_t n;
    double score; /* a float32 value where clipc_spiece.single */
    clipc_piece_kind kind;
} clipc_spiece_piece;

typedef struct clipc_spiece {
    clipc_spiece_piece *pieces; /* [n_pieces] */
    size_t n_pieces, capacity;
    int32_t unknown_id;            /* of what is no piece */
    bool single;                   /* sums of scores are float32 */
    bool byte_fallback;            /* an unknown character becomes its bytes */
    bool whitespace_suffix;        /* a space belongs to the word before it */
    bool dummy_prefix;             /* a text begins with a space */
    bool remove_extra_spaces;      /* at both ends, and all but one of a run */
    bool escape_spaces;            /* a space becomes U+2581 */
    const unsigned char *charsmap; /* into the file; charsmap.h */
    size_t n_charsmap;
} clipc_spiece;

/* Reads n bytes and keeps pointers into them. Checks what SentencePiece
 * checks: pieces are not empty, hold no zero, and differ (apart from kinds
 * that no text may have); one is the unknown piece; bytes are complete. name
 * is for messages. On failure nothing is left to free. */
clipc_status clipc_spiece_read(clipc_spiece *spiece, const unsigned char *data,
                               size_t n, const char *name, clipc_error *err);
void clipc_spiece_free(clipc_spiece *spiece);

/* The checks of the pieces alone, for pieces that another file has. */
clipc_status clipc_spiece_check(clipc_spiece *spiece, const char *name,
                                clipc_error *err);

/* The byte of a piece "<0x00>" .. "<0xFF>"; -1: the piece is none. */
int clipc_spiece_byte(const char *text, size_t n);

/* Whether a text may have a piece of the kind, or the piece stands for
 * something that is no text. */
static inline bool clipc_piece_is_text(clipc_piece_kind kind)
{
    return kind == CLIPC_PIECE_NORMAL || kind == CLIPC_PIECE_USER_DEFINED ||
           kind == CLIPC_PIECE_UNUSED;
}

#endif /* CLIPC_SPIECE_H */
