/* SPDX-License-Identifier: MIT
 *
 * encode.h - part of a call's texts through the text tower: says which text
 * failed, and reports the progress of the whole call. clipc_encode_texts() and
 * clipc_labels_create() stand on this header.
 */
#ifndef CLIPC_ENCODE_H
#define CLIPC_ENCODE_H

#include "api/objects.h"

/* Texts, and their place among all texts that one public call encodes. */
typedef struct clipc_text_batch {
    const clipc_text *texts;
    size_t n;
    unsigned flags;  /* CLIPC_TEXT_..., CLIPC_EMBED_RAW */
    size_t n_before; /* texts of the call that are done, for progress */
} clipc_text_batch;

/* Which text of a batch a failure is about, and how many tokens the text has
 * where the failure is CLIPC_ERR_TOO_LONG. */
typedef struct clipc_text_fault {
    size_t text; /* the batch's n: the failure is about none */
    size_t n_tokens;
} clipc_text_fault;

/* Embeddings of the batch, [n, dim], within a call that clipc_ctx_begin()
 * began. Errors as clipc_encode_texts(), whose
 * messages count texts from n_before. */
clipc_status clipc_encode_batch(clipc_ctx *ctx, const clipc_text_batch *batch,
                                float *embeddings, clipc_text_fault *fault,
                                clipc_error *err);

#endif /* CLIPC_ENCODE_H */
