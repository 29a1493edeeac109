/* SPDX-License-Identifier: MIT
 *
 * xlm_tokenizer.h - pieces by a Unigram in tokenizer.json: the classes
 * XLMRobertaTokenizer of transformers (MetaCLIP 2) and T5Tokenizer (SigLIP's
 * first version in open_clip).
 */
#ifndef CLIPC_XLM_TOKENIZER_H
#define CLIPC_XLM_TOKENIZER_H

#include "text/tokenizer_kind.h"

extern const clipc_tokenizer_kind clipc_xlm_tokenizer;

#endif /* CLIPC_XLM_TOKENIZER_H */
