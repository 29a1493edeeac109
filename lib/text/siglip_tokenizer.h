/* SPDX-License-Identifier: MIT
 *
 * siglip_tokenizer.h - the tokenizer of SigLIP's first version, as the class
 * SiglipTokenizer of transformers drives SentencePiece.
 */
#ifndef CLIPC_SIGLIP_TOKENIZER_H
#define CLIPC_SIGLIP_TOKENIZER_H

#include "text/tokenizer_kind.h"

extern const clipc_tokenizer_kind clipc_siglip_tokenizer;

#endif /* CLIPC_SIGLIP_TOKENIZER_H */
