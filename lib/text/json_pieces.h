/* SPDX-License-Identifier: MIT
 *
 * json_pieces.h - the pieces of a tokenizer.json whose model is a Unigram.
 */
#ifndef CLIPC_JSON_PIECES_H
#define CLIPC_JSON_PIECES_H

#include "text/spiece.h"
#include "text/token_map.h"
#include "text/tokenizer_kind.h"

/* All zero is empty. */
typedef struct clipc_json_pieces {
    clipc_spiece spiece; /* points into the rest */
    clipc_token_map map;
    double *scores;
    unsigned char *charsmap;
} clipc_json_pieces;

/* Whether tokenizer.json has a Unigram. */
bool clipc_json_has_pieces(const clipc_tokenizer_source *source);

/* Reads the vocabulary and the charsmap of the normaliser. Every piece is a
 * normal one, no piece is unknown, and a text is normalised as SentencePiece
 * does by default; the caller may change the pieces. On failure nothing is
 * left to free. */
clipc_status clipc_json_pieces_load(clipc_json_pieces *pieces,
                                    const clipc_tokenizer_source *source,
                                    clipc_error *err);
void clipc_json_pieces_free(clipc_json_pieces *pieces);

#endif /* CLIPC_JSON_PIECES_H */
