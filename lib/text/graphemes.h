/* SPDX-License-Identifier: MIT
 *
 * graphemes.h - extended grapheme clusters (Unicode Standard Annex 29): what a
 * reader takes for one character, as tokenizers 0.23 has them (Unicode 17).
 */
#ifndef CLIPC_GRAPHEMES_H
#define CLIPC_GRAPHEMES_H

#include "text/unicode.h"

/* Bytes of the cluster that n > 0 bytes of valid UTF-8 begin with, in time
 * proportional to them. Regional indicators are not paired: such a cluster has
 * 4 bytes, and 6 or more with anything else, which is all that
 * xlm_tokenizer.c asks. */
size_t clipc_grapheme_length(const char *text, size_t n);

#endif /* CLIPC_GRAPHEMES_H */
