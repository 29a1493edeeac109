/* SPDX-License-Identifier: MIT
 *
 * test_preprocess.c - from a model's file of preprocessing to the network's
 * floats, bit for bit (tests/data/images/preprocess.tsv,
 * tests/golden/make_preprocess.py).
 */
#include "config/config.h"
#include "image/image.h"
#include "image/normalize.h"
#include "support/digest.h"
#include "support/drawing.h"

static clipc_status parse(clipc_preprocess_config *config,
                          const char *model_type, const char *file,
                          clipc_error *err)
{
    const char *name = "preprocessor_config.json";
    const size_t n = strlen(file);
    bool found;

    if (strcmp(model_type, "siglip") == 0)
        clipc_preprocess_config_default_siglip(config);
    else
        clipc_preprocess_config_default(config);
    if (!strstr(file, "\"image_processor\""))
        return clipc_preprocess_config_parse(config, file, n, name, err);
    CLIPC_TRY(clipc_preprocess_config_parse_nested(config, &found, file, n,
                                                   name, err));
    CHECK(found);
    return CLIPC_OK;
}

TEST(every_file_makes_the_pixels_of_the_reference)
{
    char *text = test_read("tests/data/images/preprocess.tsv", NULL);
    size_t n_equal = 0, n_refused = 0;

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        size_t width, height, out_width, out_height;
        char model_type[8], want[17], got[17];
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_preprocess_config config;
        clipc_normalizer normalizer;
        clipc_image *image;
        int file;

        if (*line == '#')
            continue;
        CHECK_INT(sscanf(line, "%zu %zu %7s %zu %zu %16s %n", &width, &height,
                         model_type, &out_width, &out_height, want, &file),
                  6);
        clipc_status status = parse(&config, model_type, line + file, &err);
        if (out_width == 0) {
            if (status != CLIPC_ERR_CONFIG)
                FAIL("%s: %s", line, clipc_status_name(status));
            CHECK_HAS(err.message, "preprocessor_config.json");
            n_refused++;
            continue;
        }
        if (status != CLIPC_OK)
            FAIL("%s: %s", line, err.message);
        uint8_t *rgb = draw(width, height);
        CHECK_OK(clipc_image_make(&image, rgb, width, height, width * 3,
                                  &config, &err),
                 err);
        CHECK_INT(image->pixels_width, out_width);
        CHECK_INT(image->pixels_height, out_height);
        const size_t n = 3 * out_width * out_height * sizeof(float);
        float *floats = malloc(n);
        CHECK(floats);
        clipc_normalizer_init(&normalizer, &config);
        CHECK_OK(clipc_preprocess_image(&config, &normalizer, image, floats,
                                        &err),
                 err);
        digest(got, floats, n);
        if (strcmp(got, want) != 0)
            FAIL("%s: floats hash to %s", line, got);
        n_equal++;
        free(floats);
        clipc_image_free(image);
        free(rgb);
    }
    free(text);
    CHECK_INT(n_equal, 143);
    CHECK_INT(n_refused, 21);
}
