/* SPDX-License-Identifier: MIT
 *
 * test_siglip.c - what the public calls say of a SigLIP checkpoint, and of one
 * with another scale or bias (tests/data/tiny-siglip, make_tiny_siglip.py).
 */
#include "support/fixture.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define FOLDER "tests/data/tiny-siglip/"

static clipc_model_files siglip_files(void)
{
    clipc_model_files f = { .struct_size = sizeof f };

    f.config = test_read(FOLDER "config.json", &f.config_bytes);
    f.preprocessor_config = test_read(FOLDER "preprocessor_config.json",
                                      &f.preprocessor_config_bytes);
    f.weights = test_read(FOLDER "model.safetensors", &f.weights_bytes);
    return f;
}

static void free_siglip(clipc_model_files *f)
{
    free((void *)(uintptr_t)f->config);
    free((void *)(uintptr_t)f->preprocessor_config);
    free((void *)(uintptr_t)f->weights);
}

TEST(scale_and_bias_make_the_logit)
{
    static const struct {
        float log_scale, bias;
    } cases[] = { { 0, 0 }, { 2, -3.5f }, { -30, 7 }, { 5, 1e6f } };
    const float a[24] = { 3, 4 }, b[48] = { 0, 2, 0, [24] = 5, 5 };
    float logits[2];
    clipc_result best[2];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_model_files f = siglip_files();
        clipc_model *m;
        fill_tensor(&f, "logit_scale", cases[i].log_scale);
        fill_tensor(&f, "logit_bias", cases[i].bias);
        CHECK_OK(clipc_model_open_memory(&m, &f, NULL, &err), err);
        clipc_ctx *c = make_ctx(m, 1);
        CHECK_OK(clipc_similarity(c, a, 1, b, 2, 24, logits,
                                  CLIPC_SIMILARITY_LOGITS, &err),
                 err);
        CHECK_OK(clipc_similarity_topk(c, a, 1, b, 2, 24, 2, best, &err), err);
        const double scale = exp((double)cases[i].log_scale);
        const double want = 0.8 * scale + (double)cases[i].bias;
        CHECK_NEAR((double)logits[0], want, 1e-6 * fabs(want));
        CHECK_INT(best[0].index, 1);
        CHECK_INT(best[1].index, 0);
        CHECK(best[1].logit == logits[0]);
        CHECK_NEAR((double)best[1].probability, 1 / (1 + exp(-want)), 1e-6);
        clipc_ctx_free(c);
        clipc_model_free(m);
        free_siglip(&f);
    }
}

TEST(logits_that_could_not_be_floats_are_refused)
{
    static const struct {
        const char *tensor;
        float value;
    } cases[] = { { "logit_bias", NAN },         { "logit_bias", INFINITY },
                  { "logit_bias", -FLT_MAX },    { "logit_bias", FLT_MAX / 2 },
                  { "logit_scale", NAN },        { "logit_scale", INFINITY },
                  { "logit_scale", 90 } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_model_files f = siglip_files();
        clipc_model *m;
        fill_tensor(&f, cases[i].tensor, cases[i].value);
        err = (clipc_error)CLIPC_ERROR_INIT;
        CHECK_STATUS(clipc_model_open_memory(&m, &f, NULL, &err),
                     CLIPC_ERR_NUMERIC);
        CHECK_HAS(err.message, cases[i].tensor);
        free_siglip(&f);
    }
}

TEST(without_a_file_of_preprocessing_pictures_are_squashed)
{
    clipc_model_files f = siglip_files();
    clipc_model_params params = clipc_model_params_default();
    clipc_model_info info = { .struct_size = sizeof info };
    clipc_model *m;
    uint8_t *pixels = malloc(3 * 224 * 224);

    CHECK(pixels);
    free((void *)(uintptr_t)f.preprocessor_config);
    f.preprocessor_config = NULL;
    f.preprocessor_config_bytes = 0;
    params.image_size = 224; /* that of SiglipImageProcessor */
    CHECK_OK(clipc_model_open_memory(&m, &f, &params, &err), err);
    CHECK_OK(clipc_model_get_info(m, &info, &err), err);
    CHECK_STR(info.preprocessing, "default");
    CHECK(info.mean[0] == 0.5f && info.std[2] == 0.5f);
    /* A column at the left edge is there still: no crop. */
    uint8_t rgb[300 * 100 * 3] = { 0 };
    for (size_t y = 0; y < 100; y++)
        for (size_t x = 0; x < 30; x++)
            rgb[(y * 300 + x) * 3] = 255;
    clipc_image *image;
    CHECK_OK(clipc_image_from_rgb(&image, rgb, 300, 100, 900, NULL, &err),
             err);
    CHECK_OK(clipc_preprocess_u8(m, &image, 1, pixels, &err), err);
    CHECK_INT(pixels[100 * 224], 255);
    CHECK_INT(pixels[100 * 224 + 60], 0);
    clipc_image_free(image);
    clipc_model_free(m);
    free_siglip(&f);
    free(pixels);
}
