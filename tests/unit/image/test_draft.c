/* SPDX-License-Identifier: MIT
 *
 * test_draft.c - JPEGs decoded smaller, against Pillow's draft()
 * (tests/data/images/drafts.tsv, tests/golden/make_drafts.py); which scans of a
 * progressive file are left out; the public choice.
 */
#include "image/image.h"
#include "image/jpeg_scans.h"
#include "support/digest.h"
#include "support/golden_pictures.h"
#include "support/test.h"

#include <stddef.h>
#include <stdlib.h>

#define DATA "tests/data/images/"

static const clipc_decode_params fast = { .max_pixels = 178956970,
                                          .max_decode_bytes = 512u << 20,
                                          .max_scans = 500,
                                          .fast = true };

static clipc_preprocess_config crop_to(size_t side)
{
    clipc_preprocess_config fit;

    clipc_preprocess_config_default(&fit);
    fit.shortest = fit.crop_width = fit.crop_height = side;
    return fit;
}

static clipc_preprocess_config squash_to(size_t width, size_t height)
{
    clipc_preprocess_config fit;

    clipc_preprocess_config_default(&fit);
    fit.resize = CLIPC_RESIZE_EXACT;
    fit.width = width, fit.height = height;
    fit.center_crop = false;
    return fit;
}

/* ---- pixels ------------------------------------------------------------ */

TEST(every_kind_of_jpeg_equals_pillows_draft)
{
    char *text = test_read(DATA "drafts.tsv", NULL), *rest = NULL;
    size_t n_pictures = 0, n_smaller = 0;

    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char name[64], rule[16], want[17], got[17];
        clipc_decode_params params = fast;
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_preprocess_config fit;
        size_t width, height, n;
        clipc_image *image;
        int orientation;
        unsigned scale;
        char *data;

        if (*line == '#')
            continue;
        CHECK_INT(sscanf(line, "%63s %d %15s %zu %zu %u %16s", name,
                         &orientation, rule, &width, &height, &scale, want),
                  7);
        fit = strcmp(rule, "crop") == 0 ? crop_to(width)
                                        : squash_to(width, height);
        data = read_picture(name, &n);
        if (orientation)
            set_orientation(data, n, orientation);
        params.auto_orient = orientation != 0;
        if (clipc_image_decode(&image, (uint8_t *)data, n, name, &fit, &params,
                               &err) != CLIPC_OK)
            FAIL("%s: %s", name, err.message);
        digest(got, image->pixels, width * height * 3);
        if (image->scale != scale || strcmp(got, want) != 0)
            FAIL("%s %d %s %zux%zu: scale %u, not %u; pixels hash to %s, not "
                 "%s",
                 name, orientation, rule, width, height, image->scale, scale,
                 got, want);
        const unsigned n_warnings = image->n_warnings;
        clipc_image_free(image);
        params.fast = false;
        CHECK_OK(clipc_image_decode(&image, (uint8_t *)data, n, name, &fit,
                                    &params, &err),
                 err);
        CHECK_INT(image->scale, 1);
        CHECK_INT(image->n_warnings, n_warnings);
        clipc_image_free(image);
        free(data);
        n_pictures++;
        n_smaller += scale > 1;
    }
    free(text);
    CHECK_INT(n_pictures, 365);
    CHECK_INT(n_smaller, 248);
}

TEST(the_size_of_a_fast_picture_is_the_files)
{
    const clipc_preprocess_config fit = crop_to(2);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;
    size_t n;
    char *data = read_picture("420.jpg", &n);

    CHECK_OK(clipc_image_decode(&image, (uint8_t *)data, n, "x", &fit, &fast,
                                &err),
             err);
    CHECK_INT(image->scale, 8);
    CHECK_INT(image->width, 45);
    CHECK_INT(image->height, 37);
    CHECK_INT(image->pixels_width, 2);
    clipc_image_free(image);
    /* Limits are those of the whole picture. */
    clipc_decode_params params = fast;
    params.max_pixels = 45 * 37 - 1;
    CHECK_STATUS(clipc_image_decode(&image, (uint8_t *)data, n, "x", &fit,
                                    &params, &err),
                 CLIPC_ERR_LIMIT);
    free(data);
}

/* No smaller picture without a size to make it for. */
TEST(pictures_that_are_not_resized_are_whole)
{
    clipc_preprocess_config fit = crop_to(2);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;
    size_t n;
    char *data = read_picture("420.jpg", &n);

    CHECK_OK(clipc_image_decode(&image, (uint8_t *)data, n, "x", NULL, &fast,
                                &err),
             err);
    CHECK_INT(image->scale, 1);
    CHECK_INT(image->pixels_width, 45);
    clipc_image_free(image);
    fit.resize = CLIPC_RESIZE_NONE;
    CHECK_OK(clipc_image_decode(&image, (uint8_t *)data, n, "x", &fit, &fast,
                                &err),
             err);
    CHECK_INT(image->scale, 1);
    clipc_image_free(image);
    free(data);
}

TEST(every_prefix_has_the_verdict_of_the_whole_decoding)
{
    static const char *const names[] = { "420.jpg",
                                         "420-progressive.jpg",
                                         "444-progressive.jpg",
                                         "grey-progressive.jpg",
                                         "restart.jpg",
                                         "ycck-progressive.jpg" };
    const clipc_preprocess_config fit = crop_to(2);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n_whole, n_read = 0;
        char *data = read_picture(names[i], &n_whole);

        for (size_t n = 0; n <= n_whole; n++) {
            clipc_decode_params exact = fast;
            clipc_image *one, *other;
            /* At the end of an allocation, for the sanitizers. */
            char *prefix = malloc(n ? n : 1);
            CHECK(prefix);
            memcpy(prefix, data, n);
            exact.fast = false;
            clipc_status got = clipc_image_decode(&one, (uint8_t *)prefix, n,
                                                  "x", &fit, &fast, NULL);
            clipc_status want = clipc_image_decode(&other, (uint8_t *)prefix,
                                                   n, "x", &fit, &exact, NULL);
            if (got != want)
                FAIL("%s cut to %zu: %s, not %s", names[i], n,
                     clipc_status_name(got), clipc_status_name(want));
            n_read += got == CLIPC_OK;
            clipc_image_free(one);
            clipc_image_free(other);
            free(prefix);
        }
        CHECK(n_read > 0);
        free(data);
    }
}

/* The verdict is free; the sanitizers look for reads out of bounds. */
TEST(flipped_bytes_never_crash)
{
    static const char *const names[] = { "444-progressive.jpg",
                                         "420-progressive.jpg", "grey.jpg" };
    static const uint8_t masks[] = { 0x01, 0x80, 0xFF };
    const clipc_preprocess_config fit = crop_to(2);
    clipc_decode_params params = { .max_pixels = 1 << 16,
                                   .max_decode_bytes = 1 << 20,
                                   .max_scans = 20,
                                   .fast = true };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n, n_read = 0;
        char *data = read_picture(names[i], &n);

        for (size_t at = 0; at < n; at++)
            for (size_t m = 0; m < sizeof masks; m++) {
                clipc_image *image;
                data[at] = (char)(data[at] ^ masks[m]);
                n_read += clipc_image_decode(&image, (uint8_t *)data, n, "x",
                                             &fit, &params, NULL) == CLIPC_OK;
                clipc_image_free(image);
                data[at] = (char)(data[at] ^ masks[m]);
            }
        CHECK(n_read > 0 && n_read < 3 * n);
        free(data);
    }
}

/* ---- scans ------------------------------------------------------------- */

typedef struct scans_seen {
    bool some; /* scans are left out */
    size_t n_rest, n_kept;
    int n_emptied;
} scans_seen;

/* What is left out of a file at 1/scale. */
static scans_seen scans_of(const void *data, size_t n, unsigned scale)
{
    struct jpeg_decompress_struct cinfo = { 0 };
    struct jpeg_error_mgr errors;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_jpeg_scans scans;
    scans_seen seen = { 0 };

    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, data, (unsigned long)n);
    CHECK_INT(jpeg_read_header(&cinfo, TRUE), JPEG_HEADER_OK);
    cinfo.scale_num = 1;
    cinfo.scale_denom = scale;
    jpeg_calc_output_dimensions(&cinfo);
    seen.n_rest = cinfo.src->bytes_in_buffer;
    CHECK_OK(clipc_jpeg_scans_choose(&scans, &cinfo,
                                     cinfo.src->next_input_byte, seen.n_rest,
                                     &err),
             err);
    seen.some = scans.data != NULL;
    seen.n_kept = scans.n_bytes;
    for (int i = 0; i <= CLIPC_JPEG_SCANS; i++)
        seen.n_emptied += scans.emptied[i];
    free(scans.data);
    jpeg_destroy_decompress(&cinfo);
    return seen;
}

TEST(an_eighth_needs_the_means_only)
{
    /* Pillow's progression of three components: of ten scans two have means;
     * chroma that is halved in both directions is needed at twice the scale,
     * which takes four scans more. */
    static const struct {
        const char *name;
        unsigned scale;
        int n_emptied;
    } cases[] = {
        { "444-progressive.jpg", 8, 8 },
        { "422-progressive.jpg", 8, 8 },
        { "420-progressive.jpg", 8, 4 },
        { "grey-progressive.jpg", 8, 4 },
        { "444-progressive.jpg", 4, 0 },
        { "444-progressive.jpg", 1, 0 },
        { "444.jpg", 8, 0 }, /* one scan has everything */
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        char *data = read_picture(cases[i].name, &n);
        const scans_seen seen = scans_of(data, n, cases[i].scale);

        if (seen.n_emptied != cases[i].n_emptied)
            FAIL("%s at 1/%u: %d scans are left out, not %d", cases[i].name,
                 cases[i].scale, seen.n_emptied, cases[i].n_emptied);
        CHECK_INT(seen.some, cases[i].n_emptied > 0);
        CHECK(seen.n_kept < seen.n_rest);
        free(data);
    }
}

/* Offset of scan `number` (from 0): its FF DA. */
static size_t find_scan(const char *data, size_t n, int number)
{
    for (size_t at = 0; at + 1 < n; at++)
        if ((uint8_t)data[at] == 0xFF && (uint8_t)data[at + 1] == 0xDA &&
            number-- == 0)
            return at;
    FAIL("no such scan");
    return 0;
}

/* Whatever libjpeg might judge, it must see. */
TEST(files_that_no_encoder_writes_are_decoded_whole)
{
    size_t n;
    char *data = read_picture("444-progressive.jpg", &n);
    /* The second scan: FF DA, length, 1 component, its two bytes, first and
     * last coefficient, bits. */
    const size_t second = find_scan(data, n, 1);
    static const struct {
        int at; /* from FF DA */
        uint8_t value;
        const char *why;
    } changes[] = {
        { 1, 0x01, "a marker of no segment" },
        { 1, 0xC1, "another frame" },
        { 3, 0x09, "an odd length" },
        { 4, 0x00, "no component" },
        { 4, 0x04, "more components than fit" },
        { 5, 0x77, "a component of no frame" },
        { 7, 0x00, "means and others in one scan" },
        { 7, 0x3F, "a first coefficient after the last" },
        { 8, 0x40, "coefficients over 63" },
        { 8, 0x04, "a coefficient that is refined before it comes" },
        { 9, 0x11, "bits refined by none" },
        { 9, 0x0E, "bits over 13" },
        { 9, 0x21, "bits refined before they come" },
        { 9, 0x00, "bits that come twice" },
    };

    CHECK(scans_of(data, n, 8).some);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *byte = data + second + changes[i].at, before = *byte;
        *byte = (char)changes[i].value;
        if (scans_of(data, n, 8).some)
            FAIL("scans are left out of a file with %s", changes[i].why);
        *byte = before;
    }
    for (size_t less = 1; less < n - second; less++)
        if (scans_of(data, n - less, 8).some)
            FAIL("scans are left out of a file cut to %zu of %zu", n - less,
                 n);
    free(data);
}

/* ---- public calls ------------------------------------------------------ */

TEST(times_of_reads_add_up)
{
    clipc_image_params params = clipc_image_params_default();
    clipc_image_times times = { 0 }, before;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;

    CHECK(!params.times);
    params.times = &times;
    params.fit_published = 1;
    CHECK_OK(clipc_image_read_file(&image, DATA "pictures/tall.jpg", &params,
                                   &err),
             err);
    clipc_image_free(image);
    CHECK(times.read > 0 && times.decode > 0 && times.resize > 0);
    CHECK(times.decode_cpu > 0 && times.resize_cpu > 0);
    before = times;
    /* Nothing is read, and a whole picture is not resized. */
    size_t n;
    char *data = read_picture("420.jpg", &n);
    params.fit_published = 0;
    CHECK_OK(clipc_image_read_memory(&image, data, n, &params, &err), err);
    clipc_image_free(image);
    CHECK(times.read == before.read && times.resize == before.resize);
    CHECK(times.decode > before.decode);
    before = times;
    /* A failure has taken its time. */
    CHECK_STATUS(clipc_image_read_memory(&image, data, n / 2, &params, &err),
                 CLIPC_ERR_TRUNCATED);
    CHECK(times.decode > before.decode);
    CHECK_STATUS(clipc_image_read_file(&image, "no/such/file", &params, &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK(times.read > before.read);
    free(data);
}

TEST(the_choice_reaches_the_decoder)
{
    clipc_image_params params = clipc_image_params_default();
    clipc_image_info info = { .struct_size = sizeof info };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;
    clipc_image *image;

    CHECK_INT(params.decode, CLIPC_DECODE_EXACT);
    CHECK_OK(clipc_model_open(&model, "tests/data/tiny", NULL, &err), err);
    params.fit = model; /* of 32x32 */
    params.decode = CLIPC_DECODE_FAST;
    CHECK_OK(clipc_image_read_file(&image, DATA "pictures/tall.jpg", &params,
                                   &err),
             err);
    CHECK_OK(clipc_image_get_info(image, &info, &err), err);
    CHECK_INT(info.scale, 1); /* 30x190 */
    clipc_image_free(image);
    params.decode = (clipc_decode)2;
    CHECK_STATUS(clipc_image_read_file(&image, DATA "pictures/tall.jpg",
                                       &params, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_HAS(err.message, "decode");
    /* A program built when the struct ended before the choice. */
    params.struct_size = offsetof(clipc_image_params, decode);
    CHECK_OK(clipc_image_read_file(&image, DATA "pictures/tall.jpg", &params,
                                   &err),
             err);
    clipc_image_free(image);
    clipc_model_free(model);
}
