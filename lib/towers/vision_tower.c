/* SPDX-License-Identifier: MIT
 *
 * vision_tower.c - the image tower: patches of P x P pixels through one linear
 * layer, positions added, the transformer.
 *
 * CLIP: a class row before the patches; LayerNorm of all rows before the
 * transformer ("pre_layrnorm" in checkpoints); behind it LayerNorm and
 * projection of the class row alone. SigLIP: none of these; behind the
 * transformer LayerNorm of all rows, and an attention head, whose row is the
 * embedding.
 *
 * Reference: transformers, models/clip/modeling_clip.py
 * (CLIPVisionEmbeddings, CLIPVisionTransformer),
 * models/siglip/modeling_siglip.py (SiglipVisionEmbeddings,
 * SiglipVisionModel).
 */
#include "towers/vision_tower.h"
#include "towers/tower.h"

#include <string.h>

typedef struct vision_input {
    const clipc_vision_weights *weights;
    const float *pixels; /* [n, 3, S, S] */
    size_t n_rows;       /* of an image: patches, CLIP one more */
} vision_input;

static size_t vision_length(const clipc_tower *tower, size_t i)
{
    const vision_input *input = tower->input;
    (void)i;
    return input->n_rows;
}

/* Patch number `patch` (row-major) of an image as a row [3, P, P]: a
 * convolution whose stride is its width is a product of such rows. */
static void copy_patch(float *row, const float *pixels, size_t patch,
                       size_t image_size, size_t patch_size)
{
    size_t across = image_size / patch_size;
    const float *corner = pixels + patch / across * patch_size * image_size +
                          patch % across * patch_size;

    for (size_t channel = 0; channel < 3; channel++)
        for (size_t y = 0; y < patch_size; y++, row += patch_size)
            memcpy(row, corner + (channel * image_size + y) * image_size,
                   patch_size * sizeof *row);
}

/* The thread's patches as rows of the operand. */
static void put_patches(const clipc_worker *w)
{
    const clipc_tower *tower = w->tower;
    const vision_input *input = tower->input;
    const clipc_lane *lane = w->lane;
    const clipc_operand *patches = &lane->patches;
    const size_t size = tower->config->image_size;
    size_t begin, end;

    clipc_lane_share(w, lane->n_seqs * tower->n_patches, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        const float *pixels = input->pixels +
                              (lane->first + i / tower->n_patches) * 3 * size *
                                  size;
        bool in_place = patches->format == CLIPC_OPERAND_F32;
        /* A row of patches is no longer than the linear layers' scratch. */
        float *row = in_place ? (float *)(void *)(patches->rows +
                                                  i * patches->stride)
                              : (float *)w->scratch->linear;
        copy_patch(row, pixels, i % tower->n_patches, size,
                   tower->config->patch_size);
        if (!in_place)
            clipc_operand_put(patches, clipc_lane_kernels(w), i, row,
                              tower->patch_floats);
    }
}

static void vision_embed(const clipc_worker *w)
{
    const clipc_tower *tower = w->tower;
    const clipc_kernels *kernels = clipc_lane_kernels(w);
    const vision_input *input = tower->input;
    const clipc_vision_weights *weights = input->weights;
    const clipc_lane *lane = w->lane;
    const size_t width = tower->shape->width;
    const size_t class_rows = input->n_rows - tower->n_patches;
    const clipc_finish finish = {
        .scale = 1.0f,
        .out = lane->q.data, /* free until the first layer */
        .out_stride = lane->q.stride * sizeof(float),
    };
    size_t begin, end;

    put_patches(w);
    clipc_lane_barrier(w);
    clipc_lane_linear(w, &weights->tower.patch,
                      &weights->tower.layers[0].linears[CLIPC_LINEAR_Q],
                      clipc_patch_precision(tower->engine->precision),
                      &lane->patches, lane->n_seqs * tower->n_patches,
                      &finish);
    clipc_lane_barrier(w);

    clipc_lane_share(w, lane->n_rows, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        size_t image = i / input->n_rows, row = i % input->n_rows;
        size_t patch = image * tower->n_patches + row - class_rows;
        const float *from = row < class_rows
                                ? weights->class_embedding
                                : lane->q.data + patch * lane->q.stride;
        float *x = lane->x + i * width; /* [D] */
        memcpy(x, from, width * sizeof *x);
        kernels->add(x, weights->position_embedding + row * width, width);
        if (weights->pre_ln_gain)
            kernels->layernorm(x, x, weights->pre_ln_gain,
                               weights->pre_ln_bias, tower->shape->eps, width);
    }
}

clipc_status clipc_vision_forward(clipc_engine *engine,
                                  const clipc_config *config,
                                  const clipc_vision_weights *weights,
                                  const float *pixels, size_t n, float *out,
                                  clipc_error *err)
{
    const size_t across = config->image_size / config->patch_size;
    const vision_input input = {
        .weights = weights,
        .pixels = pixels,
        .n_rows = across * across + (weights->class_embedding != NULL),
    };
    const clipc_tower tower = {
        .name = "vision",
        .engine = engine,
        .config = config,
        .shape = &config->vision,
        .weights = &weights->tower,
        .causal = false,
        .pooling = weights->tower.head.probe ? CLIPC_POOL_HEAD
                                             : CLIPC_POOL_FIRST,
        .n_patches = across * across,
        .patch_floats = 3 * config->patch_size * config->patch_size,
        .input = &input,
        .length = vision_length,
        .embed = vision_embed,
    };
    return clipc_tower_run(&tower, n, out, err);
}
