/* SPDX-License-Identifier: MIT
 *
 * test_normalize.c - 8-bit pixels to the network's floats, bit for bit
 * (tests/data/images/table.tsv, tests/golden/make_images.py).
 */
#include "support/digest.h"
#include "image/normalize.h"
#include "support/test.h"

#include <stdlib.h>

#define DATA "tests/data/images/"

/* A row of every value, as it is. */
static clipc_image *all_values(void)
{
    clipc_error err = CLIPC_ERROR_INIT;
    uint8_t rgb[256 * 3];
    clipc_image *image;

    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i / 3);
    CHECK_OK(clipc_image_from_rgb(&image, rgb, 256, 1, sizeof rgb, NULL, &err),
             err);
    return image;
}

static clipc_image *read_picture(const char *name)
{
    clipc_error err = CLIPC_ERROR_INIT;
    char path[128];
    clipc_image *image;

    snprintf(path, sizeof path, DATA "pictures/%s", name);
    CHECK_OK(clipc_image_read_file(&image, path, NULL, &err), err);
    return image;
}

TEST(all_768_floats_equal_the_reference)
{
    char *text = test_read(DATA "table.tsv", NULL);
    clipc_image *image = all_values();
    size_t n_cases = 0;

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        int rescale, normalize;
        char factor[32], want[17], got[17];
        float out[3 * 256];
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_preprocess_config config;
        clipc_normalizer normalizer;

        if (*line == '#')
            continue;
        CHECK_INT(sscanf(line, "%d %d %31s %16s", &rescale, &normalize, factor,
                         want),
                  4);
        clipc_preprocess_config_default(&config);
        config.resize = CLIPC_RESIZE_NONE;
        config.center_crop = false;
        config.rescale = rescale;
        config.normalize = normalize;
        config.rescale_factor = strtod(factor, NULL);
        clipc_normalizer_init(&normalizer, &config);
        CHECK_OK(clipc_preprocess_image(&config, &normalizer, image, out,
                                        &err),
                 err);
        digest(got, out, sizeof out);
        if (strcmp(got, want) != 0)
            FAIL("%s: floats hash to %s", line, got);
        n_cases++;
    }
    CHECK_INT(n_cases, 8);
    clipc_image_free(image);
    free(text);
}

TEST(published_values_of_black_and_white)
{
    const uint8_t rgb[6] = { 0, 0, 0, 255, 255, 255 };
    const float want[6] = { -1.7922626f, 1.9303361f,  -1.7520971f,
                            2.0748837f,  -1.4802198f, 2.145897f };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_preprocess_config config;
    clipc_normalizer normalizer;
    clipc_image *image;
    float got[6];

    clipc_preprocess_config_default(&config);
    config.resize = CLIPC_RESIZE_NONE;
    config.center_crop = false;
    CHECK_OK(clipc_image_from_rgb(&image, rgb, 2, 1, 6, NULL, &err), err);
    clipc_normalizer_init(&normalizer, &config);
    CHECK_OK(clipc_preprocess_image(&config, &normalizer, image, got, &err),
             err);
    for (size_t i = 0; i < 6; i++)
        CHECK_NEAR(got[i], want[i], 0.0);
    clipc_image_free(image);
}

TEST(fitting_while_decoding_or_later_is_the_same)
{
    static const char *const names[] = {
        "420.jpg",           "tall.jpg",           "wide.jpg",
        "trns-rgb.png",      "trns-one-entry.png", "c0-d1.png",
        "upscaled-1x400.png"
    };
    const clipc_decode_params limits = { .max_pixels = 1 << 20,
                                         .max_decode_bytes = 1 << 20,
                                         .max_scans = 100 };
    enum { N = 224 * 224 * 3 };
    uint8_t *late = malloc(N), *early = malloc(N);
    clipc_preprocess_config config;

    CHECK(late && early);
    clipc_preprocess_config_default(&config);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_image *full = read_picture(names[i]), *fitted;
        char path[128], *data;
        size_t n;

        snprintf(path, sizeof path, DATA "pictures/%s", names[i]);
        data = test_read(path, &n);
        CHECK_OK(clipc_image_decode(&fitted, (uint8_t *)data, n, path, &config,
                                    &limits, &err),
                 err);
        CHECK_OK(clipc_preprocess_u8(NULL, &full, 1, late, &err), err);
        CHECK_OK(clipc_preprocess_u8(NULL, &fitted, 1, early, &err), err);
        if (memcmp(late, early, N) != 0)
            FAIL("%s: pixels depend on when they are fitted", names[i]);
        /* Planes of the interleaved pixels. */
        for (size_t c = 0; c < 3; c++)
            for (size_t k = 0; k < 224 * 224; k++)
                if (early[c * 224 * 224 + k] != fitted->pixels[k * 3 + c])
                    FAIL("%s: plane %zu, pixel %zu", names[i], c, k);
        clipc_image_free(full);
        clipc_image_free(fitted);
        free(data);
    }
    free(late);
    free(early);
}

TEST(transparent_colour_becomes_white_only_when_fitted)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_preprocess_config config;
    clipc_image *image = read_picture("trns-rgb.png");
    size_t n = image->pixels_width * image->pixels_height, n_key = 0;
    uint8_t *planes = malloc(3 * n);

    CHECK(planes);
    CHECK(image->key.present);
    clipc_preprocess_config_default(&config);
    config.resize = CLIPC_RESIZE_NONE;
    config.center_crop = false;
    CHECK_OK(clipc_preprocess_image_u8(&config, image, planes, &err), err);
    for (size_t i = 0; i < n; i++) {
        bool key = memcmp(image->pixels + 3 * i, image->key.rgb, 3) == 0;
        for (size_t c = 0; c < 3; c++)
            CHECK_INT(planes[c * n + i], key ? 255 : image->pixels[3 * i + c]);
        n_key += key;
    }
    CHECK(n_key > 0 && n_key < n);
    free(planes);
    clipc_image_free(image);
}

TEST(several_images_lie_one_after_the_other)
{
    enum { N = 3 * 224 * 224 };
    clipc_image *images[2] = { read_picture("420.jpg"),
                               read_picture("cmyk.jpg") };
    float *both = malloc(2 * N * sizeof *both), *one = malloc(N * sizeof *one);
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK(both && one);
    CHECK_OK(clipc_preprocess(NULL, images, 2, both, &err), err);
    for (size_t i = 0; i < 2; i++) {
        CHECK_OK(clipc_preprocess(NULL, images + i, 1, one, &err), err);
        CHECK(memcmp(both + i * N, one, N * sizeof *one) == 0);
        clipc_image_free(images[i]);
    }
    CHECK_OK(clipc_preprocess(NULL, NULL, 0, NULL, &err), err);
    free(both);
    free(one);
}

TEST(images_that_do_not_fit_are_refused)
{
    const clipc_decode_params limits = { .max_pixels = 1 << 20,
                                         .max_decode_bytes = 1 << 20,
                                         .max_scans = 100 };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_preprocess_config config;
    clipc_image *image, *none = NULL;
    float out[1];
    size_t n;
    char *data = test_read(DATA "pictures/420.jpg", &n);

    clipc_preprocess_config_default(&config);
    config.shortest = config.crop_width = config.crop_height = 96;
    CHECK_OK(clipc_image_decode(&image, (uint8_t *)data, n, "x", &config,
                                &limits, &err),
             err);
    CHECK_STATUS(clipc_preprocess(NULL, &image, 1, out, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_HAS(err.message, "another model");
    CHECK_STATUS(clipc_preprocess_check(&config, image, 224, "here", &err),
                 CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "here: pictures become 96x96");
    CHECK_STATUS(clipc_preprocess(NULL, &none, 1, out, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_preprocess(NULL, NULL, 1, out, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_preprocess_u8(NULL, &image, 1, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    clipc_image_free(image);
    free(data);
}
