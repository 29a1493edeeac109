/* SPDX-License-Identifier: MIT
 *
 * gemma_tokenizer.h - byte pair encoding of a whole text, as Gemma and SigLIP 2
 * have it.
 */
#ifndef CLIPC_GEMMA_TOKENIZER_H
#define CLIPC_GEMMA_TOKENIZER_H

#include "text/tokenizer_kind.h"

extern const clipc_tokenizer_kind clipc_gemma_tokenizer;

#endif /* CLIPC_GEMMA_TOKENIZER_H */
