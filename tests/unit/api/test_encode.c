/* SPDX-License-Identifier: MIT
 *
 * test_encode.c - tokens and embeddings through the public calls: capacities,
 * the context length, flags, objects of different models, weights and pixels
 * that are NaN or infinite, instruction sets and backends.
 */
#include "support/fixture.h"

/* ---- tokens and flags -------------------------------------------------- */

TEST(tokenizing_tells_the_number_whatever_the_room)
{
    const clipc_text phrase = text("a photo of the red car");
    int32_t all[16], ids[16];
    size_t n, n_all;

    open_all();
    CHECK_OK(clipc_tokenize(model, phrase, NULL, 0, &n_all, 0, &err), err);
    CHECK(n_all > 3 && n_all < 16);
    CHECK_OK(clipc_tokenize(model, phrase, all, 16, &n, 0, &err), err);
    CHECK_INT(n, n_all);
    CHECK_INT(all[0], tiny_model_vocab_size() - 2);
    CHECK_INT(all[n_all - 1], tiny_model_vocab_size() - 1);
    for (size_t room = 0; room <= 16; room++) {
        memset(ids, 0x7F, sizeof ids);
        CHECK_OK(clipc_tokenize(model, phrase, ids, room, &n, 0, &err), err);
        CHECK_INT(n, n_all);
        size_t written = room < n_all ? room : n_all;
        CHECK_BYTES(ids, all, written * sizeof *ids);
        for (size_t i = written; i < 16; i++)
            CHECK_INT(ids[i], 0x7F7F7F7F);
    }
    close_all();
}

/* Texts of exactly the context length, and one more. */
TEST(the_context_length_is_exact)
{
    char buffer[4 * TINY_CONTEXT];
    float exact[DIM], longer[DIM], out[DIM];
    int32_t ids[TINY_CONTEXT + 8];
    size_t n;

    open_all();
    for (size_t i = 0; i < sizeof buffer / 2; i++)
        memcpy(buffer + 2 * i, "z ", 2); /* a token each */
    for (size_t words = TINY_CONTEXT - 3; words < TINY_CONTEXT; words++) {
        clipc_text t = { buffer, 2 * words };
        clipc_status want = words + 2 <= TINY_CONTEXT ? CLIPC_OK
                                                      : CLIPC_ERR_TOO_LONG;
        CHECK_OK(clipc_tokenize(model, t, ids, TINY_CONTEXT, &n, 0, &err),
                 err);
        CHECK_INT(n, words + 2);
        CHECK_STATUS(clipc_encode_texts(ctx, &t, 1, out, 0, &err), want);
        if (want == CLIPC_OK)
            memcpy(exact, out, sizeof out);
    }
    CHECK_HAS(err.message, "78 tokens");
    clipc_text t = { buffer, sizeof buffer };
    CHECK_OK(clipc_tokenize(model, t, ids, TINY_CONTEXT + 8, &n,
                            CLIPC_TEXT_TRUNCATE, &err),
             err);
    CHECK_INT(n, TINY_CONTEXT);
    CHECK_INT(ids[n - 1], tiny_model_vocab_size() - 1); /* the end is kept */
    CHECK_OK(clipc_encode_texts(ctx, &t, 1, longer, CLIPC_TEXT_TRUNCATE, &err),
             err);
    CHECK_BYTES(longer, exact, sizeof exact);
    CHECK_OK(clipc_encode_texts(ctx, NULL, 0, NULL, CLIPC_TEXT_TRUNCATE, &err),
             err);
    close_all();
}

TEST(special_tokens_are_text_when_asked)
{
    const clipc_text special = text("car<|endoftext|>");
    int32_t ids[32];
    size_t as_token, as_text;

    open_all();
    CHECK_OK(clipc_tokenize(model, special, ids, 32, &as_token, 0, &err), err);
    CHECK_INT(as_token, 4);
    CHECK_INT(ids[2], tiny_model_vocab_size() - 1);
    CHECK_OK(clipc_tokenize(model, special, ids, 32, &as_text,
                            CLIPC_TEXT_SPECIALS_PLAIN, &err),
             err);
    CHECK(as_text > as_token);
    for (size_t i = 1; i + 1 < as_text; i++)
        CHECK(ids[i] < (int32_t)tiny_model_vocab_size() - 2);
    close_all();
}

TEST(raw_embeddings_are_unit_ones_times_their_length)
{
    clipc_text car = text("the red car");
    clipc_image *image;
    float raw[2][DIM], unit[2][DIM];

    open_all();
    image = draw(4, 60, 40, model);
    CHECK_OK(clipc_encode_texts(ctx, &car, 1, raw[0], CLIPC_EMBED_RAW, &err),
             err);
    CHECK_OK(clipc_encode_texts(ctx, &car, 1, unit[0], 0, &err), err);
    CHECK_OK(clipc_encode_images(ctx, &image, 1, raw[1], CLIPC_EMBED_RAW,
                                 &err),
             err);
    CHECK_OK(clipc_encode_images(ctx, &image, 1, unit[1], 0, &err), err);
    for (int k = 0; k < 2; k++) {
        double length = 0, one = 0;
        for (int d = 0; d < DIM; d++) {
            length += (double)raw[k][d] * raw[k][d];
            one += (double)unit[k][d] * unit[k][d];
        }
        length = sqrt(length);
        CHECK_NEAR(one, 1.0, 1e-6);
        CHECK(fabs(length - 1) > 0.01);
        for (int d = 0; d < DIM; d++)
            CHECK_NEAR(unit[k][d], raw[k][d] / length, 1e-7);
    }
    clipc_image_free(image);
    close_all();
}

TEST(images_and_their_pixels_give_the_same)
{
    static float pixels[10 * PIXEL_FLOATS];
    float from_images[10 * DIM], from_pixels[10 * DIM];
    clipc_image *images[10];

    open_all();
    for (unsigned i = 0; i < 10; i++)
        images[i] = draw(i, 20 + 9 * i, 90 - 7 * i, i & 1 ? model : NULL);
    CHECK_OK(clipc_preprocess(model, images, 10, pixels, &err), err);
    CHECK_OK(clipc_encode_images(ctx, images, 10, from_images, 0, &err), err);
    CHECK_OK(clipc_encode_pixels(ctx, pixels, 10, from_pixels, 0, &err), err);
    CHECK_BYTES(from_images, from_pixels, sizeof from_images);
    for (unsigned i = 0; i < 10; i++)
        clipc_image_free(images[i]);
    close_all();
}

/* What a context keeps between calls is large enough for each of them. */
TEST(a_call_may_have_more_pictures_than_the_one_before)
{
    enum { MOST = 40, THREADS = 4 };
    static const size_t counts[] = { 1, 9, 3, MOST, 8, 17 };
    float alone[MOST * DIM], got[MOST * DIM];
    clipc_image *images[MOST];

    open_all();
    for (unsigned i = 0; i < MOST; i++)
        images[i] = draw(i, 20 + i, 90 - i, NULL);
    for (size_t i = 0; i < MOST; i++)
        CHECK_OK(clipc_encode_images(ctx, images + i, 1, alone + i * DIM, 0,
                                     &err),
                 err);
    clipc_ctx *several = make_ctx(model, THREADS);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        CHECK_OK(clipc_encode_images(several, images, counts[i], got, 0, &err),
                 err);
        CHECK_BYTES(got, alone, counts[i] * DIM * sizeof *got);
    }
    clipc_ctx_free(several);
    for (unsigned i = 0; i < MOST; i++)
        clipc_image_free(images[i]);
    close_all();
}

/* ---- models that differ ------------------------------------------------- */

TEST(two_models_do_not_mix)
{
    const tiny_model_options other = { .seed = 7 };
    const clipc_text car = text("car");
    clipc_model_files other_files;
    clipc_model *other_model;
    clipc_ctx *other_ctx;
    clipc_labels *labels;
    clipc_image *image;
    clipc_result result;
    float mine[DIM], others[DIM], again[DIM];

    open_all();
    other_model = open_tiny(&other_files, &other);
    other_ctx = make_ctx(other_model, 1);
    image = draw(1, 40, 40, NULL);
    CHECK_OK(clipc_encode_images(ctx, &image, 1, mine, 0, &err), err);
    CHECK_OK(clipc_encode_images(other_ctx, &image, 1, others, 0, &err), err);
    CHECK_OK(clipc_encode_images(ctx, &image, 1, again, 0, &err), err);
    CHECK(memcmp(mine, others, sizeof mine) != 0);
    CHECK_BYTES(again, mine, sizeof mine);
    CHECK_OK(clipc_labels_create(&labels, other_ctx, &car, 1, NULL, &err),
             err);
    CHECK_STATUS(clipc_classify(ctx, labels, &image, 1, 1, &result, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_HAS(err.message, "different models");
    CHECK_OK(clipc_classify(other_ctx, labels, &image, 1, 1, &result, &err),
             err);
    clipc_labels_free(labels);
    clipc_image_free(image);
    clipc_ctx_free(other_ctx);
    clipc_model_free(other_model);
    tiny_model_free(&other_files);
    close_all();
}

/* Opens the tiny model with other preprocessing. */
static clipc_model *open_with(const char *preprocessor)
{
    clipc_model_files other = files;
    clipc_model *opened;
    other.preprocessor_config = preprocessor;
    other.preprocessor_config_bytes = strlen(preprocessor);
    CHECK_OK(clipc_model_open_memory(&opened, &other, NULL, &err), err);
    return opened;
}

#define CROP32 "\"do_center_crop\": true, \"crop_size\": 32"
#define NO_CROP "\"do_center_crop\": false"

TEST(images_fitted_for_another_model_are_refused)
{
    static const char *const kinds[] = {
        "{\"do_resize\": true, \"size\": 32, " CROP32 "}",
        "{\"do_resize\": true, \"size\": 40, " CROP32 "}",
        "{\"do_resize\": true, \"resample\": 2, \"size\": 32, " CROP32 "}",
        "{\"do_resize\": false, " CROP32 "}",
        "{\"do_resize\": true, \"size\": {\"height\": 32, \"width\": 32}, " NO_CROP
        "}",
        "{\"do_resize\": true, \"size\": {\"height\": 32, \"width\": 36}, " CROP32
        "}",
        "{\"do_resize\": true, \"size\": {\"shortest_edge\": 40, "
        "\"longest_edge\": 50}, " CROP32 "}",
        "{\"do_resize\": true, \"size\": {\"shortest_edge\": 40, "
        "\"longest_edge\": 60}, " CROP32 "}",
    };
    enum { N = sizeof kinds / sizeof *kinds };
    clipc_model *models[N];
    float out[9 * DIM];

    open_all();
    for (size_t i = 0; i < N; i++)
        models[i] = open_with(kinds[i]);
    for (size_t i = 0; i < N; i++) {
        clipc_image *image = draw(1, 60, 50, models[i]);
        for (size_t k = 0; k < N; k++) {
            clipc_ctx *c = make_ctx(models[k], 1);
            clipc_status status = clipc_encode_images(c, &image, 1, out, 0,
                                                      &err);
            if (status != (i == k ? CLIPC_OK : CLIPC_ERR_ARGUMENT))
                FAIL("%s for %s: %s", kinds[i], kinds[k],
                     clipc_status_name(status));
            if (i != k)
                CHECK_HAS(err.message, "another model");
            clipc_ctx_free(c);
        }
        /* An equal rule is the same fit, from whichever file. */
        clipc_model *twin = open_with(kinds[i]);
        clipc_ctx *c = make_ctx(twin, 1);
        CHECK_OK(clipc_encode_images(c, &image, 1, out, 0, &err), err);
        clipc_ctx_free(c);
        clipc_model_free(twin);
        clipc_image_free(image);
    }
    /* Refused before anything is computed. */
    clipc_image *images[9];
    for (unsigned i = 0; i < 9; i++)
        images[i] = draw(i, 20, 30, i < 8 ? model : models[1]);
    out[0] = 99;
    CHECK_STATUS(clipc_encode_images(ctx, images, 9, out, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK(out[0] == 99);
    CHECK_OK(clipc_encode_images(ctx, images, 8, out, 0, &err), err);
    for (unsigned i = 0; i < 9; i++)
        clipc_image_free(images[i]);
    for (size_t i = 0; i < N; i++)
        clipc_model_free(models[i]);
    close_all();
}

/* Preprocessing that makes another size than the network reads is found when
 * a picture is read, before there is room for its pixels. */
TEST(preprocessing_that_contradicts_the_network_is_refused)
{
    static const char *const kinds[] = {
        "{\"do_resize\": true, \"size\": 16, \"do_center_crop\": true, "
        "\"crop_size\": 16}",
        "{\"do_resize\": true, \"size\": 32, " NO_CROP "}",
        "{\"do_resize\": true, \"size\": {\"height\": 32, \"width\": 36}, " NO_CROP
        "}",
        "{\"do_resize\": false, " NO_CROP "}",
    };
    const uint8_t rgb[3 * 60] = { 0 };
    static float pixels[PIXEL_FLOATS];
    float out[DIM];

    open_all();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        clipc_model *odd = open_with(kinds[i]);
        clipc_ctx *c = make_ctx(odd, 1);
        clipc_image_params params = clipc_image_params_default();
        clipc_image *full = draw(1, 1, 60, NULL), *fitted = full;
        params.fit = odd;
        CHECK_STATUS(clipc_image_from_rgb(&fitted, rgb, 1, 60, 3, &params,
                                          &err),
                     CLIPC_ERR_CONFIG);
        CHECK(fitted == NULL);
        CHECK_HAS(err.message, "image_size is 32");
        CHECK_STATUS(clipc_encode_images(c, &full, 1, out, 0, &err),
                     CLIPC_ERR_CONFIG);
        CHECK_HAS(err.message, "image_size is 32");
        CHECK_STATUS(clipc_preprocess(odd, &full, 1, pixels, &err),
                     CLIPC_ERR_CONFIG);
        clipc_image_free(full);
        clipc_ctx_free(c);
        clipc_model_free(odd);
    }
    close_all();
}

/* ---- NaN and infinity --------------------------------------------------- */

static const float no_numbers[] = { 0.0f, NAN, INFINITY, -INFINITY };

/* Opens the tiny model with one tensor changed. */
static void open_damaged(const char *tensor, float value)
{
    close_all();
    err = (clipc_error)CLIPC_ERROR_INIT;
    tiny_model_files(&files, NULL);
    fill_tensor(&files, tensor, value);
    CHECK_OK(clipc_model_open_memory(&model, &files, NULL, &err), err);
    ctx = make_ctx(model, 1);
}

TEST(damaged_image_weights_are_errors_not_scores)
{
    static const char *const tensors[] = {
        "visual_projection.weight", "vision_model.post_layernorm.weight",
        "vision_model.embeddings.class_embedding",
        "vision_model.encoder.layers.1.mlp.fc2.bias",
        "vision_model.embeddings.patch_embedding.weight"
    };
    const clipc_text car = text("car");
    float out[2 * DIM];
    clipc_result result;

    for (size_t t = 0; t < sizeof tensors / sizeof *tensors; t++)
        for (size_t v = t ? 1 : 0; v < 4; v++) {
            clipc_labels *labels;
            clipc_image *images[2];
            open_damaged(tensors[t], no_numbers[v]);
            images[0] = draw(1, 40, 40, model);
            images[1] = draw(2, 40, 40, NULL);
            CHECK_STATUS(clipc_encode_images(ctx, images, 2, out, 0, &err),
                         CLIPC_ERR_NUMERIC);
            CHECK_HAS(err.message, "image 0: the ");
            CHECK_STATUS(clipc_encode_images(ctx, images, 2, out,
                                             CLIPC_EMBED_RAW, &err),
                         CLIPC_ERR_NUMERIC);
            /* The text side is whole. */
            CHECK_OK(clipc_labels_create(&labels, ctx, &car, 1, NULL, &err),
                     err);
            CHECK_STATUS(clipc_classify(ctx, labels, images, 2, 1, &result,
                                        &err),
                         CLIPC_ERR_NUMERIC);
            clipc_labels_free(labels);
            clipc_image_free(images[0]);
            clipc_image_free(images[1]);
        }
    close_all();
}

TEST(damaged_text_weights_are_errors_not_scores)
{
    static const char *const tensors[] = {
        "text_projection.weight", "text_model.final_layer_norm.bias",
        "text_model.embeddings.position_embedding.weight"
    };
    const clipc_text names[2] = { text("car"), text("van") };
    float out[2 * DIM];

    for (size_t t = 0; t < sizeof tensors / sizeof *tensors; t++)
        for (size_t v = t ? 1 : 0; v < 4; v++) {
            clipc_labels *labels;
            open_damaged(tensors[t], no_numbers[v]);
            CHECK_STATUS(clipc_encode_texts(ctx, names, 2, out, 0, &err),
                         CLIPC_ERR_NUMERIC);
            CHECK_STATUS(clipc_encode_texts(ctx, names, 2, out,
                                            CLIPC_EMBED_RAW, &err),
                         CLIPC_ERR_NUMERIC);
            CHECK_STATUS(clipc_labels_create(&labels, ctx, names, 2, NULL,
                                             &err),
                         CLIPC_ERR_NUMERIC);
            CHECK(labels == NULL);
        }
    close_all();
}

/* Pixels of the caller are input too. */
TEST(pixels_that_are_no_numbers_are_refused)
{
    static float pixels[9 * PIXEL_FLOATS];
    float out[9 * DIM];

    open_all();
    for (size_t i = 0; i < 9 * PIXEL_FLOATS; i++)
        pixels[i] = (float)(i % 13) / 6 - 1;
    pixels[8 * PIXEL_FLOATS + 77] = NAN;
    CHECK_OK(clipc_encode_pixels(ctx, pixels, 8, out, 0, &err), err);
    CHECK_STATUS(clipc_encode_pixels(ctx, pixels, 9, out, 0, &err),
                 CLIPC_ERR_NUMERIC);
    CHECK_HAS(err.message, "the pixels of image 8 are not finite");
    pixels[8 * PIXEL_FLOATS + 77] = 0;
    CHECK_OK(clipc_encode_pixels(ctx, pixels, 9, out, 0, &err), err);
    close_all();
}

TEST(a_logit_scale_must_give_floats)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY, 89.0f, 1e30f };
    static const float good[] = { -200.0f, -1e30f, 0.0f, 4.6052f, 80.0f };
    clipc_model *opened;

    for (size_t i = 0; i < 5; i++) {
        err = (clipc_error)CLIPC_ERROR_INIT;
        tiny_model_files(&files, NULL);
        fill_tensor(&files, "logit_scale", bad[i]);
        CHECK_STATUS(clipc_model_open_memory(&opened, &files, NULL, &err),
                     CLIPC_ERR_NUMERIC);
        CHECK(opened == NULL);
        CHECK_HAS(err.message, "logit_scale");
        tiny_model_free(&files);
    }
    for (size_t i = 0; i < 5; i++) {
        const clipc_text names[2] = { text("car"), text("van") };
        clipc_result results[2];
        clipc_labels *labels;
        open_damaged("logit_scale", good[i]);
        clipc_image *image = draw(1, 40, 40, model);
        CHECK_OK(clipc_labels_create(&labels, ctx, names, 2, NULL, &err), err);
        CHECK_OK(clipc_classify(ctx, labels, &image, 1, 2, results, &err),
                 err);
        CHECK_NEAR(results[0].probability + results[1].probability, 1, 1e-6);
        CHECK(results[0].cosine >= results[1].cosine);
        CHECK(isfinite(results[0].logit) && isfinite(results[1].logit));
        clipc_labels_free(labels);
        clipc_image_free(image);
    }
    close_all();
}

/* ---- instruction sets -------------------------------------------------- */

TEST(every_instruction_set_works_or_says_why_not)
{
    /* What a level needs of clipc_get_build_info()'s features, and its name in
     * the message where that is missing. */
    static const struct {
        clipc_cpu cpu;
        const char *feature, *name;
    } levels[] = {
        { CLIPC_CPU_AUTO, "", "" },
        { CLIPC_CPU_C, "", "" },
        { CLIPC_CPU_AVX2, "avx2", "AVX2" },
        { CLIPC_CPU_AVX512, "avx512", "AVX-512" },
        { CLIPC_CPU_AMX, "amx-int8", "AMX" },
        { CLIPC_CPU_NEON, "neon", "NEON" },
        { CLIPC_CPU_DOTPROD, "dotprod", "DotProd" },
        { CLIPC_CPU_I8MM, "i8mm", "I8MM" },
        { CLIPC_CPU_BF16, "i8mm bf16", "BF16 of Arm" },
        { CLIPC_CPU_SME, "sme-f32", "SME" },
    };
    clipc_build_info cpu = { .struct_size = sizeof cpu };
    const clipc_text car = text("the red car");
    float reference[DIM], out[DIM];

    open_all();
    CHECK_OK(clipc_get_build_info(&cpu, &err), err);
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        clipc_ctx_params params = clipc_ctx_params_default();
        clipc_ctx *made;
        params.gemm = CLIPC_GEMM_NATIVE;
        params.cpu = levels[i].cpu;
        bool has = strstr(cpu.features, levels[i].feature) != NULL;
        clipc_status status = clipc_ctx_create(&made, model, &params, &err);
        CHECK_STATUS(status, has ? CLIPC_OK : CLIPC_ERR_UNSUPPORTED);
        if (!has) {
            char message[200];
            snprintf(message, sizeof message, "this CPU lacks %s (it has: %s)",
                     levels[i].name, *cpu.features ? cpu.features : "none");
            CHECK(made == NULL);
            CHECK_STR(err.message, message);
            continue;
        }
        CHECK_OK(clipc_encode_texts(made, &car, 1, i ? out : reference, 0,
                                    &err),
                 err);
        for (int d = 0; i && d < DIM; d++)
            CHECK_NEAR(out[d], reference[d], 2e-6);
        clipc_ctx_free(made);
    }
    close_all();
}

TEST(backends_are_there_or_unsupported)
{
    clipc_build_info cpu = { .struct_size = sizeof cpu };
    clipc_ctx_params params = clipc_ctx_params_default();
    const clipc_text car = text("the red car");
    float native[DIM], other[DIM];
    clipc_ctx *made;

    open_all();
    CHECK_OK(clipc_get_build_info(&cpu, &err), err);
    CHECK_OK(clipc_encode_texts(ctx, &car, 1, native, 0, &err), err);
    params.gemm = CLIPC_GEMM_OPENBLAS;
    params.keep_blas_threads = 1;
    clipc_status status = clipc_ctx_create(&made, model, &params, &err);
    CHECK_STATUS(status, cpu.openblas ? CLIPC_OK : CLIPC_ERR_UNSUPPORTED);
    if (status == CLIPC_OK) {
        CHECK_OK(clipc_encode_texts(made, &car, 1, other, 0, &err), err);
        for (int d = 0; d < DIM; d++)
            CHECK_NEAR(other[d], native[d], 2e-6);
    } else {
        CHECK(made == NULL);
        CHECK_HAS(err.message, "OpenBLAS");
    }
    clipc_ctx_free(made);
    close_all();
}
