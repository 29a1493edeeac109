/* SPDX-License-Identifier: MIT
 *
 * test_tower_rules.c - both towers on small random networks: batch, order and
 * threads do not change the numbers; the pooled row, the trace, NaN weights,
 * ids and sizes that are refused.
 */
#include "support/levels.h"
#include "support/networks.h"
#include "support/test.h"

#include "kernels/blas.h"
#include "towers/text_tower.h"
#include "towers/vision_tower.h"

#include <limits.h>
#include <stdlib.h>

/* ---- threads, batch and order do not move bits -------------------------- */

/* One by one on one thread against batches: large enough for several chunks
 * and for lanes of their own (thresholds are in transformer.c). */
static void check_network(network *net, const shape *s, size_t n,
                          clipc_gemm gemm, clipc_precision precision,
                          unsigned features)
{
    /* Emulated, a network takes minutes. */
    if (emulated() && n > 7)
        n = 7;
    size_t dim = net->config.projection_dim;
    size_t image = 3 * net->config.image_size * net->config.image_size;
    float *pixels = make_pixels(net, n);
    texts t = make_texts(net, n);
    double *want = doubles(n * dim);
    float *vision = malloc(n * dim * sizeof *vision);
    float *text = malloc(n * dim * sizeof *text);
    const unsigned threads[] = { 3, 1, 2, 5 };
    const size_t n_threads = emulated() ? 1 : 4;
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
    for (size_t k = 0; k < n_threads; k++) {
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

static void check_batches_as(const shape *s, size_t n, clipc_gemm gemm,
                             clipc_precision precision, unsigned features)
{
    check_network(make_network(s), s, n, gemm, precision, features);
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
            check_batches_as(&shapes[8], 4, CLIPC_GEMM_NATIVE,
                             (clipc_precision)p, levels[v]);
        }
    }
    for (int p = CLIPC_PRECISION_BF16; p <= CLIPC_PRECISION_INT8; p++)
        check_batches_as(&shapes[0], 210, CLIPC_GEMM_NATIVE,
                         (clipc_precision)p, UINT_MAX);
}

/* Marks layers of a tower: every q, k and v (kind 0), every fc1 (1), or q, k
 * and v of the first layer and of the head (2). */
static void mark_fine(clipc_tower_weights *tower, size_t n_layers, int kind)
{
    for (size_t l = 0; l < n_layers; l++) {
        clipc_linear *linears = tower->layers[l].linears;
        linears[CLIPC_LINEAR_Q].fine = kind == 0 || (kind == 2 && l == 0);
        linears[CLIPC_LINEAR_K].fine = linears[CLIPC_LINEAR_Q].fine;
        linears[CLIPC_LINEAR_V].fine = linears[CLIPC_LINEAR_Q].fine;
        linears[CLIPC_LINEAR_FC1].fine = kind == 1;
    }
    if (tower->head.probe) {
        tower->head.linears[CLIPC_LINEAR_K].fine = kind != 1;
        tower->head.linears[CLIPC_LINEAR_V].fine = kind != 1;
        tower->head.linears[CLIPC_LINEAR_FC1].fine = kind == 1;
    }
}

TEST(nor_where_some_layers_of_int8_are_bf16)
{
    static const size_t which[] = { 1, 8, FIRST_SIGLIP };

    for (size_t i = 0; i < sizeof which / sizeof *which; i++)
        for (size_t v = 0; v < N_LEVELS; v++)
            for (int kind = 0; kind < 3 && level_is_new(v); kind++) {
                const shape *s = &shapes[which[i]];
                network *net = make_network(s);
                mark_fine(&net->vision.tower, s->n_layers, kind);
                mark_fine(&net->text.tower, s->n_layers, kind);
                check_network(net, s, 31, CLIPC_GEMM_NATIVE,
                              CLIPC_PRECISION_INT8, levels[v]);
            }
}

/* The rows of a common beginning of texts are computed once. The result has
 * the bits of the plain way. */
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
        CHECK_INT(clipc_text_pooled_row(cases[i].ids, cases[i].n, cases[i].eos,
                                        cases[i].eos == 2),
                  cases[i].row);
    /* MetaCLIP 2: 2 is 2. */
    CHECK_INT(clipc_text_pooled_row((const int32_t[]){ 0, 9, 2, 1 }, 4, 2,
                                    false),
              2);
}

TEST(which_models_pool_the_highest_id)
{
    clipc_config config;

    clipc_config_default(&config, CLIPC_FAMILY_CLIP);
    CHECK(!clipc_config_pools_highest(&config));
    config.eos_token_id = 2;
    CHECK(clipc_config_pools_highest(&config));
    config.family = CLIPC_FAMILY_METACLIP_2;
    CHECK(!clipc_config_pools_highest(&config));
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
