/* SPDX-License-Identifier: MIT
 *
 * test_towers.c - both towers on small random networks, against a plain double
 * precision reference: every row of every layer, one sequence at a time, no
 * shortcut. Batch, order and threads must not change the numbers.
 */
#include "support/levels.h"
#include "support/networks.h"
#include "support/test.h"

#include "kernels/blas.h"

#include <stdlib.h>

/* ---- reference --------------------------------------------------------- */

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

static void ref_activation(double *h, size_t n, clipc_activation activation)
{
    const double root = sqrt(2 / acos(-1.0));

    for (size_t i = 0; i < n; i++) {
        double x = h[i];
        h[i] = activation == CLIPC_GELU ? 0.5 * x * erfc(-x / sqrt(2.0))
               : activation == CLIPC_GELU_TANH
                   ? 0.5 * x * (1 + tanh(root * (x + 0.044715 * x * x * x)))
                   : x / (1 + exp(-1.702 * x));
    }
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
        ref_activation(h, n_rows * c->mlp_width, c->activation);
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

/* All rows through LayerNorm, then one query over them. */
static void ref_head(const network *net, const double *x, size_t n_rows,
                     double *out)
{
    const clipc_tower_config *c = &net->config.vision;
    const clipc_tower_weights *w = &net->vision.tower;
    const clipc_head_weights *head = &w->head;
    const size_t d = c->width, dim = d / c->n_heads;
    double *y = doubles(n_rows * d), *k = doubles(n_rows * d);
    double *v = doubles(n_rows * d), *weight = doubles(n_rows);
    double *q = doubles(d), *a = doubles(d), *h = doubles(c->mlp_width);

    for (size_t t = 0; t < n_rows; t++)
        ref_layernorm(y + t * d, x + t * d, w->final_ln_gain, w->final_ln_bias,
                      (double)c->eps, d);
    for (size_t i = 0; i < d; i++)
        a[i] = (double)head->probe[i];
    ref_linear(q, a, &head->linears[CLIPC_LINEAR_Q], 1);
    ref_linear(k, y, &head->linears[CLIPC_LINEAR_K], n_rows);
    ref_linear(v, y, &head->linears[CLIPC_LINEAR_V], n_rows);
    for (size_t at = 0; at < d; at += dim) {
        double total = 0;
        for (size_t t = 0; t < n_rows; t++) {
            double score = 0;
            for (size_t i = at; i < at + dim; i++)
                score += q[i] * k[t * d + i];
            total += weight[t] = exp(score / sqrt((double)dim));
        }
        for (size_t i = at; i < at + dim; i++) {
            a[i] = 0;
            for (size_t t = 0; t < n_rows; t++)
                a[i] += weight[t] / total * v[t * d + i];
        }
    }
    ref_linear(out, a, &head->linears[CLIPC_LINEAR_OUT], 1);
    ref_layernorm(a, out, head->ln_gain, head->ln_bias, (double)c->eps, d);
    ref_linear(h, a, &head->linears[CLIPC_LINEAR_FC1], 1);
    ref_activation(h, c->mlp_width, c->activation);
    ref_linear(q, h, &head->linears[CLIPC_LINEAR_FC2], 1);
    for (size_t i = 0; i < d; i++)
        out[i] += q[i];
    free(y);
    free(k);
    free(v);
    free(weight);
    free(q);
    free(a);
    free(h);
}

static void ref_vision(const network *net, const float *pixels, double *out)
{
    const clipc_config *c = &net->config;
    const clipc_vision_weights *w = &net->vision;
    size_t d = c->vision.width, p = c->patch_size, size = c->image_size;
    size_t across = size / p, class_rows = w->class_embedding ? 1 : 0;
    size_t n_rows = across * across + class_rows;
    double *x = doubles(n_rows * d), *pooled = doubles(d);

    for (size_t t = 0; t < n_rows; t++) {
        for (size_t o = 0; o < d; o++) {
            bool is_class = t < class_rows;
            double sum = is_class ? (double)w->class_embedding[o] : 0;
            if (w->tower.patch.bias)
                sum += (double)w->tower.patch.bias[o];
            for (size_t i = 0; !is_class && i < 3 * p * p; i++) {
                size_t ch = i / (p * p), py = i / p % p, px = i % p;
                size_t row = (t - class_rows) / across * p + py;
                size_t column = (t - class_rows) % across * p + px;
                sum += (double)pixels[(ch * size + row) * size + column] *
                       (double)floats(
                           &w->tower.patch.weight)[o * 3 * p * p + i];
            }
            x[t * d + o] = sum + (double)w->position_embedding[t * d + o];
        }
        if (class_rows)
            ref_layernorm(x + t * d, x + t * d, w->pre_ln_gain, w->pre_ln_bias,
                          (double)c->vision.eps, d);
    }
    ref_layers(x, n_rows, &c->vision, w->tower.layers, false);
    if (w->tower.head.probe) {
        ref_head(net, x, n_rows, out);
    } else {
        ref_layernorm(pooled, x, w->tower.final_ln_gain,
                      w->tower.final_ln_bias, (double)c->vision.eps, d);
        ref_linear(out, pooled, &w->tower.projection, 1);
    }
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
    ref_layers(x, n_rows, &c->text, w->tower.layers,
               c->family == CLIPC_FAMILY_CLIP);
    ref_layernorm(pooled, x + row * d, w->tower.final_ln_gain,
                  w->tower.final_ln_bias, (double)c->text.eps, d);
    ref_linear(out, pooled, &w->tower.projection, 1);
    free(x);
    free(pooled);
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

static void check_instruction_sets(const shape *s, double least_int8)
{
    enum { N = 12 };
    const double least[] = { [CLIPC_PRECISION_F32] = 0.99999999,
                             [CLIPC_PRECISION_BF16] = 0.99999,
                             [CLIPC_PRECISION_INT8] = least_int8 };
    network *net = make_network(s);
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
                FAIL("%s, precision %d, level %zu: cosines to C %.9f and %.9f",
                     s->name, p, v, images, texts_cosine);
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

/* Kernels of all instruction sets compute the same layers. */
TEST(instruction_sets_agree)
{
    check_instruction_sets(&shapes[1], 0.9999);
    check_instruction_sets(&shapes[8], 0.9999);
    /* The head's MLP is the last step: nothing averages its rounding. */
    check_instruction_sets(&shapes[FIRST_SIGLIP], 0.9997);
}
