/* SPDX-License-Identifier: MIT
 *
 * parameters.c - see parameters.h. The names are those of CLIPModel and
 * SiglipModel in transformers (models/clip/modeling_clip.py,
 * models/siglip/modeling_siglip.py), the spelling "pre_layrnorm" included. One
 * is clipc's: the three parts of the head's in_proj are parameters of their
 * own here, as those of a layer are.
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
    char name[NAME_BYTES + 8]; /* "_weight" */
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

/* prefix: of the block; attention: the name of that part of it. */
static clipc_status visit_block(const visitor *v,
                                clipc_linear linears[CLIPC_N_LAYER_LINEARS],
                                const char *prefix, const char *attention,
                                const clipc_tower_config *shape,
                                clipc_layer_kind query_kind)
{
    static const char *const names[CLIPC_N_LAYER_LINEARS] = {
        [CLIPC_LINEAR_Q] = "q_proj",    [CLIPC_LINEAR_K] = "k_proj",
        [CLIPC_LINEAR_V] = "v_proj",    [CLIPC_LINEAR_OUT] = "out_proj",
        [CLIPC_LINEAR_FC1] = "mlp.fc1", [CLIPC_LINEAR_FC2] = "mlp.fc2",
    };
    char name[NAME_BYTES];

    for (int i = 0; i < CLIPC_N_LAYER_LINEARS; i++) {
        size_t n_out = i == CLIPC_LINEAR_FC1 ? shape->mlp_width : shape->width;
        size_t n_in = i == CLIPC_LINEAR_FC2 ? shape->mlp_width : shape->width;
        snprintf(name, sizeof name, "%s.%s%s", prefix,
                 i < CLIPC_LINEAR_FC1 ? attention : "", names[i]);
        CLIPC_TRY(
            visit_linear(v, &linears[i],
                         i == CLIPC_LINEAR_Q ? query_kind : CLIPC_KIND_LAYER,
                         name, ".weight", n_out, n_in));
        CLIPC_TRY(visit_vector(v, &linears[i].bias, name, ".bias", n_out));
    }
    return CLIPC_OK;
}

static clipc_status visit_layer(const visitor *v, clipc_layer_weights *w,
                                const char *tower, size_t index,
                                const clipc_tower_config *shape)
{
    const size_t width = shape->width;
    char prefix[NAME_BYTES - 32];

    snprintf(prefix, sizeof prefix, "%s.encoder.layers.%zu.layer_norm1", tower,
             index);
    CLIPC_TRY(visit_norm(v, &w->ln1_gain, &w->ln1_bias, prefix, width));
    snprintf(prefix, sizeof prefix, "%s.encoder.layers.%zu.layer_norm2", tower,
             index);
    CLIPC_TRY(visit_norm(v, &w->ln2_gain, &w->ln2_bias, prefix, width));
    snprintf(prefix, sizeof prefix, "%s.encoder.layers.%zu", tower, index);
    return visit_block(v, w->linears, prefix, "self_attn.", shape,
                       CLIPC_KIND_LAYER);
}

/* The head's query is one row for all pictures: its weights stay as they
 * are. */
static clipc_status visit_head(const visitor *v, clipc_head_weights *w,
                               const clipc_tower_config *shape)
{
    const clipc_parameter probe = {
        .vector = &w->probe,
        .name = "vision_model.head.probe",
        .shape = { 1, 1, shape->width },
        .rank = 3,
    };

    CLIPC_TRY(v->visit(v->user, &probe, v->err));
    CLIPC_TRY(visit_block(v, w->linears, "vision_model.head", "attention.",
                          shape, CLIPC_KIND_PROJECTION));
    return visit_norm(v, &w->ln_gain, &w->ln_bias,
                      "vision_model.head.layernorm", shape->width);
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
    const bool is_clip = config->family != CLIPC_FAMILY_SIGLIP;
    const clipc_parameter positions = {
        .vector = &w->position_embedding,
        .name = "vision_model.embeddings.position_embedding.weight",
        .shape = { trained * trained + is_clip, width },
        .rank = 2,
        .side = side == trained ? 0 : side,
        .class_rows = is_clip,
    };
    const clipc_parameter kernel = {
        .linear = &w->tower.patch,
        .kind = CLIPC_KIND_PATCH,
        .name = "vision_model.embeddings.patch_embedding.weight",
        .shape = { width, 3, patch, patch },
        .rank = 4,
    };

    CLIPC_TRY(v->visit(v->user, &kernel, v->err));
    CLIPC_TRY(
        is_clip
            ? visit_vector(v, &w->class_embedding, "vision_model.embeddings.",
                           "class_embedding", width)
            : visit_vector(v, &w->tower.patch.bias, "vision_model.embeddings.",
                           "patch_embedding.bias", width));
    CLIPC_TRY(v->visit(v->user, &positions, v->err));
    if (is_clip)
        CLIPC_TRY(visit_norm(v, &w->pre_ln_gain, &w->pre_ln_bias,
                             "vision_model.pre_layrnorm", width));
    for (size_t i = 0; i < config->vision.n_layers; i++)
        CLIPC_TRY(visit_layer(v, &w->tower.layers[i], "vision_model", i,
                              &config->vision));
    CLIPC_TRY(visit_norm(v, &w->tower.final_ln_gain, &w->tower.final_ln_bias,
                         "vision_model.post_layernorm", width));
    if (!is_clip)
        return visit_head(v, &w->tower.head, &config->vision);
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
        CLIPC_TRY(visit_layer(v, &w->tower.layers[i], "text_model", i,
                              &config->text));
    CLIPC_TRY(visit_norm(v, &w->tower.final_ln_gain, &w->tower.final_ln_bias,
                         "text_model.final_layer_norm", width));
    if (config->family == CLIPC_FAMILY_SIGLIP) {
        CLIPC_TRY(visit_linear(v, &w->tower.projection, CLIPC_KIND_PROJECTION,
                               "text_model.head.weight", "",
                               config->projection_dim, width));
        return visit_vector(v, &w->tower.projection.bias, "text_model.head",
                            ".bias", config->projection_dim);
    }
    return visit_linear(v, &w->tower.projection, CLIPC_KIND_PROJECTION,
                        "text_projection.weight", "", config->projection_dim,
                        width);
}
