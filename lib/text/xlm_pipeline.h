/* SPDX-License-Identifier: MIT
 *
 * xlm_pipeline.h - whether a tokenizer.json describes what XLMRobertaTokenizer
 * builds: for files whose tokenizer_config.json names another class, or none.
 */
#ifndef CLIPC_XLM_PIPELINE_H
#define CLIPC_XLM_PIPELINE_H

#include "text/tokenizer_kind.h"

clipc_status clipc_xlm_check(const clipc_tokenizer_source *source,
                             clipc_error *err);

#endif /* CLIPC_XLM_PIPELINE_H */
