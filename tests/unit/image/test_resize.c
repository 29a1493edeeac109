/* SPDX-License-Identifier: MIT
 *
 * test_resize.c - geometry and pixels of the streaming resize against
 * transformers and Pillow on the same drawing (tests/data/images/resize.tsv,
 * tests/golden/make_images.py).
 */
#include "base/cpu.h"
#include "support/digest.h"
#include "support/drawing.h"
#include "image/image.h"
#include "image/resize.h"
#include "kernels/resize_kernels.h"
#include "support/test.h"
#include "kernels/dispatch.h"

#include <stdlib.h>

#define DATA "tests/data/images/"

static clipc_preprocess_config rule(clipc_resize_rule resize, size_t a,
                                    size_t b, int resample, size_t crop_height,
                                    size_t crop_width)
{
    clipc_preprocess_config config = {
        .resize = resize,
        .shortest = a,
        .longest = b,
        .height = a,
        .width = b,
        .resample = resample,
        .center_crop = crop_height != 0,
        .crop_height = crop_height,
        .crop_width = crop_width,
    };
    return config;
}

TEST(pixels_equal_the_reference)
{
    char *text = test_read(DATA "resize.tsv", NULL);
    size_t n_cases = 0;

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        size_t width, height, a, b, crop_height, crop_width, out_width,
            out_height;
        int resize, resample;
        char want[17], got[17];
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_preprocess_config config;
        clipc_image *image;
        uint8_t *rgb;

        if (*line == '#')
            continue;
        CHECK_INT(sscanf(line, "%zu %zu %d %zu %zu %d %zu %zu %zu %zu %16s",
                         &width, &height, &resize, &a, &b, &resample,
                         &crop_height, &crop_width, &out_width, &out_height,
                         want),
                  11);
        config = rule((clipc_resize_rule)resize, a, b, resample, crop_height,
                      crop_width);
        rgb = draw(width, height);
        CHECK_OK(clipc_image_make(&image, rgb, width, height, width * 3,
                                  &config, &err),
                 err);
        CHECK(image->fitted);
        CHECK_INT(image->width, width);
        CHECK_INT(image->pixels_width, out_width);
        CHECK_INT(image->pixels_height, out_height);
        digest(got, image->pixels, out_width * out_height * 3);
        if (strcmp(got, want) != 0)
            FAIL("%s: pixels hash to %s", line, got);
        clipc_image_free(image);
        free(rgb);
        n_cases++;
    }
    free(text);
    CHECK_INT(n_cases, 92);
}

TEST(crop_computes_the_middle_of_the_whole)
{
    /* Crops of every parity, against the uncropped picture. */
    const clipc_preprocess_config whole = rule(CLIPC_RESIZE_SHORTEST, 40, 0, 3,
                                               0, 0);
    const size_t sizes[][2] = { { 70, 55 }, { 30, 100 }, { 41, 40 } };
    clipc_error err = CLIPC_ERROR_INIT;

    for (size_t s = 0; s < 3; s++) {
        size_t width = sizes[s][0], height = sizes[s][1];
        uint8_t *rgb = draw(width, height);
        clipc_image *full, *part;

        CHECK_OK(clipc_image_make(&full, rgb, width, height, width * 3, &whole,
                                  &err),
                 err);
        for (size_t crop = 1; crop <= 40; crop += 3) {
            clipc_preprocess_config cut = rule(CLIPC_RESIZE_SHORTEST, 40, 0, 3,
                                               crop, crop);
            size_t left = (full->pixels_width - crop) / 2;
            size_t top = (full->pixels_height - crop) / 2;

            CHECK_OK(clipc_image_make(&part, rgb, width, height, width * 3,
                                      &cut, &err),
                     err);
            for (size_t y = 0; y < crop; y++)
                CHECK_BYTES(part->pixels + y * crop * 3,
                            full->pixels +
                                ((top + y) * full->pixels_width + left) * 3,
                            crop * 3);
            clipc_image_free(part);
        }
        clipc_image_free(full);
        free(rgb);
    }
}

TEST(extreme_shapes_cost_what_the_crop_needs)
{
    /* Resized as a whole, these would be gigabytes. Only a few rows around
     * the middle count: a picture of these rows alone gives the same. */
    const clipc_preprocess_config clip = rule(CLIPC_RESIZE_SHORTEST, 224, 0, 3,
                                              224, 224);
    const size_t lengths[] = { 30000, 65535, 1000000 };
    clipc_error err = CLIPC_ERROR_INIT;

    for (size_t i = 0; i < 3; i++) {
        size_t n = lengths[i], part = 40 + n % 2, first = (n - part) / 2;
        uint8_t *rgb = draw(1, n);
        clipc_image *tall, *wide, *middle;

        CHECK_OK(clipc_image_make(&tall, rgb, 1, n, 3, &clip, &err), err);
        CHECK_OK(clipc_image_make(&wide, rgb, n, 1, 3 * n, &clip, &err), err);
        CHECK_OK(clipc_image_make(&middle, rgb + first * 3, 1, part, 3, &clip,
                                  &err),
                 err);
        CHECK_BYTES(tall->pixels, middle->pixels, 224 * 224 * 3);
        for (size_t y = 0; y < 224; y++)
            for (size_t x = 0; x < 224; x++)
                CHECK_BYTES(wide->pixels + (x * 224 + y) * 3,
                            tall->pixels + (y * 224 + x) * 3, 3);
        clipc_image_free(tall);
        clipc_image_free(wide);
        clipc_image_free(middle);
        free(rgb);
    }
}

TEST(geometry_of_the_published_preprocessing)
{
    const struct {
        size_t width, height, resized_width, resized_height;
        int64_t left, top;
    } cases[] = {
        { 224, 224, 224, 224, 0, 0 },
        { 640, 480, 298, 224, 37, 0 },
        { 480, 640, 224, 298, 0, 37 },
        { 300, 605, 224, 451, 0, 113 },
        { 1, 65535, 224, 14679840, 0, 7339808 },
    };
    const clipc_preprocess_config clip = rule(CLIPC_RESIZE_SHORTEST, 224, 0, 3,
                                              224, 224);
    clipc_error err = CLIPC_ERROR_INIT;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_geometry g;
        CHECK_OK(clipc_geometry_compute(&g, &clip, cases[i].width,
                                        cases[i].height, &err),
                 err);
        CHECK_INT(g.resized_width, cases[i].resized_width);
        CHECK_INT(g.resized_height, cases[i].resized_height);
        CHECK_INT(g.crop_left, cases[i].left);
        CHECK_INT(g.crop_top, cases[i].top);
        CHECK_INT(g.out_width, 224);
        CHECK_INT(g.out_height, 224);
    }
}

TEST(window_larger_than_the_picture_is_black_around)
{
    const clipc_preprocess_config config = rule(CLIPC_RESIZE_NONE, 0, 0, 3, 13,
                                                13);
    clipc_error err = CLIPC_ERROR_INIT;
    uint8_t white[10 * 10 * 3];
    clipc_image *image;

    memset(white, 255, sizeof white);
    CHECK_OK(clipc_image_make(&image, white, 10, 10, 30, &config, &err), err);
    for (size_t y = 0; y < 13; y++)
        for (size_t x = 0; x < 13; x++) {
            bool inside = y >= 2 && y < 12 && x >= 2 && x < 12;
            CHECK_INT(image->pixels[(y * 13 + x) * 3], inside ? 255 : 0);
        }
    clipc_image_free(image);
}

/* ---- instruction sets -------------------------------------------------- */

static uint32_t random_state = 1;

static uint32_t draw_number(uint32_t below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)random_state * below) >> 32);
}

/* Noise with runs of black and white, which reach the clamps. */
static void draw_noise(uint8_t *p, size_t n)
{
    uint32_t kind = 0;
    for (size_t i = 0; i < n; i++) {
        if (draw_number(8) == 0)
            kind = draw_number(4);
        p[i] = (uint8_t)(kind == 0 ? 0 : kind == 1 ? 255 : draw_number(256));
    }
}

/* The feature bits of the kernels to compare, best first; the last is C. */
static size_t feature_levels(unsigned levels[3])
{
    const unsigned all = clipc_cpu_features();
    size_t n = 0;

    if (all & CLIPC_CPU_HAS_AVX512)
        levels[n++] = CLIPC_CPU_HAS_AVX512 | CLIPC_CPU_HAS_AVX2;
    if (all & CLIPC_CPU_HAS_AVX2)
        levels[n++] = CLIPC_CPU_HAS_AVX2;
    if (all & CLIPC_CPU_HAS_NEON)
        levels[n++] = CLIPC_CPU_HAS_NEON;
    levels[n++] = 0;
    return n;
}

TEST(kernels_are_chosen_by_features)
{
    clipc_resize_kernels kernels;

    clipc_resize_kernels_init(&kernels, 0);
    CHECK_STR(kernels.name, "c");
#if defined(__x86_64__)
    clipc_resize_kernels_init(&kernels, CLIPC_CPU_HAS_AVX2);
    CHECK_STR(kernels.name, "avx2");
    clipc_resize_kernels_init(&kernels,
                              CLIPC_CPU_HAS_AVX2 | CLIPC_CPU_HAS_AVX512);
    CHECK_STR(kernels.name, "avx512");
#elif defined(__aarch64__)
    clipc_resize_kernels_init(&kernels, CLIPC_CPU_HAS_NEON);
    CHECK_STR(kernels.name, "neon");
#endif
}

/* Weights as the filters make them: magnitudes that add up to less than 1.6,
 * here with every sign, and single ones as large as that. */
static void draw_weights(int16_t *high, int16_t *low, size_t n, size_t n_taps)
{
    const int32_t most = (int32_t)(1.6 * (1 << CLIPC_RESIZE_BITS));
    int32_t left = most;

    for (size_t j = 0; j < n_taps; j++) {
        int32_t w = 0;
        if (j < n) {
            w = draw_number(20) == 0 ? left
                                     : (int32_t)(draw_number(
                                           (uint32_t)(2 * most / (int32_t)n)));
            w = w < left ? w : left;
            left -= w;
            w = draw_number(4) == 0 ? -w : w;
        }
        high[j] = (int16_t)(w >> CLIPC_RESIZE_LOW_BITS);
        low[j] = (int16_t)(w & ((1 << CLIPC_RESIZE_LOW_BITS) - 1));
    }
}

/* Buffers as small as the header allows, so that sanitizers see a byte too
 * many. */
TEST(kernels_equal_c)
{
    enum { MAX_OUT = 40, MAX_ROWS = 30, MAX_BYTES = 300, MAX_N = 150 };
    unsigned levels[3];
    const size_t n_levels = feature_levels(levels);

    random_state = 1;
    for (size_t round = 0; round < 600; round++) {
        const size_t count = 1 + draw_number(MAX_OUT);
        const size_t n_columns = 1 + draw_number(MAX_N);
        const size_t n = 1 + draw_number((uint32_t)n_columns);
        const size_t n_taps = (n + CLIPC_RESIZE_TAPS - 1) / CLIPC_RESIZE_TAPS *
                              CLIPC_RESIZE_TAPS;
        const size_t stride = n_columns + n_taps + CLIPC_RESIZE_SLACK;
        const size_t n_rows = 2 + draw_number(MAX_ROWS / 2) * 2;
        const size_t n_bytes = 1 + draw_number(MAX_BYTES);
        uint8_t *rgb = malloc(n_columns * 3), *rows = malloc(n_rows * n_bytes);
        uint8_t *planes[3], *line[3], *column[3];
        int16_t *high = malloc(count * n_taps * 2);
        int16_t *low = malloc(count * n_taps * 2);
        int16_t row_high[MAX_ROWS], row_low[MAX_ROWS];
        const uint8_t *pointers[MAX_ROWS];
        uint32_t begin[MAX_OUT];

        draw_noise(rgb, n_columns * 3);
        draw_noise(rows, n_rows * n_bytes);
        for (size_t i = 0; i < count; i++) {
            begin[i] = draw_number((uint32_t)(n_columns - n + 1));
            draw_weights(high + i * n_taps, low + i * n_taps, n, n_taps);
        }
        draw_weights(row_high, row_low, n_rows - round % 2, n_rows);
        for (size_t k = 0; k < n_rows; k++)
            pointers[k] = rows + k * n_bytes;
        for (size_t i = 0; i < n_levels; i++) {
            clipc_resize_kernels kernels;

            clipc_resize_kernels_init(&kernels, levels[i]);
            planes[i] = calloc(stride, 3);
            line[i] = malloc(count * 3);
            column[i] = malloc(n_bytes);
            kernels.split(planes[i], stride, rgb, n_columns);
            kernels.horizontal(line[i], planes[i], stride, begin, high, low,
                               n_taps, count);
            kernels.vertical(column[i], pointers, row_high, row_low, n_rows,
                             n_bytes);
        }
        for (size_t i = 0; i < n_levels; i++) {
            CHECK_BYTES(planes[i], planes[n_levels - 1], stride * 3);
            CHECK_BYTES(line[i], line[n_levels - 1], count * 3);
            CHECK_BYTES(column[i], column[n_levels - 1], n_bytes);
        }
        for (size_t i = 0; i < n_levels; i++) {
            free(planes[i]);
            free(line[i]);
            free(column[i]);
        }
        free(rgb);
        free(rows);
        free(high);
        free(low);
    }
}

/* Up-scaling, down-scaling, a side of 1, an axis unchanged. */
static size_t draw_length(size_t shortest)
{
    switch (draw_number(6)) {
    case 0: return 1 + draw_number(3);
    case 1: return shortest;
    case 2: return 1 + draw_number(400);
    default: return 1 + draw_number(120);
    }
}

TEST(resized_pictures_are_the_same_on_every_instruction_set)
{
    unsigned levels[3];
    const size_t n_levels = feature_levels(levels);
    clipc_error err = CLIPC_ERROR_INIT;

    random_state = 2;
    for (size_t round = 0; round < 400; round++) {
        const size_t out_width = 1 + draw_number(90);
        const size_t out_height = 1 + draw_number(90);
        const size_t width = draw_length(out_width);
        const size_t height = draw_length(out_height);
        const size_t n_bytes = out_width * out_height * 3;
        const int resample = (int)(round % 8);
        const clipc_preprocess_config config = {
            .resize = CLIPC_RESIZE_EXACT,
            .width = out_width,
            .height = out_height,
            .center_crop = true,
            .resample = resample,
            .crop_width = 1 + draw_number((uint32_t)out_width),
            .crop_height = 1 + draw_number((uint32_t)out_height),
        };
        uint8_t *rgb = malloc(width * height * 3);
        uint8_t *out[3];

        draw_noise(rgb, width * height * 3);
        for (size_t i = 0; i < n_levels; i++) {
            clipc_resizer *resizer;
            clipc_geometry g;

            out[i] = calloc(n_bytes, 1);
            CHECK_OK(clipc_geometry_compute(&g, &config, width, height, &err),
                     err);
            CHECK_OK(clipc_resizer_create(&resizer, &g, resample, out[i],
                                          &err),
                     err);
            clipc_resizer_use(resizer, levels[i]);
            for (size_t y = 0; y < height; y++)
                CHECK_OK(clipc_resizer_row(resizer, rgb + y * width * 3, &err),
                         err);
            clipc_resizer_destroy(resizer);
        }
        for (size_t i = 0; i + 1 < n_levels; i++)
            if (memcmp(out[i], out[n_levels - 1], n_bytes) != 0)
                FAIL("%zux%zu to %zux%zu, filter %d: level %zu differs", width,
                     height, out_width, out_height, resample, i);
        for (size_t i = 0; i < n_levels; i++)
            free(out[i]);
        free(rgb);
    }
}

TEST(sizes_that_cannot_be)
{
    const size_t max = SIZE_MAX;
    const struct {
        size_t width, height;
        clipc_preprocess_config config;
        clipc_status status;
    } cases[] = {
        { 0, 5, rule(CLIPC_RESIZE_NONE, 0, 0, 3, 0, 0), CLIPC_ERR_ARGUMENT },
        { 5, 0, rule(CLIPC_RESIZE_NONE, 0, 0, 3, 0, 0), CLIPC_ERR_ARGUMENT },
        { max, 5, rule(CLIPC_RESIZE_NONE, 0, 0, 3, 0, 0), CLIPC_ERR_ARGUMENT },
        { 1, 1000000, rule(CLIPC_RESIZE_SHORTEST, 1 << 20, 0, 3, 9, 9),
          CLIPC_ERR_LIMIT },
        { 1, 1000000, rule(CLIPC_RESIZE_SHORTEST, max, 0, 3, 9, 9),
          CLIPC_ERR_LIMIT },
        { 1, 1000000, rule(CLIPC_RESIZE_SHORTEST, 224, 0, 3, 0, 0),
          CLIPC_ERR_LIMIT },
        { 9, 9, rule(CLIPC_RESIZE_SHORTEST, 224, 0, 3, max, 1),
          CLIPC_ERR_LIMIT },
        { 9, 9, rule(CLIPC_RESIZE_EXACT, 20000, 20000, 3, 0, 0),
          CLIPC_ERR_LIMIT },
        { 9, 9, rule(CLIPC_RESIZE_EXACT, 0, 5, 3, 0, 0),
          CLIPC_ERR_UNSUPPORTED },
        { 1, 5000, rule(CLIPC_RESIZE_BOUNDED, 20, 100, 3, 5, 5),
          CLIPC_ERR_UNSUPPORTED },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_geometry g;
        clipc_status got = clipc_geometry_compute(&g, &cases[i].config,
                                                  cases[i].width,
                                                  cases[i].height, &err);
        if (got != cases[i].status)
            FAIL("case %zu: %s, not %s", i, clipc_status_name(got),
                 clipc_status_name(cases[i].status));
        CHECK(err.message[0] && !strchr(err.message, '\n'));
    }
}

TEST(unknown_filters_and_extra_rows_are_errors)
{
    const clipc_geometry g = { .in_width = 2,
                               .in_height = 2,
                               .resized_width = 3,
                               .resized_height = 3,
                               .out_width = 3,
                               .out_height = 3 };
    uint8_t out[27];
    const uint8_t row[6] = { 0 };
    clipc_resizer *resizer;

    CHECK_STATUS(clipc_resizer_create(&resizer, &g, 8, out, NULL),
                 CLIPC_ERR_CONFIG);
    CHECK(!resizer);
    CHECK_STATUS(clipc_resizer_create(&resizer, &g, -1, out, NULL),
                 CLIPC_ERR_CONFIG);
    CHECK_STATUS(clipc_resizer_create(&resizer, &g, 3, out, NULL), CLIPC_OK);
    CHECK_STATUS(clipc_resizer_row(resizer, row, NULL), CLIPC_OK);
    CHECK_STATUS(clipc_resizer_row(resizer, row, NULL), CLIPC_OK);
    CHECK_STATUS(clipc_resizer_row(resizer, row, NULL), CLIPC_ERR_INTERNAL);
    clipc_resizer_destroy(resizer);
    clipc_resizer_destroy(NULL);
}
