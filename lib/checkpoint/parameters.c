/* SPDX-License-Identifier: MIT
 *
 * parameters.c - see parameters.h. The names are those of CLIPModel in
 * transformers (models/clip/modeling_clip.py), its spelling "pre_layrnorm"
 * included.
 */
#include "checkpoint/parameters.h"

#include "checkpoint/tensor_names.h"

#include <stdio.h>

enum { NAME_BYTES = CLIPC_TENSOR_NAME_BYTES }; /* the longest is under 80 */

typedef struct visitor {
    clipc_parameter_fn visit;
    void *user;
    clipc_error *err;
} visitor;

/* prefix + suffix, [n]. */
static clipc_status visit_vector(const visitor *v, const float **slot,
                                 const char *prefix, const char *suffix,
                                 size_t n)
{
    char name[NAME_BYTES];
    const clipc_parameter p = {
        .vector = slot, .name = name, .shape = { n }, .rank = 1
    };

    snprintf(name, sizeof name, "%s%s", prefix, suffix);
    return v->visit(v->user, &p, v->err);
}

static clipc_status visit_matrix(const visitor *v, clipc_matrix *slot,
                                 const char *prefix, const char *suffix,
                                 size_t n_out, size_t n_in)
{
    char name[NAME_BYTES];
    const clipc_parameter p = {
        .matrix = slot, .name = name, .shape = { n_out, n_in }, .rank = 2
    };

    snprintf(name, sizeof name, "%s%s", prefix, suffix);
    return v->visit(v->user, &p, v->err);
}

static clipc_status visit_linear(const visitor *v, clipc_linear *slot,
                                 clipc_layer_kind kind, const char *prefix,
                                 const char *suffix, size_t n_out, size_t n_in)
{
    char name[NAME_BYTES];
    const clipc_parameter p = { .linear = slot,
                                .kind = kind,
                                .name = name,
                                .shape = { n_out, n_in },
                                .rank = 2 };

    snprintf(name, sizeof name, "%s%s", prefix, suffix);
    return v->visit(v->user, &p, v->err);
}

static clipc_status visit_norm(const visitor *v, const float **gain,
                               const float **bias, const char *prefix,
                               size_t width)
{
    CLIPC_TRY(visit_vector(v, gain, prefix, ".weight", width));
    return visit_vector(v, bias, prefix, ".bias", width);
}

static clipc_status visit_layer(const visitor *v, clipc_layer_weights *w,
                                const char *tower, size_t index, size_t width,
                                size_t mlp)
{
    static const char *const names[CLIPC_N_LAYER_LINEARS] = {
        [CLIPC_LINEAR_Q] = "self_attn.q_proj",
        [CLIPC_LINEAR_K] = "self_attn.k_proj",
        [CLIPC_LINEAR_V] = "self_attn.v_proj",
        [CLIPC_LINEAR_OUT] = "self_attn.out_proj",
        [CLIPC_LINEAR_FC1] = "mlp.fc1",
        [CLIPC_LINEAR_FC2] = "mlp.fc2",
    };
    char prefix[NAME_BYTES - 32];

    snprintf(prefix, sizeof prefix, "%s.encoder.layers.%zu.layer_norm1", tower,
             index);
    CLIPC_TRY(visit_norm(v, &w->ln1_gain, &w->ln1_bias, prefix, width));
    snprintf(prefix, sizeof prefix, "%s.encoder.layers.%zu.layer_norm2", tower,
             index);
    CLIPC_TRY(visit_norm(v, &w->ln2_gain, &w->ln2_bias, prefix, width));
    for (int i = 0; i < CLIPC_N_LAYER_LINEARS; i++) {
        clipc_linear *linear = &w->linears[i];
        size_t n_out = i == CLIPC_LINEAR_FC1 ? mlp : width;
        size_t n_in = i == CLIPC_LINEAR_FC2 ? mlp : width;
        snprintf(prefix, sizeof prefix, "%s.encoder.layers.%zu.%s", tower,
                 index, names[i]);
        CLIPC_TRY(visit_linear(v, linear, CLIPC_KIND_LAYER, prefix, ".weight",
                               n_out, n_in));
        CLIPC_TRY(visit_vector(v, &linear->bias, prefix, ".bias", n_out));
    }
    return CLIPC_OK;
}

clipc_status clipc_parameters_vision(const clipc_config *config,
                                     clipc_vision_weights *w,
                                     clipc_parameter_fn visit, void *user,
                                     clipc_error *err)
{
    const visitor walk = { visit, user, err }, *v = &walk;
    const size_t width = config->vision.width, patch = config->patch_size;
    const size_t trained = config->trained_image_size / patch;
    const size_t side = config->image_size / patch;
    const clipc_parameter positions = {
        .vector = &w->position_embedding,
        .name = "vision_model.embeddings.position_embedding.weight",
        .shape = { trained * trained + 1, width },
        .rank = 2,
        .side = side == trained ? 0 : side,
    };
    const clipc_parameter kernel = {
        .linear = &w->tower.patch,
        .kind = CLIPC_KIND_PATCH,
        .name = "vision_model.embeddings.patch_embedding.weight",
        .shape = { width, 3, patch, patch },
        .rank = 4,
    };

    CLIPC_TRY(v->visit(v->user, &kernel, v->err));
    CLIPC_TRY(visit_vector(v, &w->class_embedding, "vision_model.embeddings.",
                           "class_embedding", width));
    CLIPC_TRY(v->visit(v->user, &positions, v->err));
    CLIPC_TRY(visit_norm(v, &w->pre_ln_gain, &w->pre_ln_bias,
                         "vision_model.pre_layrnorm", width));
    for (size_t i = 0; i < config->vision.n_layers; i++)
        CLIPC_TRY(visit_layer(v, &w->tower.layers[i], "vision_model", i, width,
                              config->vision.mlp_width));
    CLIPC_TRY(visit_norm(v, &w->tower.final_ln_gain, &w->tower.final_ln_bias,
                         "vision_model.post_layernorm", width));
    return visit_linear(v, &w->tower.projection, CLIPC_KIND_PROJECTION,
                        "visual_projection.weight", "", config->projection_dim,
                        width);
}

clipc_status clipc_parameters_text(const clipc_config *config,
                                   clipc_text_weights *w,
                                   clipc_parameter_fn visit, void *user,
                                   clipc_error *err)
{
    const visitor walk = { visit, user, err }, *v = &walk;
    const size_t width = config->text.width;
    const clipc_parameter positions = {
        .vector = &w->position_embedding,
        .name = "text_model.embeddings.position_embedding.weight",
        .shape = { config->context_length, width },
        .rank = 2,
    };

    CLIPC_TRY(visit_matrix(v, &w->token_embedding, "text_model.embeddings.",
                           "token_embedding.weight", config->vocab_size,
                           width));
    CLIPC_TRY(v->visit(v->user, &positions, v->err));
    for (size_t i = 0; i < config->text.n_layers; i++)
        CLIPC_TRY(visit_layer(v, &w->tower.layers[i], "text_model", i, width,
                              config->text.mlp_width));
    CLIPC_TRY(visit_norm(v, &w->tower.final_ln_gain, &w->tower.final_ln_bias,
                         "text_model.final_layer_norm", width));
    return visit_linear(v, &w->tower.projection, CLIPC_KIND_PROJECTION,
                        "text_projection.weight", "", config->projection_dim,
                        width);
}
