/* SPDX-License-Identifier: MIT
 *
 * pack_pair.h - a model in f32 and the file it was packed into, and the cosines
 * between what the two answer.
 */
#ifndef CLIPC_TOOL_PACK_PAIR_H
#define CLIPC_TOOL_PACK_PAIR_H

#include "common/tool.h"

enum { TOOL_PACK_BATCH = 8 }; /* most pictures of a call */

/* Cosines of one kind. */
typedef struct tool_cosines {
    size_t n;
    double least, sum;
} tool_cosines;

typedef struct tool_pack_side {
    clipc_ctx *ctx;
    float *images; /* [TOOL_PACK_BATCH, dim] of the last call */
    float *texts;  /* [n, dim] of the last call, or NULL */
} tool_pack_side;

typedef struct tool_pack_pair {
    clipc_model *packed;
    tool_pack_side sides[2]; /* the model in f32, the packed file */
    size_t dim;
} tool_pack_pair;

/* ctx: without a precision. The calls end early once the program is
 * interrupted. false: standard error says why; close the pair all the same. */
bool tool_pack_pair_open(tool_pack_pair *pair, const clipc_model *model,
                         const char *packed_path, const clipc_ctx_params *ctx);
void tool_pack_pair_close(tool_pack_pair *pair);

/* Embed with both, and add the cosines. The embeddings stay in `sides`. */
bool tool_pack_pair_images(tool_pack_pair *pair, clipc_image *const *images,
                           size_t n, tool_cosines *cosines);
bool tool_pack_pair_texts(tool_pack_pair *pair, const clipc_text *texts,
                          size_t n, tool_cosines *cosines);

double tool_pack_dot(const float *a, const float *b, size_t dim);

#endif /* CLIPC_TOOL_PACK_PAIR_H */
