/* SPDX-License-Identifier: MIT
 *
 * xlm_tokenizer.h - the tokenizer of MetaCLIP 2, the class XLMRobertaTokenizer
 * of transformers: pieces by a Unigram in tokenizer.json.
 */
#ifndef CLIPC_XLM_TOKENIZER_H
#define CLIPC_XLM_TOKENIZER_H

#include "text/tokenizer_kind.h"

extern const clipc_tokenizer_kind clipc_xlm_tokenizer;

#endif /* CLIPC_XLM_TOKENIZER_H */
