/* SPDX-License-Identifier: MIT
 *
 * vision.c - the image tower: patches of P x P pixels through one linear
 * layer, a class row before them, positions added, LayerNorm ("pre_layrnorm"
 * in checkpoints), the transformer, then LayerNorm and projection of the class
 * row alone.
 *
 * Reference: transformers 5.23, models/clip/modeling_clip.py
 * (CLIPVisionEmbeddings, CLIPVisionTransformer).
 */
#include "transformer.h"

#include <string.h>

typedef struct vision_input {
    const clipc_vision_weights *weights;
    const float *pixels; /* [n, 3, S, S] */
    size_t n_rows;       /* of an image: patches + 1 */
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

static void vision_embed(const clipc_worker *w)
{
    const clipc_tower *tower = w->tower;
    const clipc_kernels *kernels = &tower->engine->kernels;
    const vision_input *input = tower->input;
    const clipc_vision_weights *weights = input->weights;
    const clipc_lane *lane = w->lane;
    const size_t size = tower->config->image_size;
    const size_t patch_size = tower->config->patch_size;
    const size_t width = tower->shape->width;
    const size_t n_patches = input->n_rows - 1;
    const size_t patch_floats = 3 * patch_size * patch_size;
    const size_t image_floats = 3 * size * size;
    size_t begin, end;

    clipc_lane_rows(w, lane->n_seqs * n_patches, &begin, &end);
    for (size_t i = begin; i < end; i++)
        copy_patch(lane->h + i * patch_floats,
                   input->pixels + (lane->first + i / n_patches) * image_floats,
                   i % n_patches, size, patch_size);
    clipc_lane_barrier(w);
    clipc_lane_linear(w, lane->y, lane->h, weights->patch_embedding,
                      lane->n_seqs * n_patches, width, patch_floats);
    clipc_lane_barrier(w);

    clipc_lane_rows(w, lane->n_rows, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        size_t image = i / input->n_rows, row = i % input->n_rows;
        const float *from =
            row == 0 ? weights->class_embedding
                     : lane->y + (image * n_patches + row - 1) * width;
        float *x = lane->x + i * width; /* [D] */
        memcpy(x, from, width * sizeof *x);
        kernels->add_bias(x, weights->position_embedding + row * width, 1,
                          width);
        kernels->layernorm(x, x, weights->pre_ln_gain, weights->pre_ln_bias,
                           tower->shape->eps, 1, width);
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
        .n_rows = across * across + 1,
    };
    const clipc_tower tower = {
        .name = "vision",
        .engine = engine,
        .config = config,
        .shape = &config->vision,
        .layers = weights->layers,
        .final_ln_gain = weights->post_ln_gain,
        .final_ln_bias = weights->post_ln_bias,
        .projection = weights->projection,
        .causal = false,
        .embed_floats = 3 * config->image_size * config->image_size,
        .input = &input,
        .length = vision_length,
        .embed = vision_embed,
    };
    return clipc_tower_run(&tower, n, out, err);
}
