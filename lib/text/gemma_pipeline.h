/* SPDX-License-Identifier: MIT
 *
 * gemma_pipeline.h - what a Gemma tokenizer's files say about the way from a
 * text to ids, beside vocabulary and merges.
 */
#ifndef CLIPC_GEMMA_PIPELINE_H
#define CLIPC_GEMMA_PIPELINE_H

#include "text/added_tokens.h"
#include "text/pipeline.h"

typedef struct clipc_gemma_pipeline {
    bool lower;     /* text is lowered between raw added tokens */
    int32_t unk_id; /* of characters without a token and without bytes */
    clipc_pipeline_ends ends;
} clipc_gemma_pipeline;

/* Whether the files look like Gemma's. */
bool clipc_gemma_fits(const clipc_tokenizer_source *source);

/* Checks model, normaliser and pre-tokenizer of tokenizer.json. */
clipc_status clipc_gemma_check(clipc_gemma_pipeline *pipeline,
                               const clipc_tokenizer_source *source,
                               clipc_error *err);

/* After vocabulary and added tokens: the rest of the pipeline. */
clipc_status clipc_gemma_finish(clipc_gemma_pipeline *pipeline,
                                clipc_padding *padding,
                                const clipc_tokenizer_source *source,
                                const clipc_token_map *tokens,
                                const clipc_added *added, clipc_error *err);

#endif /* CLIPC_GEMMA_PIPELINE_H */
