/* SPDX-License-Identifier: MIT
 *
 * test_tensor_names.c - lib/checkpoint/tensor_names.c: open_clip's names of
 * transformers' tensors. `make parity` compares the numbers of checkpoints in
 * open_clip's layout.
 */
#include "checkpoint/tensor_names.h"
#include "support/test.h"

TEST(transformers_names_are_our_own)
{
    clipc_tensor_place place;

    clipc_tensor_place_find(&place, CLIPC_LAYOUT_TRANSFORMERS,
                            "text_projection.weight");
    CHECK_STR(place.name, "text_projection.weight");
    CHECK_INT(place.n_parts, 1);
    CHECK(!place.transposed);
}

/* The head's attention is one tensor in checkpoints, and three of clipc's. A
 * tower by itself has no name of a tower. */
TEST(names_of_siglip)
{
    static const struct {
        clipc_layout layout;
        const char *parameter, *stored;
        unsigned part, n_parts;
    } cases[] = {
        { CLIPC_LAYOUT_TRANSFORMERS,
          "vision_model.head.attention.q_proj.weight",
          "vision_model.head.attention.in_proj_weight", 0, 3 },
        { CLIPC_LAYOUT_TRANSFORMERS, "vision_model.head.attention.k_proj.bias",
          "vision_model.head.attention.in_proj_bias", 1, 3 },
        { CLIPC_LAYOUT_TRANSFORMERS,
          "vision_model.head.attention.out_proj.bias",
          "vision_model.head.attention.out_proj.bias", 0, 1 },
        { CLIPC_LAYOUT_TOWER, "vision_model.head.attention.v_proj.bias",
          "head.attention.in_proj_bias", 2, 3 },
        { CLIPC_LAYOUT_TOWER, "vision_model.head.probe", "head.probe", 0, 1 },
        { CLIPC_LAYOUT_TOWER, "text_model.encoder.layers.3.mlp.fc1.bias",
          "encoder.layers.3.mlp.fc1.bias", 0, 1 },
        { CLIPC_LAYOUT_TOWER, "logit_scale", "logit_scale", 0, 1 },
        { CLIPC_LAYOUT_PACKED, "vision_model.head.attention.q_proj.weight",
          "vision_model.head.attention.q_proj.weight", 0, 1 },
    };
    clipc_tensor_place place;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_tensor_place_find(&place, cases[i].layout, cases[i].parameter);
        CHECK_STR(place.name, cases[i].stored);
        CHECK_INT(place.part, cases[i].part);
        CHECK_INT(place.n_parts, cases[i].n_parts);
        CHECK(!place.transposed);
    }
}

/* open_clip's SigLIP: an image tower of timm's, the text tower behind
 * "text.". */
TEST(names_of_siglip_in_open_clip)
{
    static const struct {
        const char *parameter, *stored;
        unsigned part, n_parts;
        bool boxed;
    } cases[] = {
        { "vision_model.embeddings.patch_embedding.weight",
          "visual.trunk.patch_embed.proj.weight", 0, 1, false },
        { "vision_model.embeddings.patch_embedding.bias",
          "visual.trunk.patch_embed.proj.bias", 0, 1, false },
        { "vision_model.embeddings.position_embedding.weight",
          "visual.trunk.pos_embed", 0, 1, true },
        { "vision_model.encoder.layers.11.layer_norm1.weight",
          "visual.trunk.blocks.11.norm1.weight", 0, 1, false },
        { "vision_model.encoder.layers.0.self_attn.v_proj.bias",
          "visual.trunk.blocks.0.attn.qkv.bias", 2, 3, false },
        { "vision_model.encoder.layers.0.self_attn.out_proj.weight",
          "visual.trunk.blocks.0.attn.proj.weight", 0, 1, false },
        { "vision_model.encoder.layers.7.mlp.fc2.bias",
          "visual.trunk.blocks.7.mlp.fc2.bias", 0, 1, false },
        { "vision_model.post_layernorm.bias", "visual.trunk.norm.bias", 0, 1,
          false },
        { "vision_model.head.probe", "visual.trunk.attn_pool.latent", 0, 1,
          false },
        { "vision_model.head.attention.q_proj.weight",
          "visual.trunk.attn_pool.q.weight", 0, 1, false },
        { "vision_model.head.attention.k_proj.bias",
          "visual.trunk.attn_pool.kv.bias", 0, 2, false },
        { "vision_model.head.attention.v_proj.weight",
          "visual.trunk.attn_pool.kv.weight", 1, 2, false },
        { "vision_model.head.attention.out_proj.bias",
          "visual.trunk.attn_pool.proj.bias", 0, 1, false },
        { "vision_model.head.layernorm.weight",
          "visual.trunk.attn_pool.norm.weight", 0, 1, false },
        { "vision_model.head.mlp.fc1.weight",
          "visual.trunk.attn_pool.mlp.fc1.weight", 0, 1, false },
        { "text_model.embeddings.token_embedding.weight",
          "text.token_embedding.weight", 0, 1, false },
        { "text_model.embeddings.position_embedding.weight",
          "text.positional_embedding", 0, 1, false },
        { "text_model.encoder.layers.2.self_attn.k_proj.weight",
          "text.transformer.resblocks.2.attn.in_proj_weight", 1, 3, false },
        { "text_model.final_layer_norm.weight", "text.ln_final.weight", 0, 1,
          false },
        { "text_model.head.weight", "text.text_projection.weight", 0, 1,
          false },
        { "text_model.head.bias", "text.text_projection.bias", 0, 1, false },
        { "logit_bias", "logit_bias", 0, 1, false },
    };
    clipc_tensor_place place;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_tensor_place_find(&place, CLIPC_LAYOUT_OPEN_CLIP_TIMM,
                                cases[i].parameter);
        CHECK_STR(place.name, cases[i].stored);
        CHECK_INT(place.part, cases[i].part);
        CHECK_INT(place.n_parts, cases[i].n_parts);
        CHECK(place.boxed == cases[i].boxed);
        CHECK(!place.transposed);
    }
}

TEST(open_clip_names)
{
    static const struct {
        const char *parameter, *stored, *custom;
        unsigned part, n_parts;
        bool transposed;
    } cases[] = {
        { "logit_scale", "logit_scale", "logit_scale", 0, 1, false },
        { "vision_model.embeddings.patch_embedding.weight",
          "visual.conv1.weight", "visual.conv1.weight", 0, 1, false },
        { "vision_model.embeddings.class_embedding", "visual.class_embedding",
          "visual.class_embedding", 0, 1, false },
        { "vision_model.embeddings.position_embedding.weight",
          "visual.positional_embedding", "visual.positional_embedding", 0, 1,
          false },
        { "vision_model.pre_layrnorm.weight", "visual.ln_pre.weight",
          "visual.ln_pre.weight", 0, 1, false },
        { "vision_model.post_layernorm.bias", "visual.ln_post.bias",
          "visual.ln_post.bias", 0, 1, false },
        { "visual_projection.weight", "visual.proj", "visual.proj", 0, 1,
          true },
        { "text_model.embeddings.token_embedding.weight",
          "token_embedding.weight", "text.token_embedding.weight", 0, 1,
          false },
        { "text_model.embeddings.position_embedding.weight",
          "positional_embedding", "text.positional_embedding", 0, 1, false },
        { "text_model.final_layer_norm.weight", "ln_final.weight",
          "text.ln_final.weight", 0, 1, false },
        { "text_projection.weight", "text_projection", "text.text_projection",
          0, 1, true },
        { "vision_model.encoder.layers.0.self_attn.q_proj.weight",
          "visual.transformer.resblocks.0.attn.in_proj_weight",
          "visual.transformer.resblocks.0.attn.in_proj_weight", 0, 3, false },
        { "text_model.encoder.layers.11.self_attn.k_proj.bias",
          "transformer.resblocks.11.attn.in_proj_bias",
          "text.transformer.resblocks.11.attn.in_proj_bias", 1, 3, false },
        { "text_model.encoder.layers.11.self_attn.v_proj.weight",
          "transformer.resblocks.11.attn.in_proj_weight",
          "text.transformer.resblocks.11.attn.in_proj_weight", 2, 3, false },
        { "text_model.encoder.layers.7.self_attn.out_proj.weight",
          "transformer.resblocks.7.attn.out_proj.weight",
          "text.transformer.resblocks.7.attn.out_proj.weight", 0, 1, false },
        { "vision_model.encoder.layers.1023.layer_norm1.weight",
          "visual.transformer.resblocks.1023.ln_1.weight",
          "visual.transformer.resblocks.1023.ln_1.weight", 0, 1, false },
        { "vision_model.encoder.layers.2.layer_norm2.bias",
          "visual.transformer.resblocks.2.ln_2.bias",
          "visual.transformer.resblocks.2.ln_2.bias", 0, 1, false },
        { "vision_model.encoder.layers.2.mlp.fc1.weight",
          "visual.transformer.resblocks.2.mlp.c_fc.weight",
          "visual.transformer.resblocks.2.mlp.c_fc.weight", 0, 1, false },
        { "vision_model.encoder.layers.2.mlp.fc2.bias",
          "visual.transformer.resblocks.2.mlp.c_proj.bias",
          "visual.transformer.resblocks.2.mlp.c_proj.bias", 0, 1, false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_tensor_place place;
        clipc_tensor_place_find(&place, CLIPC_LAYOUT_OPEN_CLIP,
                                cases[i].parameter);
        CHECK_STR(place.name, cases[i].stored);
        CHECK_INT(place.part, cases[i].part);
        CHECK_INT(place.n_parts, cases[i].n_parts);
        CHECK(place.transposed == cases[i].transposed);
        clipc_tensor_place_find(&place, CLIPC_LAYOUT_OPEN_CLIP_TEXT,
                                cases[i].parameter);
        CHECK_STR(place.name, cases[i].custom);
        CHECK_INT(place.part, cases[i].part);
    }
}
