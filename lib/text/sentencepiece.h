/* SPDX-License-Identifier: MIT
 *
 * sentencepiece.h - a text as SentencePiece normalises it before the search
 * for pieces.
 */
#ifndef CLIPC_SENTENCEPIECE_H
#define CLIPC_SENTENCEPIECE_H

#include "text/pieces.h"
#include "text/unicode.h"

/* Normalises n bytes of valid UTF-8; the result, valid UTF-8, replaces *out.
 * A rule may be long: the result may have *left bytes, of which it takes its
 * own. */
clipc_status clipc_sentencepiece_normalize(const clipc_pieces *pieces,
                                           const char *text, size_t n,
                                           size_t *left, clipc_utf8 *out,
                                           clipc_error *err);

#endif /* CLIPC_SENTENCEPIECE_H */
