/* SPDX-License-Identifier: MIT
 *
 * checkpoint.h - the network's tensors, found by name in a checkpoint, their
 * shapes checked against the config, as float arrays.
 *
 * Letters: D width, M mlp width, K head dim, E projection dim, P patch size,
 * N patches + 1, C context length, V vocabulary. A linear layer's weight is
 * [out, in], row-major, as PyTorch stores it: y = x * W^T + b.
 */
#ifndef CLIPC_CHECKPOINT_H
#define CLIPC_CHECKPOINT_H

#include "config.h"
#include "weights.h"

typedef struct clipc_layer_weights {
    const float *ln1_gain, *ln1_bias; /* [D] before attention */
    const float *q_weight, *q_bias;   /* [D, D], [D] */
    const float *k_weight, *k_bias;   /* [D, D], [D] */
    const float *v_weight, *v_bias;   /* [D, D], [D] */
    const float *out_weight, *out_bias; /* [D, D], [D] */
    const float *ln2_gain, *ln2_bias; /* [D] before the MLP */
    const float *fc1_weight, *fc1_bias; /* [M, D], [M] */
    const float *fc2_weight, *fc2_bias; /* [D, M], [D] */
} clipc_layer_weights;

typedef struct clipc_vision_weights {
    const float *patch_embedding;    /* [D, 3, P, P], no bias */
    const float *class_embedding;    /* [D] */
    const float *position_embedding; /* [N, D] */
    const float *pre_ln_gain, *pre_ln_bias;   /* [D] */
    const float *post_ln_gain, *post_ln_bias; /* [D] on the pooled row */
    const float *projection;         /* [E, D], no bias */
    clipc_layer_weights *layers;     /* [n_layers] */
} clipc_vision_weights;

typedef struct clipc_text_weights {
    const float *token_embedding;    /* [V, D] */
    const float *position_embedding; /* [C, D] */
    const float *final_ln_gain, *final_ln_bias; /* [D] */
    const float *projection;         /* [E, D], no bias */
    clipc_layer_weights *layers;     /* [n_layers] */
} clipc_text_weights;

typedef struct clipc_checkpoint clipc_checkpoint;

/* Takes ownership of *files (also on failure) and checks that every tensor the
 * config asks for is there, with its shape and a float dtype. Touches no
 * weight but logit_scale. */
clipc_status clipc_checkpoint_open(clipc_checkpoint **checkpoint,
                                   clipc_weights *files,
                                   const clipc_config *config,
                                   clipc_error *err);
void clipc_checkpoint_close(clipc_checkpoint *checkpoint);

/* exp(logit_scale), finite. */
double clipc_checkpoint_logit_scale(const clipc_checkpoint *checkpoint);

/* The tower's weights as f32: mapped where they are stored so (and aligned),
 * converted once otherwise. Thread-safe; a failure may be retried. */
clipc_status clipc_checkpoint_vision(clipc_checkpoint *checkpoint,
                                     const clipc_vision_weights **weights,
                                     clipc_error *err);
clipc_status clipc_checkpoint_text(clipc_checkpoint *checkpoint,
                                   const clipc_text_weights **weights,
                                   clipc_error *err);

const clipc_weights *
clipc_checkpoint_weights(const clipc_checkpoint *checkpoint);
/* Whether the network reads tensor `index` of the files. */
bool clipc_checkpoint_uses(const clipc_checkpoint *checkpoint, size_t index);
/* Whether it belongs to the text tower (text_projection included). */
bool clipc_checkpoint_is_text(const clipc_checkpoint *checkpoint,
                              size_t index);

#endif /* CLIPC_CHECKPOINT_H */
