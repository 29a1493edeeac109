/* SPDX-License-Identifier: MIT
 *
 * test_towers.c - both towers on small random networks, against a plain double
 * precision reference: every row of every layer, one sequence at a time, no
 * shortcut. Batch, order and threads must not change the numbers.
 */
#include "support/test.h"

#include "kernels/openblas.h"
#include "support/levels.h"
#include "towers/text_tower.h"
#include "towers/vision_tower.h"
#include "kernels/dispatch.h"

#include <limits.h>
#include <stdlib.h>

/* ---- networks ---------------------------------------------------------- */

typedef struct shape {
    const char *name;
    size_t width, n_layers, n_heads, mlp_width; /* of both towers */
    clipc_activation activation;
    size_t patch_size, across; /* image_size = patch_size * across */
    size_t context, vocab, dim;
} shape;

static const shape shapes[] = {
    { "ordinary", 64, 3, 4, 128, CLIPC_QUICK_GELU, 8, 3, 24, 96, 32 },
    { "gelu", 64, 2, 2, 256, CLIPC_GELU, 4, 4, 24, 96, 48 },
    { "one layer", 32, 1, 2, 64, CLIPC_QUICK_GELU, 8, 2, 16, 50, 16 },
    { "one head", 24, 2, 1, 96, CLIPC_QUICK_GELU, 5, 3, 16, 50, 16 },
    { "odd sizes", 30, 2, 3, 37, CLIPC_GELU, 3, 3, 16, 61, 7 },
    { "head dim 1", 6, 2, 6, 5, CLIPC_QUICK_GELU, 2, 2, 16, 61, 1 },
    { "one patch", 40, 2, 8, 80, CLIPC_QUICK_GELU, 6, 1, 4, 20, 8 },
    { "long", 16, 2, 2, 32, CLIPC_QUICK_GELU, 2, 12, 160, 40, 8 },
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

typedef struct network {
    clipc_config config;
    clipc_vision_weights vision;
    clipc_text_weights text;
    clipc_layer_weights vision_layers[3], text_layers[3];
    float *blocks[128];
    size_t n_blocks;
} network;

static uint64_t state;

static double uniform(void) /* [-1, 1) */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(int64_t)(state >> 11 << 1) / 9007199254740992.0 - 1;
}

static float *tensor(network *net, size_t n, double middle, double spread)
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

static const float *floats(const clipc_matrix *matrix)
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

static network *make_network(const shape *s)
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
    net->config = (clipc_config){ .vision = tower,
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
    return net;
}

static void free_network(network *net)
{
    for (size_t i = 0; i < net->n_blocks; i++)
        free(net->blocks[i]);
    free(net);
}

/* ---- reference --------------------------------------------------------- */

static double *doubles(size_t n)
{
    double *x = calloc(n ? n : 1, sizeof *x);
    CHECK(x != NULL);
    return x;
}

static void ref_layernorm(double *y, const double *x, const float *gain,
                          const float *bias, double eps, size_t n)
{
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        variance += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) / sqrt(variance + eps) * (double)gain[i] +
               (double)bias[i];
}

static void ref_linear(double *y, const double *x, const clipc_linear *l,
                       size_t n_rows)
{
    const size_t n_out = l->weight.n_out, n_in = l->weight.n_in;
    const float *weight = floats(&l->weight), *bias = l->bias;

    for (size_t t = 0; t < n_rows; t++) {
        for (size_t o = 0; o < n_out; o++) {
            double sum = bias ? (double)bias[o] : 0;
            for (size_t i = 0; i < n_in; i++)
                sum += x[t * n_in + i] * (double)weight[o * n_in + i];
            y[t * n_out + o] = sum;
        }
    }
}

static void ref_attention(double *out, const double *q, const double *k,
                          const double *v, size_t n_rows, size_t width,
                          size_t n_heads, bool causal)
{
    size_t dim = width / n_heads;
    double *weight = doubles(n_rows);

    for (size_t t = 0; t < n_rows; t++) {
        for (size_t h = 0; h < n_heads; h++) {
            size_t seen = causal ? t + 1 : n_rows, at = h * dim;
            double largest = -INFINITY, total = 0;
            for (size_t s = 0; s < seen; s++) {
                weight[s] = 0;
                for (size_t i = 0; i < dim; i++)
                    weight[s] += q[t * width + at + i] * k[s * width + at + i];
                weight[s] /= sqrt((double)dim);
                largest = fmax(largest, weight[s]);
            }
            for (size_t s = 0; s < seen; s++)
                total += weight[s] = exp(weight[s] - largest);
            for (size_t i = 0; i < dim; i++) {
                double sum = 0;
                for (size_t s = 0; s < seen; s++)
                    sum += weight[s] / total * v[s * width + at + i];
                out[t * width + at + i] = sum;
            }
        }
    }
    free(weight);
}

/* x [n_rows, D] through all layers, in place. */
static void ref_layers(double *x, size_t n_rows, const clipc_tower_config *c,
                       const clipc_layer_weights *layers, bool causal)
{
    size_t d = c->width, n = n_rows * d;
    double *y = doubles(n), *q = doubles(n), *k = doubles(n), *v = doubles(n);
    double *h = doubles(n_rows * c->mlp_width);

    for (size_t l = 0; l < c->n_layers; l++) {
        const clipc_layer_weights *w = &layers[l];
        for (size_t t = 0; t < n_rows; t++)
            ref_layernorm(y + t * d, x + t * d, w->ln1_gain, w->ln1_bias,
                          (double)c->eps, d);
        ref_linear(q, y, &w->linears[CLIPC_LINEAR_Q], n_rows);
        ref_linear(k, y, &w->linears[CLIPC_LINEAR_K], n_rows);
        ref_linear(v, y, &w->linears[CLIPC_LINEAR_V], n_rows);
        ref_attention(y, q, k, v, n_rows, d, c->n_heads, causal);
        ref_linear(q, y, &w->linears[CLIPC_LINEAR_OUT], n_rows);
        for (size_t i = 0; i < n; i++)
            x[i] += q[i];
        for (size_t t = 0; t < n_rows; t++)
            ref_layernorm(y + t * d, x + t * d, w->ln2_gain, w->ln2_bias,
                          (double)c->eps, d);
        ref_linear(h, y, &w->linears[CLIPC_LINEAR_FC1], n_rows);
        for (size_t i = 0; i < n_rows * c->mlp_width; i++)
            h[i] = c->activation == CLIPC_GELU
                       ? 0.5 * h[i] * erfc(-h[i] / sqrt(2.0))
                       : h[i] / (1 + exp(-1.702 * h[i]));
        ref_linear(q, h, &w->linears[CLIPC_LINEAR_FC2], n_rows);
        for (size_t i = 0; i < n; i++)
            x[i] += q[i];
    }
    free(y);
    free(q);
    free(k);
    free(v);
    free(h);
}

static void ref_vision(const network *net, const float *pixels, double *out)
{
    const clipc_config *c = &net->config;
    const clipc_vision_weights *w = &net->vision;
    size_t d = c->vision.width, p = c->patch_size, size = c->image_size;
    size_t across = size / p, n_rows = across * across + 1;
    double *x = doubles(n_rows * d), *pooled = doubles(d);

    for (size_t t = 0; t < n_rows; t++) {
        for (size_t o = 0; o < d; o++) {
            double sum = t ? 0 : (double)w->class_embedding[o];
            for (size_t i = 0; t && i < 3 * p * p; i++) {
                size_t ch = i / (p * p), py = i / p % p, px = i % p;
                size_t row = (t - 1) / across * p + py;
                size_t column = (t - 1) % across * p + px;
                sum += (double)pixels[(ch * size + row) * size + column] *
                       (double)floats(
                           &w->tower.patch.weight)[o * 3 * p * p + i];
            }
            x[t * d + o] = sum + (double)w->position_embedding[t * d + o];
        }
        ref_layernorm(x + t * d, x + t * d, w->pre_ln_gain, w->pre_ln_bias,
                      (double)c->vision.eps, d);
    }
    ref_layers(x, n_rows, &c->vision, w->tower.layers, false);
    ref_layernorm(pooled, x, w->tower.final_ln_gain, w->tower.final_ln_bias,
                  (double)c->vision.eps, d);
    ref_linear(out, pooled, &w->tower.projection, 1);
    free(x);
    free(pooled);
}

/* Every row of the text, those after the pooled one too. */
static void ref_text(const network *net, const int32_t *ids, size_t n_rows,
                     size_t row, double *out)
{
    const clipc_config *c = &net->config;
    const clipc_text_weights *w = &net->text;
    size_t d = c->text.width;
    double *x = doubles(n_rows * d), *pooled = doubles(d);

    for (size_t t = 0; t < n_rows; t++)
        for (size_t o = 0; o < d; o++)
            x[t * d + o] = (double)floats(
                               &w->token_embedding)[(size_t)ids[t] * d + o] +
                           (double)w->position_embedding[t * d + o];
    ref_layers(x, n_rows, &c->text, w->tower.layers, true);
    ref_layernorm(pooled, x + row * d, w->tower.final_ln_gain,
                  w->tower.final_ln_bias, (double)c->text.eps, d);
    ref_linear(out, pooled, &w->tower.projection, 1);
    free(x);
    free(pooled);
}

/* ---- engines and inputs ------------------------------------------------ */

static void engine_open_as(clipc_engine *engine, unsigned threads,
                           clipc_gemm gemm, clipc_precision precision,
                           unsigned features)
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

static void engine_open(clipc_engine *engine, unsigned threads,
                        clipc_gemm gemm)
{
    engine_open_as(engine, threads, gemm, CLIPC_PRECISION_F32, UINT_MAX);
}

static void engine_close(clipc_engine *engine)
{
    clipc_pool_destroy(engine->pool);
    free(engine->scratch);
    free(engine->text_scratch);
}

static float *make_pixels(const network *net, size_t n)
{
    size_t size = 3 * net->config.image_size * net->config.image_size;
    float *pixels = malloc(n * size * sizeof *pixels);
    CHECK(pixels != NULL);
    state = 42;
    for (size_t i = 0; i < n * size; i++)
        pixels[i] = (float)(2 * uniform());
    return pixels;
}

typedef struct texts {
    int32_t *ids;
    size_t *starts, *pooled, n;
} texts;

/* Lengths differ; most end with the end token, some go on behind it, some
 * have none. */
static texts make_texts(const network *net, size_t n)
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
        t.pooled[i] = i % 5 == 4 ? 0 : i % 5 == 3 ? length / 2 : length - 1;
        if (i % 5 != 4)
            ids[t.pooled[i]] = (int32_t)c->eos_token_id;
        t.starts[i + 1] = t.starts[i] + length;
    }
    return t;
}

static void free_texts(texts *t)
{
    free(t->ids);
    free(t->starts);
    free(t->pooled);
}

static float *run_vision(clipc_engine *engine, const network *net,
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

static float *run_text(clipc_engine *engine, const network *net,
                       const texts *t, size_t first, size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    float *out = malloc(n * net->config.projection_dim * sizeof *out);
    CHECK(out != NULL);
    CHECK_OK(clipc_text_forward(engine, &net->config, &net->text, t->ids,
                                t->starts + first, n, out, &err),
             err);
    return out;
}

/* Each vector within `bound` of its largest component. */
static void check_close(const char *what, const float *got, const double *want,
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

/* ---- against the reference --------------------------------------------- */

/* f32 through at most 3 layers: some tens of roundings of 6e-8 beside each
 * other, seen as 1e-6 of the largest component. */
#define REFERENCE_BOUND 5e-6

static void check_reference(clipc_gemm gemm, unsigned threads)
{
    enum { N = 5 };
    for (size_t s = 0; s < N_SHAPES; s++) {
        network *net = make_network(&shapes[s]);
        size_t dim = net->config.projection_dim;
        size_t image = 3 * net->config.image_size * net->config.image_size;
        float *pixels = make_pixels(net, N);
        texts t = make_texts(net, N);
        double *want = doubles(N * dim);
        clipc_engine engine;

        engine_open(&engine, threads, gemm);
        float *got = run_vision(&engine, net, pixels, N);
        for (size_t i = 0; i < N; i++)
            ref_vision(net, pixels + i * image, want + i * dim);
        check_close(shapes[s].name, got, want, N, dim, REFERENCE_BOUND);
        free(got);
        got = run_text(&engine, net, &t, 0, N);
        for (size_t i = 0; i < N; i++)
            ref_text(net, t.ids + t.starts[i], t.starts[i + 1] - t.starts[i],
                     t.pooled[i], want + i * dim);
        check_close(shapes[s].name, got, want, N, dim, REFERENCE_BOUND);
        free(got);
        engine_close(&engine);
        free(want);
        free(pixels);
        free_texts(&t);
        free_network(net);
    }
}

TEST(native_towers_equal_the_reference)
{
    check_reference(CLIPC_GEMM_NATIVE, 1);
    check_reference(CLIPC_GEMM_NATIVE, 2);
}

TEST(openblas_towers_equal_the_reference)
{
    if (!clipc_openblas_version())
        SKIP("no OpenBLAS here");
    check_reference(CLIPC_GEMM_OPENBLAS, 1);
    check_reference(CLIPC_GEMM_OPENBLAS, 3);
}

/* ---- changes that must not matter -------------------------------------- */

/* One by one on one thread against batches: large enough for several chunks
 * and for lanes of their own (thresholds are in transformer.c). */
static void check_batches_as(const shape *s, size_t n, clipc_gemm gemm,
                             clipc_precision precision, unsigned features)
{
    network *net = make_network(s);
    size_t dim = net->config.projection_dim;
    size_t image = 3 * net->config.image_size * net->config.image_size;
    float *pixels = make_pixels(net, n);
    texts t = make_texts(net, n);
    double *want = doubles(n * dim);
    float *vision = malloc(n * dim * sizeof *vision);
    float *text = malloc(n * dim * sizeof *text);
    const unsigned threads[] = { 1, 2, 3, 5 };
    clipc_engine engine;

    CHECK(vision && text);
    engine_open_as(&engine, 1, gemm, precision, features);
    for (size_t i = 0; i < n; i++) {
        float *one = run_vision(&engine, net, pixels + i * image, 1);
        memcpy(vision + i * dim, one, dim * sizeof *one);
        free(one);
        one = run_text(&engine, net, &t, i, 1);
        memcpy(text + i * dim, one, dim * sizeof *one);
        free(one);
    }
    engine_close(&engine);
    for (size_t k = 0; k < sizeof threads / sizeof threads[0]; k++) {
        engine_open_as(&engine, threads[k], gemm, precision, features);
        for (size_t batch = n; batch > 0; batch /= 3) {
            float *got = run_vision(&engine, net, pixels, batch);
            if (gemm == CLIPC_GEMM_NATIVE)
                CHECK_BYTES(got, vision, batch * dim * sizeof *got);
            for (size_t i = 0; i < batch * dim; i++)
                want[i] = (double)vision[i];
            check_close(s->name, got, want, batch, dim, 1e-5);
            free(got);
            got = run_text(&engine, net, &t, n - batch, batch);
            if (gemm == CLIPC_GEMM_NATIVE)
                CHECK_BYTES(got, text + (n - batch) * dim,
                            batch * dim * sizeof *got);
            for (size_t i = 0; i < batch * dim; i++)
                want[i] = (double)text[(n - batch) * dim + i];
            check_close(s->name, got, want, batch, dim, 1e-5);
            free(got);
        }
        engine_close(&engine);
    }
    free(want);
    free(vision);
    free(text);
    free(pixels);
    free_texts(&t);
    free_network(net);
}

static void check_batches(const shape *s, size_t n, clipc_gemm gemm)
{
    check_batches_as(s, n, gemm, CLIPC_PRECISION_F32, UINT_MAX);
}

TEST(bits_do_not_depend_on_batch_or_threads_in_any_precision)
{
    for (int p = CLIPC_PRECISION_F32; p <= CLIPC_PRECISION_INT8; p++) {
        for (size_t v = 0; v < N_LEVELS; v++) {
            if (!level_is_new(v))
                continue;
            check_batches_as(&shapes[1], 7, CLIPC_GEMM_NATIVE,
                             (clipc_precision)p, levels[v]);
            check_batches_as(&shapes[4], 31, CLIPC_GEMM_NATIVE,
                             (clipc_precision)p, levels[v]);
        }
    }
    for (int p = CLIPC_PRECISION_BF16; p <= CLIPC_PRECISION_INT8; p++)
        check_batches_as(&shapes[0], 210, CLIPC_GEMM_NATIVE,
                         (clipc_precision)p, UINT_MAX);
}

/* Least cosine of rows of a and b. */
static double least_cosine(const float *a, const float *b, size_t n,
                           size_t dim)
{
    double least = 1;
    for (size_t i = 0; i < n; i++, a += dim, b += dim) {
        double ab = 0, aa = 0, bb = 0;
        for (size_t d = 0; d < dim; d++) {
            ab += (double)a[d] * (double)b[d];
            aa += (double)a[d] * (double)a[d];
            bb += (double)b[d] * (double)b[d];
        }
        least = fmin(least, ab / sqrt(aa * bb));
    }
    return least;
}

/* Kernels of all instruction sets compute the same layers. */
TEST(instruction_sets_agree)
{
    enum { N = 12 };
    const double least[] = { [CLIPC_PRECISION_F32] = 0.99999999,
                             [CLIPC_PRECISION_BF16] = 0.99999,
                             [CLIPC_PRECISION_INT8] = 0.9999 };
    network *net = make_network(&shapes[1]);
    size_t dim = net->config.projection_dim;
    float *pixels = make_pixels(net, N);
    texts t = make_texts(net, N);

    for (int p = CLIPC_PRECISION_F32; p <= CLIPC_PRECISION_INT8; p++) {
        float *vision = NULL, *text = NULL;
        for (size_t v = 0; v < N_LEVELS; v++) {
            clipc_engine engine;
            if (!level_is_new(v))
                continue;
            engine_open_as(&engine, 1, CLIPC_GEMM_NATIVE, (clipc_precision)p,
                           levels[v]);
            float *a = run_vision(&engine, net, pixels, N);
            float *b = run_text(&engine, net, &t, 0, N);
            engine_close(&engine);
            if (v == 0) {
                vision = a;
                text = b;
                continue;
            }
            double images = least_cosine(a, vision, N, dim);
            double texts_cosine = least_cosine(b, text, N, dim);
            if (images < least[p] || texts_cosine < least[p])
                FAIL("precision %d, level %zu: cosines to C %.9f and %.9f", p,
                     v, images, texts_cosine);
            free(a);
            free(b);
        }
        free(vision);
        free(text);
    }
    free(pixels);
    free_texts(&t);
    free_network(net);
}

/* Rows that texts begin with alike are computed once, and nothing shows. */
TEST(texts_that_begin_alike_are_as_if_alone)
{
    enum { N = 90 };
    network *net = make_network(&shapes[0]);
    const size_t dim = net->config.projection_dim;
    const int32_t end = (int32_t)net->config.eos_token_id;
    int32_t ids[N * 9];
    texts t = { .ids = ids, .n = N };
    size_t starts[N + 1] = { 0 };

    t.starts = starts;
    for (size_t i = 0; i < N; i++) { /* of 1 to 8 tokens, half of them twice */
        size_t length = i % 8, at = starts[i];
        for (size_t k = 0; k < length; k++)
            ids[at + k] = (int32_t)(1 + (i * 7 / 8 >> k & 1));
        ids[at + length] = end;
        starts[i + 1] = at + length + 1;
    }
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        clipc_engine engine;
        engine_open(&engine, threads, CLIPC_GEMM_NATIVE);
        float *all = run_text(&engine, net, &t, 0, N);
        for (size_t i = 0; i < N; i++) {
            float *one = run_text(&engine, net, &t, i, 1);
            CHECK_BYTES(one, all + i * dim, dim * sizeof *one);
            free(one);
        }
        free(all);
        engine_close(&engine);
    }
    free_network(net);
}

TEST(native_bits_do_not_depend_on_batch_or_threads)
{
    for (size_t s = 0; s < N_SHAPES; s++)
        check_batches(&shapes[s], 7, CLIPC_GEMM_NATIVE);
    check_batches(&shapes[0], 210, CLIPC_GEMM_NATIVE); /* 2,100 rows */
    check_batches(&shapes[4], 210, CLIPC_GEMM_NATIVE);
    check_batches(&shapes[7], 12, CLIPC_GEMM_NATIVE); /* 145 rows each */
}

TEST(openblas_batches_are_within_their_bound)
{
    if (!clipc_openblas_version())
        SKIP("no OpenBLAS here");
    check_batches(&shapes[0], 210, CLIPC_GEMM_OPENBLAS);
    check_batches(&shapes[1], 40, CLIPC_GEMM_OPENBLAS);
}

TEST(order_of_images_does_not_matter)
{
    enum { N = 9 };
    network *net = make_network(&shapes[0]);
    size_t dim = net->config.projection_dim;
    size_t image = 3 * net->config.image_size * net->config.image_size;
    float *pixels = make_pixels(net, N), *turned = make_pixels(net, N);
    clipc_engine engine;

    for (size_t i = 0; i < N; i++)
        memcpy(turned + (N - 1 - i) * image, pixels + i * image,
               image * sizeof *pixels);
    engine_open(&engine, 2, CLIPC_GEMM_NATIVE);
    float *a = run_vision(&engine, net, pixels, N);
    float *b = run_vision(&engine, net, turned, N);
    for (size_t i = 0; i < N; i++)
        CHECK_BYTES(a + i * dim, b + (N - 1 - i) * dim, dim * sizeof *a);
    engine_close(&engine);
    free(a);
    free(b);
    free(pixels);
    free(turned);
    free_network(net);
}

TEST(tokens_after_the_end_do_not_matter)
{
    network *net = make_network(&shapes[0]);
    const int32_t end = (int32_t)net->config.eos_token_id;
    int32_t ids[] = { 5, 9, end, 5, 9, end, 17, 3, end, end };
    const size_t starts[] = { 0, 3, 10 };
    float out[2 * 32];
    clipc_engine engine;
    clipc_error err = CLIPC_ERROR_INIT;

    engine_open(&engine, 1, CLIPC_GEMM_NATIVE);
    CHECK_OK(clipc_text_forward(&engine, &net->config, &net->text, ids, starts,
                                2, out, &err),
             err);
    CHECK_BYTES(out, out + 32, sizeof out / 2);
    engine_close(&engine);
    free_network(net);
}

TEST(scratch_is_kept)
{
    network *net = make_network(&shapes[0]);
    float *pixels = make_pixels(net, 60);
    clipc_engine engine;

    engine_open(&engine, 2, CLIPC_GEMM_NATIVE);
    free(run_vision(&engine, net, pixels, 60));
    const void *scratch = engine.scratch;
    size_t size = engine.scratch_bytes;
    free(run_vision(&engine, net, pixels, 60));
    free(run_vision(&engine, net, pixels, 1));
    free(run_vision(&engine, net, pixels, 13));
    CHECK(engine.scratch == scratch);
    CHECK_INT(engine.scratch_bytes, size);
    engine_close(&engine);
    free(pixels);
    free_network(net);
}

/* ---- rules, hooks, errors ---------------------------------------------- */

TEST(pooled_row_follows_the_config)
{
    static const struct {
        int32_t ids[6];
        size_t n;
        int64_t eos;
        size_t row;
    } cases[] = {
        { { 7, 1, 2, 9 }, 4, 9, 3 },
        { { 7, 9, 2, 9, 9 }, 5, 9, 1 }, /* the first */
        { { 9, 1 }, 2, 9, 0 },
        { { 7, 1, 3 }, 3, 9, 0 },    /* none */
        { { 7, 1, 2, 9 }, 4, 2, 3 }, /* 2: the highest */
        { { 7, 9, 2, 9 }, 4, 2, 1 }, /* the first of them */
        { { 9, 8, 7 }, 3, 2, 0 },
        { { 5 }, 1, 2, 0 },
        { { 3, 2, 1 }, 3, -1, 0 },
        { { 3, 2, 1 }, 3, INT64_C(4294967297), 0 }, /* not 1 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_INT(clipc_text_pooled_row(cases[i].ids, cases[i].n,
                                        cases[i].eos),
                  cases[i].row);
}

TEST(bad_ids_are_refused)
{
    network *net = make_network(&shapes[6]); /* context 4, vocabulary 20 */
    clipc_engine engine;
    float out[2 * 8];
    static const struct {
        int32_t ids[6];
        size_t starts[3], n;
        clipc_status want;
        const char *message;
    } cases[] = {
        { { 1, 20 }, { 0, 2 }, 1, CLIPC_ERR_CONFIG, "id 20" },
        { { 1, -1 }, { 0, 2 }, 1, CLIPC_ERR_CONFIG, "id -1" },
        { { 1, 2 }, { 0, 2, 2 }, 2, CLIPC_ERR_ARGUMENT, "text 1" },
        { { 1, 2, 3, 4, 5 }, { 0, 5 }, 1, CLIPC_ERR_TOO_LONG, "length of 4" },
    };

    engine_open(&engine, 1, CLIPC_GEMM_NATIVE);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        CHECK_STATUS(clipc_text_forward(&engine, &net->config, &net->text,
                                        cases[i].ids, cases[i].starts,
                                        cases[i].n, out, &err),
                     cases[i].want);
        CHECK_HAS(err.message, cases[i].message);
    }
    CHECK_STATUS(clipc_text_forward(&engine, &net->config, &net->text,
                                    cases[0].ids, cases[0].starts, 0, out,
                                    NULL),
                 CLIPC_OK);
    CHECK_STATUS(clipc_vision_forward(&engine, &net->config, &net->vision,
                                      NULL, 0, out, NULL),
                 CLIPC_OK);
    engine_close(&engine);
    free_network(net);
}

typedef struct progress {
    size_t calls, last, total, cancel_at;
} progress;

static int watch(void *user, const clipc_progress *now)
{
    progress *p = user;
    p->calls++;
    if (now->done <= p->last)
        p->calls += 1000;
    p->last = now->done;
    p->total = now->total;
    return p->calls == p->cancel_at;
}

TEST(progress_counts_and_cancels)
{
    enum { N = 300 }; /* 10 rows each: several chunks */
    network *net = make_network(&shapes[0]);
    float *pixels = make_pixels(net, N);
    clipc_engine engine;
    clipc_error err = CLIPC_ERROR_INIT;
    progress p = { 0 };

    engine_open(&engine, 1, CLIPC_GEMM_NATIVE);
    engine.progress = watch;
    engine.progress_user = &p;
    float *want = run_vision(&engine, net, pixels, N);
    CHECK(p.calls > 2 && p.calls < 20);
    CHECK_INT(p.last, N);
    CHECK_INT(p.total, N);
    p = (progress){ .cancel_at = 2 };
    float *out = malloc(N * 32 * sizeof *out);
    CHECK(out != NULL);
    CHECK_STATUS(clipc_vision_forward(&engine, &net->config, &net->vision,
                                      pixels, N, out, &err),
                 CLIPC_ERR_CANCELLED);
    CHECK_INT(p.calls, 2);
    p = (progress){ 0 }; /* and the engine still works */
    float *got = run_vision(&engine, net, pixels, N);
    CHECK_BYTES(got, want, N * 32 * sizeof *got);
    engine_close(&engine);
    free(want);
    free(got);
    free(out);
    free(pixels);
    free_network(net);
}

typedef struct record {
    char order[512];
    size_t n_rows, pooled_rows;
    float pooled_layer[3 * 64]; /* last layer's rows */
    float projection[3 * 32];
} record;

static void note(void *user, const char *tower, const char *stage,
                 size_t layer, const float *data, size_t n_rows, size_t width)
{
    record *r = user;
    size_t used = strlen(r->order);
    snprintf(r->order + used, sizeof r->order - used, "%s/%s/%zu ", tower,
             stage, layer);
    if (strcmp(stage, "embeddings") == 0)
        r->n_rows = n_rows;
    if (strcmp(stage, "layer") == 0) {
        r->pooled_rows = n_rows;
        if (layer == 2)
            memcpy(r->pooled_layer, data, n_rows * width * sizeof *data);
    }
    if (strcmp(stage, "projection") == 0)
        memcpy(r->projection, data, n_rows * width * sizeof *data);
}

TEST(trace_shows_every_stage)
{
    network *net = make_network(&shapes[0]);
    texts t = make_texts(net, 3);
    float *pixels = make_pixels(net, 2);
    record r = { .order = "" };
    clipc_engine engine;
    size_t rows = 0;

    engine_open(&engine, 2, CLIPC_GEMM_NATIVE);
    engine.trace = note;
    engine.trace_user = &r;
    float *out = run_vision(&engine, net, pixels, 2);
    CHECK_STR(r.order, "vision/embeddings/0 vision/layer/0 vision/layer/1 "
                       "vision/layer/2 vision/pooled/0 vision/projection/0 ");
    CHECK_INT(r.n_rows, 2 * 10);
    CHECK_INT(r.pooled_rows, 2);
    CHECK_BYTES(out, r.projection, 2 * 32 * sizeof *out);
    free(out);
    r = (record){ .order = "" };
    out = run_text(&engine, net, &t, 0, 3);
    CHECK_STR(r.order, "text/embeddings/0 text/layer/0 text/layer/1 "
                       "text/layer/2 text/pooled/0 text/projection/0 ");
    for (size_t i = 0; i < 3; i++)
        rows += t.pooled[i] + 1;
    CHECK_INT(r.n_rows, rows);
    CHECK_INT(r.pooled_rows, 3);
    CHECK_BYTES(out, r.projection, 3 * 32 * sizeof *out);
    free(out);
    engine_close(&engine);
    free(pixels);
    free_texts(&t);
    free_network(net);
}

/* A network whose weights hold NaN answers NaN: encode.c turns it into an
 * error. Nothing on the way may hide it. */
TEST(nan_weights_reach_the_output)
{
    network *net = make_network(&shapes[2]);
    const size_t dim = net->config.projection_dim;
    float *pixels = make_pixels(net, 1);
    clipc_engine engine;
    const clipc_linear *linears = net->vision_layers[0].linears;
    const float *targets[] = { floats(&linears[CLIPC_LINEAR_Q].weight),
                               linears[CLIPC_LINEAR_V].bias,
                               floats(&linears[CLIPC_LINEAR_FC1].weight),
                               net->vision.class_embedding };

    engine_open(&engine, 1, CLIPC_GEMM_NATIVE);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        float kept, nan = NAN;
        memcpy(&kept, targets[i], sizeof kept);
        for (size_t b = 0; b < net->n_blocks; b++)
            if (net->blocks[b] == targets[i])
                net->blocks[b][0] = nan;
        float *out = run_vision(&engine, net, pixels, 1);
        for (size_t k = 0; k < dim; k++)
            CHECK(isnan(out[k]));
        free(out);
        for (size_t b = 0; b < net->n_blocks; b++)
            if (net->blocks[b] == targets[i])
                net->blocks[b][0] = kept;
    }
    engine_close(&engine);
    free(pixels);
    free_network(net);
}

/* Sizes nobody can have memory for are an error, not an overflow. */
TEST(impossible_sizes_are_refused)
{
    network *net = make_network(&shapes[2]);
    clipc_engine engine;
    clipc_error err = CLIPC_ERROR_INIT;
    float out[16], pixel = 0;

    engine_open(&engine, 1, CLIPC_GEMM_NATIVE);
    net->config.vision.mlp_width = SIZE_MAX / 4;
    clipc_status status = clipc_vision_forward(&engine, &net->config,
                                               &net->vision, &pixel, 1, out,
                                               &err);
    CHECK(status == CLIPC_ERR_LIMIT || status == CLIPC_ERR_NOMEM);
    engine_close(&engine);
    free_network(net);
}

/* The last layer computes pooled rows only; the same network with a further
 * layer that changes nothing (all its products zero) computes them all. */
TEST(last_layer_shortcut_changes_nothing)
{
    network *net = make_network(&shapes[0]);
    size_t d = net->config.vision.width, m = net->config.vision.mlp_width;
    float *pixels = make_pixels(net, 3);
    texts t = make_texts(net, 3);
    float *zeros = tensor(net, d * m, 0, 0), *ones = tensor(net, d, 1, 0);
    clipc_engine engine;

    engine_open(&engine, 1, CLIPC_GEMM_NATIVE);
    net->config.vision.n_layers = net->config.text.n_layers = 2;
    float *vision = run_vision(&engine, net, pixels, 3);
    float *text = run_text(&engine, net, &t, 0, 3);
    clipc_layer_weights nothing = { .ln1_gain = ones,
                                    .ln1_bias = zeros,
                                    .ln2_gain = ones,
                                    .ln2_bias = zeros };
    for (int i = 0; i < CLIPC_N_LAYER_LINEARS; i++) {
        nothing.linears[i] = net->vision_layers[0].linears[i];
        nothing.linears[i].weight.data = zeros;
        nothing.linears[i].bias = zeros;
    }
    net->vision_layers[2] = net->text_layers[2] = nothing;
    net->config.vision.n_layers = net->config.text.n_layers = 3;
    float *vision_full = run_vision(&engine, net, pixels, 3);
    float *text_full = run_text(&engine, net, &t, 0, 3);
    CHECK_BYTES(vision_full, vision, 3 * 32 * sizeof *vision);
    CHECK_BYTES(text_full, text, 3 * 32 * sizeof *text);
    engine_close(&engine);
    free(vision);
    free(text);
    free(vision_full);
    free(text_full);
    free(pixels);
    free_texts(&t);
    free_network(net);
}
