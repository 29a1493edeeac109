/* SPDX-License-Identifier: MIT
 *
 * checkpoint.h - the network's tensors, found by name in a checkpoint, their
 * shapes checked against the config: matrices as they are stored, vectors as
 * float arrays.
 *
 * Letters: D width, M mlp width, K head dim, E projection dim, P patch size,
 * N patches + 1, C context length, V vocabulary. A linear layer's weight is
 * [out, in], row-major, as PyTorch stores it: y = x * W^T + b.
 */
#ifndef CLIPC_CHECKPOINT_H
#define CLIPC_CHECKPOINT_H

#include "config/config.h"
#include "kernels/linear.h"
#include "checkpoint/tensor_files.h"

/* How a layer's weights are rounded in a packed file (packed_file.h): the
 * layers of the transformer to its precision, the patch layer to no less than
 * 16 bits, the projection not at all. */
typedef enum clipc_layer_kind {
    CLIPC_KIND_LAYER,
    CLIPC_KIND_PATCH,
    CLIPC_KIND_PROJECTION
} clipc_layer_kind;

/* The linear layers of a block. */
typedef enum clipc_layer_linear {
    CLIPC_LINEAR_Q,   /* [D, D] */
    CLIPC_LINEAR_K,   /* [D, D] */
    CLIPC_LINEAR_V,   /* [D, D] */
    CLIPC_LINEAR_OUT, /* [D, D] */
    CLIPC_LINEAR_FC1, /* [M, D] */
    CLIPC_LINEAR_FC2, /* [D, M] */
    CLIPC_N_LAYER_LINEARS
} clipc_layer_linear;

typedef struct clipc_layer_weights {
    const float *ln1_gain, *ln1_bias; /* [D] before attention */
    const float *ln2_gain, *ln2_bias; /* [D] before the MLP */
    clipc_linear linears[CLIPC_N_LAYER_LINEARS];
} clipc_layer_weights;

/* What both towers have. */
typedef struct clipc_tower_weights {
    clipc_layer_weights *layers; /* [n_layers] */
    const float *final_ln_gain, *final_ln_bias; /* [D] on the pooled rows */
    clipc_linear projection;     /* [E, D], no bias */
    clipc_linear patch; /* vision: [D, 3 P P], no bias; text: none */
} clipc_tower_weights;

typedef struct clipc_vision_weights {
    clipc_tower_weights tower;
    const float *class_embedding;    /* [D] */
    const float *position_embedding; /* [N, D] */
    const float *pre_ln_gain, *pre_ln_bias;   /* [D] */
} clipc_vision_weights;

typedef struct clipc_text_weights {
    clipc_tower_weights tower;
    clipc_matrix token_embedding;    /* [V, D] */
    const float *position_embedding; /* [C, D] */
} clipc_text_weights;

typedef struct clipc_checkpoint clipc_checkpoint;

/* Takes ownership of *files (also on failure) and checks that every tensor the
 * config asks for is there, with its shape and a float dtype. packed: the
 * precision of a packed file, else AUTO. Touches no weight but
 * logit_scale. */
clipc_status clipc_checkpoint_open(clipc_checkpoint **checkpoint,
                                   clipc_weights *files,
                                   const clipc_config *config,
                                   clipc_precision packed, clipc_error *err);
void clipc_checkpoint_close(clipc_checkpoint *checkpoint);

/* Which towers there are: what the config describes and the files hold. */
bool clipc_checkpoint_has_vision(const clipc_checkpoint *checkpoint);
bool clipc_checkpoint_has_text(const clipc_checkpoint *checkpoint);
/* Whose names the tensors have: "transformers" or "open_clip". */
const char *clipc_checkpoint_layout(const clipc_checkpoint *checkpoint);

/* exp(logit_scale), finite; of the config's initial value where a tower comes
 * by itself. And logit_scale as it is stored. */
double clipc_checkpoint_logit_scale(const clipc_checkpoint *checkpoint);
float clipc_checkpoint_log_scale(const clipc_checkpoint *checkpoint);
/* Numbers of all parameters, padding not counted. */
size_t clipc_checkpoint_n_parameters(const clipc_checkpoint *checkpoint);

/* The tower's weights where they are mapped; vectors that are not stored as
 * F32 (or not aligned) converted once. Thread-safe; a failure may be
 * retried. */
clipc_status clipc_checkpoint_vision(clipc_checkpoint *checkpoint,
                                     const clipc_vision_weights **weights,
                                     clipc_error *err);
clipc_status clipc_checkpoint_text(clipc_checkpoint *checkpoint,
                                   const clipc_text_weights **weights,
                                   clipc_error *err);

const clipc_weights *
clipc_checkpoint_weights(const clipc_checkpoint *checkpoint);
/* Lets go of the memory that holds a tower's tensors, where they are mapped:
 * they are packed now. Their next use reads them again. */
void clipc_checkpoint_forget(const clipc_checkpoint *checkpoint, bool text);
/* Whether the network reads tensor `index` of the files. */
bool clipc_checkpoint_uses(const clipc_checkpoint *checkpoint, size_t index);
/* Whether it belongs to the text tower (text_projection included). */
bool clipc_checkpoint_is_text(const clipc_checkpoint *checkpoint,
                              size_t index);

/* ---- walking over the parameters --------------------------------------- */

enum { CLIPC_MAX_DIMS = 4 }; /* of a parameter */

/* One parameter: where it goes (one of the three), its name and shape. */
typedef struct clipc_parameter {
    const float **vector;
    clipc_matrix *matrix; /* [shape[0], the product of the others] */
    clipc_linear *linear; /* its weight, likewise */
    clipc_layer_kind kind; /* of a linear layer */
    const char *name;
    size_t shape[CLIPC_MAX_DIMS], rank;
    size_t side; /* not 0: positions, wanted for side * side patches */
} clipc_parameter;

typedef clipc_status (*clipc_parameter_fn)(void *user,
                                           const clipc_parameter *parameter,
                                           clipc_error *err);

/* Calls `visit` for each parameter of the image or the text tower, in the
 * order of the network. After clipc_checkpoint_vision() or _text() the slots
 * are filled. */
clipc_status clipc_checkpoint_visit(clipc_checkpoint *checkpoint, bool vision,
                                    clipc_parameter_fn visit, void *user,
                                    clipc_error *err);

#endif /* CLIPC_CHECKPOINT_H */
