/* SPDX-License-Identifier: MIT
 *
 * test_golden.c - the library against answers of transformers that
 * tests/golden/make_tiny.py, make_tiny_siglip.py and make_tiny_metaclip2.py
 * recorded (tests/data/golden), through the public API only: ids and pixels
 * equal, embeddings, logits and probabilities within a bound.
 *
 * The numbers published for openai/clip-vit-base-patch32 are tested if the
 * environment variable CLIPC_TEST_MODEL names a folder with this checkpoint
 * and CLIPC_PHOTOS a folder with the two photographs, else skipped.
 */
#include "support/test.h"

#include <jansson.h>
#include <stdlib.h>

/* Unit vectors: float32 sums in another order move them by about 4e-7 (torch
 * against itself in float64); 2e-6 is the bound of the parity test too.
 * Logits are cosines times 100 or 50. */
static const double EMBEDDING_BOUND = 2e-6;
static const double LOGIT_BOUND = 2e-4;

enum { MAX_ITEMS = 16, MAX_DIM = 32, MAX_IDS = 256 };

typedef struct golden {
    json_t *root;
    clipc_model *model;
    clipc_ctx *ctx;
    clipc_model_info info;
    size_t n_texts, n_images;
    clipc_text texts[MAX_ITEMS];
    clipc_image *images[MAX_ITEMS];
} golden;

static clipc_error error;

static json_t *field(const golden *g, const char *key)
{
    json_t *value = json_object_get(g->root, key);
    if (!value)
        FAIL("golden file without \"%s\"", key);
    return value;
}

static void open_golden(golden *g, const char *name, clipc_gemm gemm,
                        unsigned threads)
{
    char path[64];
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_image_params image_params = clipc_image_params_default();

    memset(g, 0, sizeof *g);
    snprintf(path, sizeof path, "tests/data/golden/%s.json", name);
    g->root = json_load_file(path, JSON_ALLOW_NUL, NULL);
    if (!g->root)
        FAIL("cannot read %s", path);
    error = (clipc_error)CLIPC_ERROR_INIT;
    CHECK_OK(clipc_model_open(&g->model, json_string_value(field(g, "model")),
                              NULL, &error),
             error);
    g->info.struct_size = sizeof g->info;
    CHECK_OK(clipc_model_get_info(g->model, &g->info, &error), error);
    CHECK(g->info.dim <= MAX_DIM);
    params.gemm = gemm;
    params.threads = threads;
    CHECK_OK(clipc_ctx_create(&g->ctx, g->model, &params, &error), error);

    g->n_texts = json_array_size(field(g, "texts"));
    CHECK(g->n_texts > 0 && g->n_texts <= MAX_ITEMS);
    for (size_t i = 0; i < g->n_texts; i++) {
        json_t *text = json_array_get(field(g, "texts"), i);
        g->texts[i].data = json_string_value(text);
        g->texts[i].len = json_string_length(text);
    }
    g->n_images = json_array_size(field(g, "pictures"));
    CHECK(g->n_images > 0 && g->n_images <= MAX_ITEMS);
    image_params.fit = g->model;
    for (size_t i = 0; i < g->n_images; i++) {
        json_t *file = json_array_get(field(g, "pictures"), i);
        CHECK_OK(clipc_image_read_file(&g->images[i], json_string_value(file),
                                       &image_params, &error),
                 error);
    }
}

static void close_golden(golden *g)
{
    for (size_t i = 0; i < g->n_images; i++)
        clipc_image_free(g->images[i]);
    clipc_ctx_free(g->ctx);
    clipc_model_free(g->model);
    json_decref(g->root);
}

static double number(const golden *g, const char *key, size_t row, size_t i)
{
    json_t *value = json_array_get(json_array_get(field(g, key), row), i);
    CHECK(json_is_number(value));
    return json_number_value(value);
}

/* Compares [n, dim] embeddings, raw or unit, with the recorded raw ones. A
 * raw row may differ by the bound times its length. */
static void check_rows(const golden *g, const char *key, const float *got,
                       size_t n, bool raw)
{
    size_t dim = g->info.dim;
    CHECK_INT(json_array_size(field(g, key)), n);
    for (size_t row = 0; row < n; row++) {
        double length = 0;
        CHECK_INT(json_array_size(json_array_get(field(g, key), row)), dim);
        for (size_t i = 0; i < dim; i++)
            length += number(g, key, row, i) * number(g, key, row, i);
        length = sqrt(length);
        for (size_t i = 0; i < dim; i++) {
            double scale = raw ? length : 1;
            double want = number(g, key, row, i) / length * scale;
            double have = (double)got[row * dim + i];
            if (!(fabs(have - want) <= EMBEDDING_BOUND * scale))
                FAIL("%s row %zu, component %zu: %.9g, not %.9g", key, row, i,
                     have, want);
        }
    }
}

static void check_ids(const char *name)
{
    golden g;
    open_golden(&g, name, CLIPC_GEMM_NATIVE, 1);
    for (size_t i = 0; i < g.n_texts; i++) {
        json_t *want = json_array_get(field(&g, "ids"), i);
        int32_t ids[MAX_IDS];
        size_t n;
        CHECK_OK(clipc_tokenize(g.model, g.texts[i], ids, MAX_IDS, &n,
                                CLIPC_TEXT_TRUNCATE, &error),
                 error);
        CHECK_INT(n, json_array_size(want));
        for (size_t j = 0; j < n; j++)
            CHECK_INT(ids[j], json_integer_value(json_array_get(want, j)));
    }
    close_golden(&g);
}

TEST(golden_ids_equal_tokenizers)
{
    check_ids("tiny"); /* tokenizer.json */
}

TEST(golden_ids_equal_tokenizers_from_vocab_and_merges)
{
    check_ids("tiny-gelu"); /* vocab.json, merges.txt */
}

/* FNV-1a of the float32 bytes; the golden file holds the reference's. */
static uint64_t hash_bytes(const void *data, size_t n)
{
    const unsigned char *bytes = data;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static void check_pixels(const char *name)
{
    golden g;
    open_golden(&g, name, CLIPC_GEMM_NATIVE, 1);
    size_t n = 3 * g.info.image_size * g.info.image_size;
    float *pixels = malloc(n * sizeof *pixels);
    CHECK(pixels);
    for (size_t i = 0; i < g.n_images; i++) {
        clipc_image *image = g.images[i];
        char hash[17];
        CHECK_OK(clipc_preprocess(g.model, &image, 1, pixels, &error), error);
        snprintf(hash, sizeof hash, "%016llx",
                 (unsigned long long)hash_bytes(pixels, n * sizeof *pixels));
        CHECK_STR(hash, json_string_value(
                            json_array_get(field(&g, "pixels_fnv1a"), i)));
    }
    free(pixels);
    close_golden(&g);
}

TEST(golden_pixels_equal_pillow)
{
    check_pixels("tiny");
}

TEST(golden_pixels_equal_pillow_with_old_spellings)
{
    check_pixels("tiny-gelu");
}

static void check_embeddings(const char *name, clipc_gemm gemm,
                             unsigned threads)
{
    golden g;
    float out[MAX_ITEMS * MAX_DIM];
    open_golden(&g, name, gemm, threads);
    clipc_image *images[MAX_ITEMS];
    for (size_t i = 0; i < g.n_images; i++)
        images[i] = g.images[i];
    for (unsigned raw = 0; raw < 2; raw++) {
        unsigned flags = raw ? CLIPC_EMBED_RAW : 0;
        CHECK_OK(clipc_encode_texts(g.ctx, g.texts, g.n_texts, out,
                                    flags | CLIPC_TEXT_TRUNCATE, &error),
                 error);
        check_rows(&g, "text_raw", out, g.n_texts, raw);
        CHECK_OK(clipc_encode_images(g.ctx, images, g.n_images, out, flags,
                                     &error),
                 error);
        check_rows(&g, "image_raw", out, g.n_images, raw);
    }
    for (size_t i = 0; i < g.n_texts; i++) /* one by one: batch of 1 */
        CHECK_OK(clipc_encode_texts(g.ctx, &g.texts[i], 1,
                                    out + i * g.info.dim, CLIPC_TEXT_TRUNCATE,
                                    &error),
                 error);
    check_rows(&g, "text_raw", out, g.n_texts, false);
    for (size_t i = 0; i < g.n_images; i++)
        CHECK_OK(clipc_encode_images(g.ctx, &images[i], 1,
                                     out + i * g.info.dim, 0, &error),
                 error);
    check_rows(&g, "image_raw", out, g.n_images, false);
    close_golden(&g);
}

TEST(golden_embeddings)
{
    check_embeddings("tiny", CLIPC_GEMM_AUTO, 2);
}

TEST(golden_embeddings_native)
{
    check_embeddings("tiny", CLIPC_GEMM_NATIVE, 1);
}

TEST(golden_embeddings_f16_gelu)
{
    check_embeddings("tiny-gelu", CLIPC_GEMM_AUTO, 1);
}

TEST(golden_embeddings_f16_gelu_native)
{
    check_embeddings("tiny-gelu", CLIPC_GEMM_NATIVE, 2);
}

static void check_logits(const char *name)
{
    golden g;
    clipc_labels *labels;
    clipc_labels_params params = clipc_labels_params_default();
    clipc_result results[MAX_ITEMS];
    open_golden(&g, name, CLIPC_GEMM_AUTO, 1);
    params.text_flags = CLIPC_TEXT_TRUNCATE;
    CHECK_OK(clipc_labels_create(&labels, g.ctx, g.texts, g.n_texts, &params,
                                 &error),
             error);
    for (size_t i = 0; i < g.n_images; i++) {
        clipc_image *image = g.images[i];
        double largest = -INFINITY, sum = 0;
        CHECK_OK(clipc_classify(g.ctx, labels, &image, 1, g.n_texts, results,
                                &error),
                 error);
        for (size_t k = 0; k < g.n_texts; k++)
            largest = fmax(largest, number(&g, "logits", i, k));
        for (size_t k = 0; k < g.n_texts; k++)
            sum += exp(number(&g, "logits", i, k) - largest);
        for (size_t k = 0; k < g.n_texts; k++) {
            const clipc_result *r = &results[k];
            double want = number(&g, "logits", i, r->index);
            CHECK_NEAR((double)r->logit, want, LOGIT_BOUND);
            CHECK_NEAR((double)r->probability, exp(want - largest) / sum,
                       LOGIT_BOUND);
            CHECK_NEAR((double)r->cosine, want / g.info.logit_scale,
                       EMBEDDING_BOUND * 4);
            CHECK(k == 0 || r->logit <= results[k - 1].logit);
        }
    }
    clipc_labels_free(labels);
    close_golden(&g);
}

TEST(golden_logits_and_probabilities)
{
    check_logits("tiny");
}

TEST(golden_logits_and_probabilities_f16_gelu)
{
    check_logits("tiny-gelu");
}

/* ---- MetaCLIP 2 -------------------------------------------------------- */

TEST(metaclip_2_golden)
{
    golden g;

    open_golden(&g, "tiny-metaclip2", CLIPC_GEMM_NATIVE, 1);
    CHECK_STR(g.info.family, "MetaCLIP 2");
    CHECK_INT(g.info.scoring, CLIPC_SCORING_SOFTMAX);
    close_golden(&g);
    check_ids("tiny-metaclip2");
    check_pixels("tiny-metaclip2");
    check_embeddings("tiny-metaclip2", CLIPC_GEMM_AUTO, 2);
    check_embeddings("tiny-metaclip2", CLIPC_GEMM_NATIVE, 1);
    check_logits("tiny-metaclip2");
}

/* ---- SigLIP ------------------------------------------------------------ */

TEST(siglip_golden_pixels_equal_pillow)
{
    check_pixels("tiny-siglip");
}

static void check_siglip_images(clipc_gemm gemm, unsigned threads)
{
    golden g;
    float out[MAX_ITEMS * MAX_DIM];

    open_golden(&g, "tiny-siglip", gemm, threads);
    for (unsigned raw = 0; raw < 2; raw++) {
        CHECK_OK(clipc_encode_images(g.ctx, g.images, g.n_images, out,
                                     raw ? CLIPC_EMBED_RAW : 0, &error),
                 error);
        check_rows(&g, "image_raw", out, g.n_images, raw);
    }
    close_golden(&g);
}

TEST(siglip_golden_images)
{
    check_siglip_images(CLIPC_GEMM_AUTO, 2);
    check_siglip_images(CLIPC_GEMM_NATIVE, 1);
}

/* The recorded text embeddings, [n_texts, dim], to be freed. */
static float *text_vectors(const golden *g)
{
    float *vectors = malloc(g->n_texts * g->info.dim * sizeof *vectors);

    CHECK(vectors != NULL);
    for (size_t i = 0; i < g->n_texts; i++)
        for (size_t d = 0; d < g->info.dim; d++)
            vectors[i * g->info.dim + d] = (float)number(g, "text_raw", i, d);
    return vectors;
}

static void check_sigmoids(const golden *g, size_t image,
                           const clipc_result *results)
{
    for (size_t k = 0; k < g->n_texts; k++) {
        const clipc_result *r = &results[k];
        CHECK_NEAR((double)r->logit, number(g, "logits", image, r->index),
                   5e-4);
        CHECK_NEAR((double)r->probability,
                   number(g, "probabilities", image, r->index), 1e-5);
        CHECK_NEAR((double)r->logit,
                   (double)r->cosine * g->info.logit_scale +
                       g->info.logit_bias,
                   1e-4);
        CHECK(k == 0 || r->logit <= results[k - 1].logit);
    }
}

TEST(siglip_golden_logits_and_probabilities)
{
    golden g;
    clipc_labels *labels;
    clipc_result results[MAX_ITEMS], alone;
    float embeddings[MAX_ITEMS * MAX_DIM], matrix[MAX_ITEMS * MAX_ITEMS];
    double sum = 0;

    open_golden(&g, "tiny-siglip", CLIPC_GEMM_AUTO, 2);
    CHECK_STR(g.info.family, "SigLIP");
    CHECK_INT(g.info.scoring, CLIPC_SCORING_SIGMOID);
    CHECK_NEAR(g.info.logit_scale, 117.3307648, 1e-4);
    CHECK_NEAR(g.info.logit_bias, -12.93243694, 1e-6);
    float *vectors = text_vectors(&g);
    CHECK_OK(clipc_labels_from_embeddings(&labels, g.model, g.texts, vectors,
                                          g.n_texts, g.info.dim, &error),
             error);
    CHECK_OK(clipc_encode_images(g.ctx, g.images, g.n_images, embeddings, 0,
                                 &error),
             error);
    CHECK_OK(clipc_similarity(g.ctx, embeddings, g.n_images, vectors,
                              g.n_texts, g.info.dim, matrix,
                              CLIPC_SIMILARITY_LOGITS, &error),
             error);
    for (size_t i = 0; i < g.n_images; i++) {
        CHECK_OK(clipc_classify(g.ctx, labels, &g.images[i], 1, g.n_texts,
                                results, &error),
                 error);
        check_sigmoids(&g, i, results);
        for (size_t k = 0; k < g.n_texts; k++) {
            CHECK_NEAR((double)matrix[i * g.n_texts + k],
                       number(&g, "logits", i, k), 5e-4);
            sum += (double)results[k].probability;
        }
        /* A probability does not depend on the other labels. */
        CHECK_OK(clipc_classify(g.ctx, labels, &g.images[i], 1, 1, &alone,
                                &error),
                 error);
        CHECK(memcmp(&alone, &results[0], sizeof alone) == 0);
        CHECK_OK(clipc_similarity_topk(g.ctx, embeddings + i * g.info.dim, 1,
                                       vectors, g.n_texts, g.info.dim,
                                       g.n_texts, results, &error),
                 error);
        check_sigmoids(&g, i, results);
        CHECK_OK(clipc_similarity_topk(g.ctx, embeddings + i * g.info.dim, 1,
                                       vectors + results[0].index * g.info.dim,
                                       1, g.info.dim, 1, &alone, &error),
                 error);
        CHECK(alone.probability == results[0].probability);
    }
    CHECK(fabs(sum - (double)g.n_images) > 0.5);
    free(vectors);
    clipc_labels_free(labels);
    close_golden(&g);
}

/* ---- the real checkpoint ----------------------------------------------- */

/* Logits of two labels for one photograph, and the raw embedding's start. */
static void check_published(const char *file, const char *const labels[2],
                            const double logits[2], const double *raw,
                            size_t n_raw)
{
    const char *folder = getenv("CLIPC_TEST_MODEL");
    const char *photos = getenv("CLIPC_PHOTOS");
    char path[1024];
    clipc_model *model;
    clipc_ctx *ctx;
    clipc_image *image;
    clipc_labels *names;
    clipc_image_params params = clipc_image_params_default();
    clipc_model_info info = { .struct_size = sizeof info };
    clipc_result results[2];
    clipc_text texts[2];

    if (!folder || !*folder)
        SKIP("CLIPC_TEST_MODEL does not name openai/clip-vit-base-patch32");
    if (!photos || !*photos)
        SKIP("CLIPC_PHOTOS does not name a folder with %s", file);
    snprintf(path, sizeof path, "%s/%s", photos, file);
    FILE *probe = fopen(path, "rb");
    if (!probe)
        SKIP("no %s", path);
    fclose(probe);

    error = (clipc_error)CLIPC_ERROR_INIT;
    CHECK_OK(clipc_model_open(&model, folder, NULL, &error), error);
    CHECK_OK(clipc_model_get_info(model, &info, &error), error);
    CHECK_OK(clipc_ctx_create(&ctx, model, NULL, &error), error);
    params.fit = model;
    CHECK_OK(clipc_image_read_file(&image, path, &params, &error), error);
    for (size_t i = 0; i < 2; i++)
        texts[i] = (clipc_text){ labels[i], strlen(labels[i]) };
    CHECK_OK(clipc_labels_create(&names, ctx, texts, 2, NULL, &error), error);

    clipc_image *images[1] = { image };
    CHECK_OK(clipc_classify(ctx, names, images, 1, 2, results, &error), error);
    for (size_t i = 0; i < 2; i++)
        CHECK_NEAR((double)results[i].logit, logits[results[i].index], 1e-3);
    if (n_raw) {
        float *embedding = malloc(info.dim * sizeof *embedding);
        CHECK(embedding && info.dim >= n_raw);
        CHECK_OK(clipc_encode_images(ctx, images, 1, embedding,
                                     CLIPC_EMBED_RAW, &error),
                 error);
        for (size_t i = 0; i < n_raw; i++)
            CHECK_NEAR((double)embedding[i], raw[i], 2e-5);
        free(embedding);
    }
    clipc_labels_free(names);
    clipc_image_free(image);
    clipc_ctx_free(ctx);
    clipc_model_free(model);
}

TEST(published_logits_of_two_cats)
{
    static const char *const labels[2] = { "a photo of a cat",
                                           "a photo of a dog" };
    static const double logits[2] = { 24.5701, 19.3049 };
    check_published("coco-000000039769.jpg", labels, logits, NULL, 0);
}

TEST(published_logits_and_embedding_of_franz_kafka)
{
    static const char *const labels[2] = { "a photo of a man",
                                           "a photo of a woman" };
    static const double logits[2] = { 27.8789177, 23.3964462 };
    static const double raw[5] = { -0.07944782, 0.22216693, -0.04425960,
                                   -0.10214765, 0.04593295 };
    check_published("franz-kafka.jpg", labels, logits, raw, 5);
}
