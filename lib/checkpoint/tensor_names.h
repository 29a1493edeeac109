/* SPDX-License-Identifier: MIT
 *
 * tensor_names.h - where checkpoints of the different programs keep a
 * parameter. Inside clipc a parameter has the name that transformers gives
 * it (parameters.c has the exception).
 */
#ifndef CLIPC_TENSOR_NAMES_H
#define CLIPC_TENSOR_NAMES_H

#include "base/base.h"

typedef enum clipc_layout {
    CLIPC_LAYOUT_TRANSFORMERS,
    CLIPC_LAYOUT_TOWER,     /* of transformers 5, a tower by itself: its names
                         * without "vision_model." or "text_model." */
    CLIPC_LAYOUT_PACKED,    /* clipc's own: each parameter under its name */
    CLIPC_LAYOUT_OPEN_CLIP, /* class CLIP, as OpenAI's own */
    CLIPC_LAYOUT_OPEN_CLIP_TEXT, /* class CustomTextCLIP: "text." before the
                                  * names of the text tower */
    CLIPC_LAYOUT_OPEN_CLIP_TIMM  /* the same with an image tower of timm's,
                                  * SigLIP's */
} clipc_layout;

enum { CLIPC_TENSOR_NAME_BYTES = 160 };

typedef struct clipc_tensor_place {
    char name[CLIPC_TENSOR_NAME_BYTES]; /* of the stored tensor */
    /* The parameter is number `part` of n_parts that follow each other as
     * rows of the tensor. */
    unsigned part, n_parts;
    bool transposed; /* stored [in, out] */
    bool boxed;      /* stored with a dimension of 1 in front */
} clipc_tensor_place;

void clipc_tensor_place_find(clipc_tensor_place *place, clipc_layout layout,
                             const char *parameter);

#endif /* CLIPC_TENSOR_NAMES_H */
