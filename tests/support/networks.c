/* SPDX-License-Identifier: MIT */
#include "support/networks.h"
#include "support/test.h"
#include "base/cpu.h"
#include "kernels/dispatch.h"
#include "kernels/blas.h"
#include "towers/text_tower.h"
#include "towers/vision_tower.h"

#include <limits.h>
#include <stdlib.h>

/* ---- networks ---------------------------------------------------------- */

const shape shapes[N_SHAPES] = {
    { "ordinary", 64, 3, 4, 128, CLIPC_QUICK_GELU, 8, 3, 24, 96, 32,
      CLIPC_FAMILY_CLIP },
    { "gelu", 64, 2, 2, 256, CLIPC_GELU, 4, 4, 24, 96, 48, CLIPC_FAMILY_CLIP },
    { "one layer", 32, 1, 2, 64, CLIPC_QUICK_GELU, 8, 2, 16, 50, 16,
      CLIPC_FAMILY_CLIP },
    { "one head", 24, 2, 1, 96, CLIPC_QUICK_GELU, 5, 3, 16, 50, 16,
      CLIPC_FAMILY_CLIP },
    { "odd sizes", 30, 2, 3, 37, CLIPC_GELU, 3, 3, 16, 61, 7,
      CLIPC_FAMILY_CLIP },
    { "head dim 1", 6, 2, 6, 5, CLIPC_QUICK_GELU, 2, 2, 16, 61, 1,
      CLIPC_FAMILY_CLIP },
    { "one patch", 40, 2, 8, 80, CLIPC_QUICK_GELU, 6, 1, 4, 20, 8,
      CLIPC_FAMILY_CLIP },
    { "long", 16, 2, 2, 32, CLIPC_QUICK_GELU, 2, 12, 160, 40, 8,
      CLIPC_FAMILY_CLIP },
    { "head dim 72", 144, 2, 2, 538, CLIPC_GELU, 2, 8, 64, 40, 24,
      CLIPC_FAMILY_CLIP },
    /* A head of 72 and an MLP of 16 x 17, as the largest but one has. */
    { "siglip", 144, 2, 2, 272, CLIPC_GELU_TANH, 7, 3, 16, 61, 144,
      CLIPC_FAMILY_SIGLIP },
    { "siglip one patch", 40, 1, 8, 80, CLIPC_GELU_TANH, 6, 1, 4, 20, 40,
      CLIPC_FAMILY_SIGLIP },
    { "siglip odd sizes", 30, 3, 3, 37, CLIPC_GELU_TANH, 3, 3, 5, 61, 30,
      CLIPC_FAMILY_SIGLIP },
    { "siglip long", 16, 2, 2, 32, CLIPC_GELU_TANH, 2, 12, 160, 40, 16,
      CLIPC_FAMILY_SIGLIP },
};

static uint64_t state;

static double uniform(void) /* [-1, 1) */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(int64_t)(state >> 11 << 1) / 9007199254740992.0 - 1;
}

float *tensor(network *net, size_t n, double middle, double spread)
{
    float *x = malloc(n * sizeof *x);
    CHECK(x != NULL && net->n_blocks < 128);
    net->blocks[net->n_blocks++] = x;
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(middle + spread * uniform());
    return x;
}

static clipc_linear linear(network *net, size_t n_out, size_t n_in,
                           double spread, double bias)
{
    clipc_linear l = {
        .weight = { tensor(net, n_out * n_in, 0, spread), CLIPC_STORE_F32,
                    n_out, n_in },
        .bias = bias > 0 ? tensor(net, n_out, 0, bias) : NULL,
    };
    return l;
}

const float *floats(const clipc_matrix *matrix)
{
    return matrix->data;
}

/* Large enough that attention is far from uniform and LayerNorm matters. */
static void make_layers(network *net, clipc_layer_weights *layers,
                        const shape *s)
{
    size_t d = s->width, m = s->mlp_width;
    double out = 1.7 / sqrt((double)d), in = 2.5 / sqrt((double)d);

    for (size_t i = 0; i < s->n_layers; i++) {
        layers[i] = (clipc_layer_weights){
            .ln1_gain = tensor(net, d, 1, 0.5),
            .ln1_bias = tensor(net, d, 0, 0.3),
            .ln2_gain = tensor(net, d, 1, 0.5),
            .ln2_bias = tensor(net, d, 0, 0.3),
            .linears = {
                [CLIPC_LINEAR_Q] = linear(net, d, d, in, 0.5),
                [CLIPC_LINEAR_K] = linear(net, d, d, in, 0.5),
                [CLIPC_LINEAR_V] = linear(net, d, d, out, 0.5),
                [CLIPC_LINEAR_OUT] = linear(net, d, d, out, 0.3),
                [CLIPC_LINEAR_FC1] = linear(net, m, d, out, 0.5),
                [CLIPC_LINEAR_FC2] =
                    linear(net, d, m, 1.7 / sqrt((double)m), 0.3),
            },
        };
    }
}

/* What SigLIP has instead of CLIP's class row, LayerNorm before the layers and
 * projection. */
static void make_siglip(network *net, const shape *s)
{
    const size_t d = s->width, m = s->mlp_width;
    const double in = 2.5 / sqrt((double)d), out = 1.7 / sqrt((double)d);
    clipc_tower_weights *vision = &net->vision.tower;

    vision->patch.bias = tensor(net, d, 0, 0.5);
    vision->projection = (clipc_linear){ 0 };
    net->vision.class_embedding = NULL;
    net->vision.pre_ln_gain = net->vision.pre_ln_bias = NULL;
    vision->head = (clipc_head_weights){
        .probe = tensor(net, d, 0, 2),
        .ln_gain = tensor(net, d, 1, 0.5),
        .ln_bias = tensor(net, d, 0, 0.3),
        .linears = {
            [CLIPC_LINEAR_Q] = linear(net, d, d, in, 0.5),
            [CLIPC_LINEAR_K] = linear(net, d, d, in, 0.5),
            [CLIPC_LINEAR_V] = linear(net, d, d, out, 0.5),
            [CLIPC_LINEAR_OUT] = linear(net, d, d, out, 0.3),
            [CLIPC_LINEAR_FC1] = linear(net, m, d, out, 0.5),
            [CLIPC_LINEAR_FC2] =
                linear(net, d, m, 1.7 / sqrt((double)m), 0.3),
        },
    };
    net->text.tower.projection.bias = tensor(net, s->dim, 0, 0.3);
}

network *make_network(const shape *s)
{
    network *net = calloc(1, sizeof *net);
    CHECK(net != NULL);
    size_t d = s->width, patch = 3 * s->patch_size * s->patch_size;
    clipc_tower_config tower = { .width = d,
                                 .n_layers = s->n_layers,
                                 .n_heads = s->n_heads,
                                 .mlp_width = s->mlp_width,
                                 .activation = s->activation,
                                 .eps = 1e-5f };

    state = 0x9E3779B97F4A7C15u;
    net->config = (clipc_config){ .family = s->family,
                                  .vision = tower,
                                  .text = tower,
                                  .image_size = s->patch_size * s->across,
                                  .patch_size = s->patch_size,
                                  .context_length = s->context,
                                  .vocab_size = s->vocab,
                                  .eos_token_id = (int64_t)s->vocab - 1,
                                  .projection_dim = s->dim };
    make_layers(net, net->vision_layers, s);
    make_layers(net, net->text_layers, s);
    net->vision = (clipc_vision_weights){
        .tower = {
            .layers = net->vision_layers,
            .final_ln_gain = tensor(net, d, 1, 0.5),
            .final_ln_bias = tensor(net, d, 0, 0.3),
            .projection = linear(net, s->dim, d, 1 / sqrt((double)d), 0),
            .patch = linear(net, d, patch, 1 / sqrt((double)patch), 0),
        },
        .class_embedding = tensor(net, d, 0, 1),
        .position_embedding =
            tensor(net, (s->across * s->across + 1) * d, 0, 1),
        .pre_ln_gain = tensor(net, d, 1, 0.5),
        .pre_ln_bias = tensor(net, d, 0, 0.3),
    };
    net->text = (clipc_text_weights){
        .tower = {
            .layers = net->text_layers,
            .final_ln_gain = tensor(net, d, 1, 0.5),
            .final_ln_bias = tensor(net, d, 0, 0.3),
            .projection = linear(net, s->dim, d, 1 / sqrt((double)d), 0),
        },
        .token_embedding = linear(net, s->vocab, d, 1, 0).weight,
        .position_embedding = tensor(net, s->context * d, 0, 1),
    };
    if (s->family == CLIPC_FAMILY_SIGLIP)
        make_siglip(net, s);
    return net;
}

void free_network(network *net)
{
    for (size_t i = 0; i < net->n_blocks; i++)
        free(net->blocks[i]);
    free(net);
}

double *doubles(size_t n)
{
    double *x = calloc(n ? n : 1, sizeof *x);
    CHECK(x != NULL);
    return x;
}

/* ---- engines and inputs ------------------------------------------------ */

void engine_open_as(clipc_engine *engine, unsigned threads, clipc_gemm gemm,
                    clipc_precision precision, unsigned features)
{
    clipc_error err = CLIPC_ERROR_INIT;
    memset(engine, 0, sizeof *engine);
    clipc_kernels_init(&engine->linear.kernels,
                       clipc_cpu_features() & features);
    CHECK_OK(clipc_gemm_select(&engine->linear.gemm, gemm, true, false, &err),
             err);
    engine->precision = precision;
    engine->linear.cache_bytes = 32768; /* small: rows in several blocks */
    CHECK_OK(clipc_pool_create(&engine->pool, threads, &err), err);
}

void engine_open(clipc_engine *engine, unsigned threads, clipc_gemm gemm)
{
    engine_open_as(engine, threads, gemm, CLIPC_PRECISION_F32, UINT_MAX);
}

void engine_close(clipc_engine *engine)
{
    clipc_pool_destroy(engine->pool);
    clipc_free_aligned(engine->scratch);
    free(engine->text_scratch);
}

float *make_pixels(const network *net, size_t n)
{
    size_t size = 3 * net->config.image_size * net->config.image_size;
    float *pixels = malloc(n * size * sizeof *pixels);
    CHECK(pixels != NULL);
    state = 42;
    for (size_t i = 0; i < n * size; i++)
        pixels[i] = (float)(2 * uniform());
    return pixels;
}

texts make_texts(const network *net, size_t n)
{
    const clipc_config *c = &net->config;
    texts t = { .n = n };
    t.ids = malloc(n * c->context_length * sizeof *t.ids);
    t.starts = malloc((n + 1) * sizeof *t.starts);
    t.pooled = malloc(n * sizeof *t.pooled);
    CHECK(t.ids && t.starts && t.pooled);
    state = 43;
    t.starts[0] = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t *ids = t.ids + t.starts[i];
        size_t length = 1 + (size_t)((uniform() + 1) / 2 *
                                     (double)c->context_length);
        if (length > c->context_length)
            length = c->context_length;
        for (size_t k = 0; k < length; k++)
            ids[k] = (int32_t)((uniform() + 1) / 2 *
                               (double)(c->vocab_size - 1));
        if (clipc_config_pads_texts(c)) {
            for (; length < c->context_length; length++)
                ids[length] = 1;
            t.pooled[i] = length - 1;
            t.starts[i + 1] = t.starts[i] + length;
            continue;
        }
        t.pooled[i] = i % 5 == 4 ? 0 : i % 5 == 3 ? length / 2 : length - 1;
        if (i % 5 != 4)
            ids[t.pooled[i]] = (int32_t)c->eos_token_id;
        t.starts[i + 1] = t.starts[i] + length;
    }
    return t;
}

void free_texts(texts *t)
{
    free(t->ids);
    free(t->starts);
    free(t->pooled);
}

float *run_vision(clipc_engine *engine, const network *net,
                  const float *pixels, size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    float *out = malloc(n * net->config.projection_dim * sizeof *out);
    CHECK(out != NULL);
    CHECK_OK(clipc_vision_forward(engine, &net->config, &net->vision, pixels,
                                  n, out, &err),
             err);
    return out;
}

float *run_text(clipc_engine *engine, const network *net, const texts *t,
                size_t first, size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    float *out = malloc(n * net->config.projection_dim * sizeof *out);
    CHECK(out != NULL);
    CHECK_OK(clipc_text_forward(engine, &net->config, &net->text, t->ids,
                                t->starts + first, n, out, &err),
             err);
    return out;
}

void check_close(const char *what, const float *got, const double *want,
                 size_t n, size_t dim, double bound)
{
    for (size_t i = 0; i < n; i++) {
        double largest = 0;
        for (size_t k = 0; k < dim; k++)
            largest = fmax(largest, fabs(want[i * dim + k]));
        for (size_t k = 0; k < dim; k++) {
            double d = (double)got[i * dim + k] - want[i * dim + k];
            if (!(fabs(d) <= bound * largest))
                FAIL("%s: vector %zu, component %zu is off by %.3g of %.3g",
                     what, i, k, d, largest);
        }
    }
}
