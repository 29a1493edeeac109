/* SPDX-License-Identifier: MIT
 *
 * test_bounds.c - what bounds a forward pass: the mlp's rows in blocks, limits
 * on scratch memory and multiply-adds, a cancel at every point.
 */
#include "support/levels.h"
#include "support/networks.h"
#include "support/test.h"

#include "towers/text_tower.h"
#include "towers/vision_tower.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const clipc_precision precisions[] = { CLIPC_PRECISION_F32,
                                              CLIPC_PRECISION_BF16,
                                              CLIPC_PRECISION_INT8 };
enum { N_PRECISIONS = 3, N_PICTURES = 7, N_TEXTS = 20 };

/* An emulated processor takes an hour for all of it. */
static size_t some(size_t n)
{
    return emulated() ? n / 5 + 1 : n;
}

/* ---- rows in blocks ----------------------------------------------------- */

static void check_blocks(const shape *s, clipc_precision precision,
                         unsigned features)
{
    /* One row at a time, some rows, all rows. */
    const size_t rows[] = { 1, 3, 50, 0 };
    const size_t mlp_bytes = s->mlp_width * sizeof(float);
    const size_t n_pictures = some(N_PICTURES), n_texts = some(N_TEXTS);
    network *net = make_network(s);
    float *pixels = make_pixels(net, n_pictures);
    texts t = make_texts(net, n_texts);
    const size_t dim = net->config.projection_dim;
    clipc_engine engine;

    engine_open_as(&engine, 1, CLIPC_GEMM_NATIVE, precision, features);
    float *vision = run_vision(&engine, net, pixels, n_pictures);
    float *text = run_text(&engine, net, &t, 0, n_texts);
    engine_close(&engine);
    for (unsigned threads = emulated() ? 3 : 1; threads <= 3; threads += 2)
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            engine_open_as(&engine, threads, CLIPC_GEMM_NATIVE, precision,
                           features);
            engine.mlp_bytes = rows[i] * mlp_bytes;
            float *got = run_vision(&engine, net, pixels, n_pictures);
            CHECK_BYTES(got, vision, n_pictures * dim * sizeof *got);
            free(got);
            got = run_text(&engine, net, &t, 0, n_texts);
            CHECK_BYTES(got, text, n_texts * dim * sizeof *got);
            free(got);
            engine_close(&engine);
        }
    free(vision);
    free(text);
    free(pixels);
    free_texts(&t);
    free_network(net);
}

TEST(blocks_of_the_mlp_do_not_move_bits)
{
    enum { ODD = 4 }; /* the shape for every level */

    CHECK_STR(shapes[ODD].name, "odd sizes");
    for (int p = 0; p < N_PRECISIONS; p++) {
        for (size_t i = 0; i < N_SHAPES; i++)
            check_blocks(&shapes[i], precisions[p], UINT_MAX);
        for (size_t v = 0; v < N_LEVELS; v++)
            if (level_is_new(v))
                check_blocks(&shapes[ODD], precisions[p], levels[v]);
    }
}

/* One number a row, 65,536 in the mlp, 10,000 patches of one pixel: rows times
 * the mlp would be 2.6 GB in float32. */
TEST(scratch_does_not_grow_with_patches_times_mlp)
{
    static const shape s = {
        "wide mlp", 1,   1, 1,  65536, CLIPC_GELU,
        1,          100, 8, 20, 4,     CLIPC_FAMILY_CLIP
    };
    network *net = make_network(&s);
    float *pixels = make_pixels(net, 1);

    for (int p = 0; p < N_PRECISIONS; p++) {
        clipc_engine engine;
        engine_open_as(&engine, 2, CLIPC_GEMM_NATIVE, precisions[p], UINT_MAX);
        float out[4];
        clipc_error err = CLIPC_ERROR_INIT;
        engine.max_macs = 1; /* before memory is taken */
        CHECK_STATUS(clipc_vision_forward(&engine, &net->config, &net->vision,
                                          pixels, 1, out, &err),
                     CLIPC_ERR_LIMIT);
        CHECK_HAS(err.message, "max_macs");
        CHECK_INT(engine.scratch_bytes, 0);
        engine.max_macs = 0;
        engine.max_scratch_bytes = (size_t)256 << 20;
        CHECK_OK(clipc_vision_forward(&engine, &net->config, &net->vision,
                                      pixels, 1, out, &err),
                 err);
        engine_close(&engine);
    }
    free(pixels);
    free_network(net);
}

/* ---- limits ------------------------------------------------------------- */

TEST(a_limit_on_scratch_names_itself)
{
    network *net = make_network(&shapes[0]);
    float *pixels = make_pixels(net, N_PICTURES);
    texts t = make_texts(net, N_TEXTS);
    const size_t dim = net->config.projection_dim;
    float *out = calloc(N_TEXTS * dim, sizeof *out);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_engine engine;

    CHECK(out != NULL);
    engine_open(&engine, 1, CLIPC_GEMM_NATIVE);
    engine.max_scratch_bytes = 1000;
    CHECK_STATUS(clipc_vision_forward(&engine, &net->config, &net->vision,
                                      pixels, N_PICTURES, out, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "the limit, max_scratch_bytes, is 1000");
    CHECK_STATUS(clipc_text_forward(&engine, &net->config, &net->text, t.ids,
                                    t.starts, t.n, out, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "max_scratch_bytes");
    CHECK(engine.scratch == NULL);

    /* What is needed is enough. */
    engine.max_scratch_bytes = 0;
    free(run_vision(&engine, net, pixels, N_PICTURES));
    engine.max_scratch_bytes = engine.scratch_bytes;
    free(run_vision(&engine, net, pixels, N_PICTURES));
    engine.max_scratch_bytes--;
    CHECK_STATUS(clipc_vision_forward(&engine, &net->config, &net->vision,
                                      pixels, N_PICTURES, out, &err),
                 CLIPC_ERR_LIMIT);
    engine_close(&engine);
    free(out);
    free(pixels);
    free_texts(&t);
    free_network(net);
}

TEST(a_limit_on_work_is_one_of_a_sequence)
{
    network *net = make_network(&shapes[0]);
    const clipc_tower_config *v = &net->config.vision;
    const size_t across = net->config.image_size / net->config.patch_size;
    const double rows = (double)(across * across + 1);
    const double d = (double)v->width, m = (double)v->mlp_width;
    const double patch = 3.0 * (double)net->config.patch_size *
                         (double)net->config.patch_size;
    /* As clipc.h says: the multiply-adds, and 64 for each output. */
    const double layer = rows *
                             (4 * d * (d + 64) + m * (d + 64) + d * (m + 64)) +
                         rows * rows * (2 * d + 64 * (double)v->n_heads);
    const double macs = (double)v->n_layers * layer +
                        (rows - 1) * d * (patch + 64);
    float *pixels = make_pixels(net, N_PICTURES);
    float *out = calloc(N_PICTURES * net->config.projection_dim, sizeof *out);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_engine engine;

    CHECK(out != NULL);
    engine_open(&engine, 1, CLIPC_GEMM_NATIVE);
    engine.max_macs = (uint64_t)macs; /* of one, not of all */
    CHECK_OK(clipc_vision_forward(&engine, &net->config, &net->vision, pixels,
                                  N_PICTURES, out, &err),
             err);
    engine.max_macs = (uint64_t)macs - 1;
    CHECK_STATUS(clipc_vision_forward(&engine, &net->config, &net->vision,
                                      pixels, 1, out, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "max_macs");
    CHECK_HAS(err.message, "an image of");
    engine_close(&engine);
    free(out);
    free(pixels);
    free_network(net);
}

/* ---- cancel ------------------------------------------------------------- */

/* Every look is a question; the answer to question number stop_at is yes. */
typedef struct question {
    long n, stop_at;
} question;

static bool ask(void *user)
{
    question *q = user;
    q->n++;
    return q->n == q->stop_at;
}

static void begin(clipc_engine *engine, question *q, long stop_at)
{
    *q = (question){ .stop_at = stop_at };
    clipc_cancel_begin(&engine->cancel, ask, q);
    engine->cancel.ask_always = true;
}

/* Cancels a pass at each of its looks, or at some hundred of them, two where
 * the processor is emulated; and the pass that follows has the numbers of one
 * that was never cancelled. */
static void check_cancel(const shape *s, unsigned threads,
                         clipc_precision precision, bool vision)
{
    network *net = make_network(s);
    float *pixels = make_pixels(net, some(N_PICTURES));
    texts t = make_texts(net, some(N_TEXTS));
    const size_t dim = net->config.projection_dim;
    const size_t n = some(vision ? N_PICTURES : N_TEXTS);
    float *out = calloc(n * dim, sizeof *out);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_engine engine;
    question q;

    CHECK(out != NULL);
    engine_open_as(&engine, threads, CLIPC_GEMM_NATIVE, precision, UINT_MAX);
    float *want = vision ? run_vision(&engine, net, pixels, n)
                         : run_text(&engine, net, &t, 0, n);
    begin(&engine, &q, 0);
    free(vision ? run_vision(&engine, net, pixels, n)
                : run_text(&engine, net, &t, 0, n));
    const long looks = q.n, step = looks / (emulated() ? 2 : 100) + 1;
    CHECK(looks > 10);
    for (long at = 1; at <= looks; at += step) {
        begin(&engine, &q, at);
        clipc_status status =
            vision ? clipc_vision_forward(&engine, &net->config, &net->vision,
                                          pixels, n, out, &err)
                   : clipc_text_forward(&engine, &net->config, &net->text,
                                        t.ids, t.starts, n, out, &err);
        CHECK_STATUS(status, CLIPC_ERR_CANCELLED);
        CHECK_INT(q.n, at); /* and is not asked again */
        CHECK_HAS(err.message, "cancelled");
    }
    clipc_cancel_begin(&engine.cancel, NULL, NULL);
    float *got = vision ? run_vision(&engine, net, pixels, n)
                        : run_text(&engine, net, &t, 0, n);
    CHECK_BYTES(got, want, n * dim * sizeof *got);
    free(got);
    free(want);
    engine_close(&engine);
    free(out);
    free(pixels);
    free_texts(&t);
    free_network(net);
}

TEST(a_pass_is_cancelled_at_every_look)
{
    static const size_t tried[] = { 0, 2, FIRST_SIGLIP };

    const unsigned fewest = emulated() ? 2 : 1, most = emulated() ? 2 : 3;

    for (size_t i = 0; i < sizeof tried / sizeof tried[0]; i++)
        for (unsigned threads = fewest; threads <= most; threads++)
            for (int p = 0; p < N_PRECISIONS; p++) {
                check_cancel(&shapes[tried[i]], threads, precisions[p], true);
                check_cancel(&shapes[tried[i]], threads, precisions[p], false);
            }
}
