/* SPDX-License-Identifier: MIT
 *
 * pack_probe.c - see pack_probe.h. The pictures are drawn here: what is asked
 * is what rounding does to the network's numbers, not what a model knows.
 */
#include "pack/pack_probe.h"

#include "common/progress.h"
#include "pack/pack_pair.h"

#include <stdlib.h>

enum { SIDE = 256, N_PICTURES = 4 };

/* bf16 and int8 of sound models are above 0.99 (docs/PARITY.md), and of broken
 * ones far below. */
#define LEAST_COSINE 0.97

/* Of 1 - cosine of two different texts or pictures, what rounding may move
 * one. */
#define MOST_MOVED 0.25

static const clipc_text texts[] = {
    { "a red car", 9 },
    { "a photo of a dog on a beach", 27 },
    { "two people at a table, black and white", 38 },
    { "the number 42 on a blue door", 28 },
    { "a diagram", 9 },
    { "rain", 4 },
};
enum { N_TEXTS = sizeof texts / sizeof *texts };

/* Colour `channel` of a pixel: a ramp, squares, rings and noise. */
static uint8_t draw(int picture, int x, int y, int channel, uint32_t *random)
{
    const int dx = x - SIDE / 2, dy = y - SIDE / 3;

    switch (picture) {
    case 0: return (uint8_t)(channel == 0 ? x : channel == 1 ? y : 255 - x);
    case 1: return (uint8_t)((x / 32 + y / 32) % 2 ? 230 - 60 * channel : 20);
    case 2: return (uint8_t)((dx * dx + dy * dy) / (64 << channel));
    default:
        *random = *random * 1664525u + 1013904223u;
        return (uint8_t)(*random >> 24);
    }
}

static bool make_pictures(clipc_image **out, const clipc_model *model)
{
    clipc_image_params params = clipc_image_params_default();
    clipc_error err = CLIPC_ERROR_INIT;
    uint8_t *rgb = tool_grow(NULL, (size_t)SIDE * SIDE * 3, 1);
    uint32_t random = 1;
    bool good = true;

    params.fit = model;
    for (int i = 0; good && i < N_PICTURES; i++) {
        uint8_t *to = rgb;
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                for (int channel = 0; channel < 3; channel++)
                    *to++ = draw(i, x, y, channel, &random);
        good = clipc_image_from_rgb(&out[i], rgb, SIDE, SIDE, (size_t)SIDE * 3,
                                    &params, &err) == CLIPC_OK;
    }
    if (!good)
        tool_say("%s", err.message);
    free(rgb);
    return good;
}

static bool probe_pictures(tool_pack_pair *pair, const clipc_model *model,
                           tool_cosines *cosines)
{
    clipc_image *images[N_PICTURES] = { NULL };
    bool good = make_pictures(images, model) &&
                tool_pack_pair_images(pair, images, N_PICTURES, cosines);

    for (int i = 0; i < N_PICTURES; i++)
        clipc_image_free(images[i]);
    return good;
}

/* The mean cosine of two different vectors of n. */
static double mean_cosine(const float *vectors, size_t n, size_t dim)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            sum += tool_pack_dot(vectors + i * dim, vectors + k * dim, dim);
    return sum / ((double)(n * (n - 1)) / 2);
}

/* f32: the embeddings of the model. */
static void warn(const tool_cosines *c, const float *f32, size_t dim,
                 const char *what, const char *path,
                 const clipc_ctx_params *ctx)
{
    const bool is_int8 = ctx->precision == CLIPC_PRECISION_INT8;

    if (c->n < 2)
        return;
    double mutual = mean_cosine(f32, c->n, dim);
    if (c->least >= LEAST_COSINE &&
        1 - c->least <= MOST_MOVED * (1 - mutual) + 1e-6)
        return;
    tool_say("%s: warning: %s is too coarse for this model's %s: the lowest "
             "cosine to f32 is %.4f, that of two different %s %.4f on "
             "average; use --dtype %s, or see with --check how it serves",
             tool_shown_name(path).text, is_int8 ? "int8" : "bf16", what,
             c->least, what, mutual, is_int8 ? "bf16 or f32" : "f32");
}

int tool_pack_probe_run(const clipc_model *model, const char *packed_path,
                        unsigned towers, const clipc_ctx_params *ctx)
{
    tool_cosines of_texts = { 0 }, of_pictures = { 0 };
    tool_pack_pair pair;
    bool good = tool_pack_pair_open(&pair, model, packed_path, ctx);

    tool_progress_begin("measuring");
    if (good && towers & CLIPC_TOWER_TEXT)
        good = tool_pack_pair_texts(&pair, texts, N_TEXTS, &of_texts);
    if (good && towers & CLIPC_TOWER_IMAGE)
        good = probe_pictures(&pair, model, &of_pictures);
    tool_progress_clear();
    if (!tool_interrupted()) {
        warn(&of_texts, pair.sides[0].texts, pair.dim, "texts", packed_path,
             ctx);
        warn(&of_pictures, pair.sides[0].images, pair.dim, "pictures",
             packed_path, ctx);
    }
    tool_pack_pair_close(&pair);
    return good && !tool_interrupted() ? TOOL_OK : TOOL_FAILED;
}
