/* SPDX-License-Identifier: MIT
 *
 * tensor_names.c - see tensor_names.h. open_clip's names are those of its
 * version 3.3 (CLIP, CustomTextCLIP, VisionTransformer, TextTransformer) and
 * of OpenAI's first release: q, k and v in one matrix, projections that are
 * applied from the right. Of an image tower of timm's (1.0) the names are
 * timm's, behind "visual.trunk.".
 */
#include "checkpoint/tensor_names.h"

#include <stdio.h>
#include <string.h>

/* The beginning of a name, or a whole name. */
typedef struct renamed {
    const char *from, *to;
    unsigned part, n_parts;
    bool transposed, text;
} renamed;

static const renamed outside[] = {
    { "vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight",
      0, 1, false, false },
    { "vision_model.embeddings.class_embedding", "visual.class_embedding", 0,
      1, false, false },
    { "vision_model.embeddings.position_embedding.weight",
      "visual.positional_embedding", 0, 1, false, false },
    { "vision_model.pre_layrnorm.", "visual.ln_pre.", 0, 1, false, false },
    { "vision_model.post_layernorm.", "visual.ln_post.", 0, 1, false, false },
    { "visual_projection.weight", "visual.proj", 0, 1, true, false },
    { "text_model.embeddings.token_embedding.weight", "token_embedding.weight",
      0, 1, false, true },
    { "text_model.embeddings.position_embedding.weight",
      "positional_embedding", 0, 1, false, true },
    { "text_model.final_layer_norm.", "ln_final.", 0, 1, false, true },
    { "text_projection.weight", "text_projection", 0, 1, true, true },
    { "text_model.head.", "text_projection.", 0, 1, false, true },
};

/* The end of a name, behind the number of a layer. */
static const renamed inside[] = {
    { "layer_norm1.", "ln_1.", 0, 1, false, false },
    { "layer_norm2.", "ln_2.", 0, 1, false, false },
    { "self_attn.q_proj.", "attn.in_proj_", 0, 3, false, false },
    { "self_attn.k_proj.", "attn.in_proj_", 1, 3, false, false },
    { "self_attn.v_proj.", "attn.in_proj_", 2, 3, false, false },
    { "self_attn.out_proj.", "attn.out_proj.", 0, 1, false, false },
    { "mlp.fc1.", "mlp.c_fc.", 0, 1, false, false },
    { "mlp.fc2.", "mlp.c_proj.", 0, 1, false, false },
};

/* The same two tables for the image tower of timm's. */
static const renamed outside_timm[] = {
    { "vision_model.embeddings.patch_embedding.",
      "visual.trunk.patch_embed.proj.", 0, 1, false, false },
    { "vision_model.embeddings.position_embedding.weight",
      "visual.trunk.pos_embed", 0, 1, false, false },
    { "vision_model.post_layernorm.", "visual.trunk.norm.", 0, 1, false,
      false },
    { "vision_model.head.probe", "visual.trunk.attn_pool.latent", 0, 1, false,
      false },
    { "vision_model.head.attention.q_proj.", "visual.trunk.attn_pool.q.", 0, 1,
      false, false },
    { "vision_model.head.attention.k_proj.", "visual.trunk.attn_pool.kv.", 0,
      2, false, false },
    { "vision_model.head.attention.v_proj.", "visual.trunk.attn_pool.kv.", 1,
      2, false, false },
    { "vision_model.head.attention.out_proj.", "visual.trunk.attn_pool.proj.",
      0, 1, false, false },
    { "vision_model.head.layernorm.", "visual.trunk.attn_pool.norm.", 0, 1,
      false, false },
    { "vision_model.head.mlp.", "visual.trunk.attn_pool.mlp.", 0, 1, false,
      false },
};

static const renamed inside_timm[] = {
    { "layer_norm1.", "norm1.", 0, 1, false, false },
    { "layer_norm2.", "norm2.", 0, 1, false, false },
    { "self_attn.q_proj.", "attn.qkv.", 0, 3, false, false },
    { "self_attn.k_proj.", "attn.qkv.", 1, 3, false, false },
    { "self_attn.v_proj.", "attn.qkv.", 2, 3, false, false },
    { "self_attn.out_proj.", "attn.proj.", 0, 1, false, false },
    { "mlp.", "mlp.", 0, 1, false, false },
};

#define FIND(table, name) find(table, sizeof(table) / sizeof *(table), name)

/* transformers' own exception: the attention of SigLIP's head. */
static const renamed in_head[] = {
    { "vision_model.head.attention.q_proj.",
      "vision_model.head.attention.in_proj_", 0, 3, false, false },
    { "vision_model.head.attention.k_proj.",
      "vision_model.head.attention.in_proj_", 1, 3, false, false },
    { "vision_model.head.attention.v_proj.",
      "vision_model.head.attention.in_proj_", 2, 3, false, false },
};

static const renamed *find(const renamed *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(name, table[i].from, strlen(table[i].from)) == 0)
            return &table[i];
    return NULL;
}

/* Tower, number and rest of "TOWER.encoder.layers.NUMBER.REST". */
static bool split_layer(const char *name, bool *text, size_t *number,
                        const char **rest)
{
    static const char vision[] = "vision_model.encoder.layers.";
    static const char texts[] = "text_model.encoder.layers.";
    int used = 0;

    *text = strncmp(name, texts, sizeof texts - 1) == 0;
    if (*text)
        name += sizeof texts - 1;
    else if (strncmp(name, vision, sizeof vision - 1) == 0)
        name += sizeof vision - 1;
    else
        return false;
    if (sscanf(name, "%zu.%n", number, &used) != 1 || used == 0)
        return false;
    *rest = name + used;
    return true;
}

/* The name without its tower's. */
static const char *strip_tower(const char *name)
{
    static const char *const towers[] = { "vision_model.", "text_model." };

    for (size_t i = 0; i < sizeof towers / sizeof towers[0]; i++)
        if (strncmp(name, towers[i], strlen(towers[i])) == 0)
            return name + strlen(towers[i]);
    return name;
}

/* The entry may be NULL: the name stays. */
static void set_place(clipc_tensor_place *place, const renamed *entry,
                      const char *parameter, bool stripped)
{
    const char *to = entry ? entry->to : "";
    const char *rest = entry ? parameter + strlen(entry->from) : parameter;

    if (stripped && entry)
        to = strip_tower(to);
    else if (stripped)
        rest = strip_tower(rest);
    snprintf(place->name, sizeof place->name, "%s%s", to, rest);
    if (!entry)
        return;
    place->part = entry->part;
    place->n_parts = entry->n_parts;
}

void clipc_tensor_place_find(clipc_tensor_place *place, clipc_layout layout,
                             const char *parameter)
{
    const char *custom = layout == CLIPC_LAYOUT_OPEN_CLIP ? "" : "text.";
    const renamed *entry = NULL;
    const char *rest;
    size_t number;
    bool text;

    *place = (clipc_tensor_place){ .n_parts = 1 };
    if (layout == CLIPC_LAYOUT_TRANSFORMERS || layout == CLIPC_LAYOUT_TOWER ||
        layout == CLIPC_LAYOUT_PACKED) {
        if (layout != CLIPC_LAYOUT_PACKED)
            entry = FIND(in_head, parameter);
        set_place(place, entry, parameter, layout == CLIPC_LAYOUT_TOWER);
        return;
    }
    const bool timm = layout == CLIPC_LAYOUT_OPEN_CLIP_TIMM &&
                      strncmp(parameter, "vision_model.", 13) == 0;
    if (split_layer(parameter, &text, &number, &rest)) {
        entry = timm ? FIND(inside_timm, rest) : FIND(inside, rest);
        if (entry)
            snprintf(place->name, sizeof place->name, "%s%s.%zu.%s%s",
                     text ? custom : "visual.",
                     timm ? "trunk.blocks" : "transformer.resblocks", number,
                     entry->to, rest + strlen(entry->from));
    } else {
        entry = timm ? FIND(outside_timm, parameter)
                     : FIND(outside, parameter);
        if (entry)
            snprintf(place->name, sizeof place->name, "%s%s%s",
                     entry->text ? custom : "", entry->to,
                     parameter + strlen(entry->from));
        place->boxed = timm && strstr(parameter, "position_embedding") != NULL;
    }
    if (!entry) { /* "logit_scale" has one name everywhere */
        snprintf(place->name, sizeof place->name, "%s", parameter);
        return;
    }
    place->part = entry->part;
    place->n_parts = entry->n_parts;
    place->transposed = entry->transposed;
}
