/* SPDX-License-Identifier: MIT
 *
 * published.h - facts about the published CLIP models: shapes, the vocabulary
 * they share, ids of known texts, the normalisation of pixels. For
 * `clipc-inspect check`.
 */
#ifndef CLIPC_TOOL_PUBLISHED_H
#define CLIPC_TOOL_PUBLISHED_H

#include "common/tool.h"

typedef struct tool_shape {
    const char *name; /* "ViT-B/32" */
    size_t vision_width, vision_layers, patch_size, image_size;
    size_t text_width, text_layers, dim;
    size_t vocab_size; /* of SigLIP, whose shapes it tells apart; CLIP: 0 */
    size_t n_parameters;
} tool_shape;

/* The shape that a model has, or NULL. */
const tool_shape *tool_published_shape(const clipc_model_info *info);

/* The vocabulary of all of them: its tokens in the order of their ids, and its
 * merges as "left right", each with a line feed after it. */
enum {
    TOOL_PUBLISHED_TOKENS = 49408,
    TOOL_PUBLISHED_MERGES = 48894,
    TOOL_SHA256_BYTES = 32
};
extern const unsigned char tool_published_tokens[TOOL_SHA256_BYTES];
extern const unsigned char tool_published_merges[TOOL_SHA256_BYTES];

/* A text and its ids, without start and end token. */
enum { TOOL_VECTOR_IDS = 16 };
typedef struct tool_vector {
    const char *text;
    size_t len;
    int ids[TOOL_VECTOR_IDS];
    size_t n;
} tool_vector;
extern const tool_vector tool_published_vectors[];
extern const size_t tool_n_published_vectors;

/* Mean and standard deviation of OpenAI's models. */
extern const float tool_published_mean[3], tool_published_std[3];

/* exp(logit_scale): OpenAI's training clipped the scale there. */
#define TOOL_PUBLISHED_LOGIT_SCALE 100.0

#endif /* CLIPC_TOOL_PUBLISHED_H */
