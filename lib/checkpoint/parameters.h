/* SPDX-License-Identifier: MIT
 *
 * parameters.h - the parameters of both towers, in the order of the network:
 * their names, their shapes by the config, and the slots they go to. Opening a
 * checkpoint, loading it and packing it are walks over them.
 *
 * Letters: D width, M mlp width, K head dim, E projection dim, P patch size,
 * N rows of a picture (patches, in CLIP a class row before them), C context
 * length, V vocabulary. A linear layer's weight is [out, in], row-major, as
 * PyTorch stores it: y = x * W^T + b.
 */
#ifndef CLIPC_PARAMETERS_H
#define CLIPC_PARAMETERS_H

#include "config/config.h"
#include "kernels/linear.h"

/* How a packed file (packed_file.h) rounds a layer's weights: layers of the
 * transformer to the precision of the file, the patch layer to no less than 16
 * bits, the projection not at all. */
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

/* The attention head of SigLIP's image tower, a layer whose one query is
 * learned: one row from all rows of a picture. */
typedef struct clipc_head_weights {
    const float *probe;                          /* [D]; NULL: no head */
    clipc_linear linears[CLIPC_N_LAYER_LINEARS]; /* as a layer's */
    const float *ln_gain, *ln_bias;              /* [D] before the MLP */
} clipc_head_weights;

/* The weights that both towers have. Absent: zeros. */
typedef struct clipc_tower_weights {
    clipc_layer_weights *layers;                /* [n_layers] */
    const float *final_ln_gain, *final_ln_bias; /* [D] on the pooled rows, or
                                                 * on all rows before a head */
    clipc_linear projection; /* [E, D]; SigLIP: of the text tower alone, with
                              * a bias */
    clipc_linear patch;      /* vision: [D, 3 P P]; SigLIP: with a bias */
    clipc_head_weights head; /* vision, SigLIP */
} clipc_tower_weights;

typedef struct clipc_vision_weights {
    clipc_tower_weights tower;
    const float *position_embedding; /* [N, D] */
    /* CLIP's. SigLIP: NULL */
    const float *class_embedding;           /* [D] */
    const float *pre_ln_gain, *pre_ln_bias; /* [D] */
} clipc_vision_weights;

typedef struct clipc_text_weights {
    clipc_tower_weights tower;
    clipc_matrix token_embedding;    /* [V, D] */
    const float *position_embedding; /* [C, D] */
} clipc_text_weights;

enum { CLIPC_MAX_DIMS = 4 }; /* of a parameter */

/* One parameter: where it goes (one of the three), its name and shape. */
typedef struct clipc_parameter {
    const float **vector;
    clipc_matrix *matrix;  /* [shape[0], the product of the others] */
    clipc_linear *linear;  /* its weight, likewise */
    clipc_layer_kind kind; /* of a linear layer */
    const char *name;
    size_t shape[CLIPC_MAX_DIMS], rank;
    size_t side;       /* not 0: positions, wanted for side * side patches */
    size_t class_rows; /* of positions: rows before those of the patches */
} clipc_parameter;

typedef clipc_status (*clipc_parameter_fn)(void *user,
                                           const clipc_parameter *parameter,
                                           clipc_error *err);

/* Calls `visit` for each parameter of a tower, until `visit` fails.
 * weights->tower must have layers; the content of slots is not read. */
clipc_status clipc_parameters_vision(const clipc_config *config,
                                     clipc_vision_weights *weights,
                                     clipc_parameter_fn visit, void *user,
                                     clipc_error *err);
clipc_status clipc_parameters_text(const clipc_config *config,
                                   clipc_text_weights *weights,
                                   clipc_parameter_fn visit, void *user,
                                   clipc_error *err);

#endif /* CLIPC_PARAMETERS_H */
