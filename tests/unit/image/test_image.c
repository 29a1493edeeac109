/* SPDX-License-Identifier: MIT
 *
 * test_image.c - files of every format to pixels and verdicts, against
 * Pillow's (tests/data/images, tests/golden/make_images.py); transparency on
 * white and orientations; limits; the public calls.
 */
#include "support/digest.h"
#include "support/golden_pictures.h"
#include "image/image.h"
#include "support/test.h"

#include <stdlib.h>

#define DATA "tests/data/images/"

static const clipc_decode_params no_limits = { .max_pixels = 178956970,
                                               .max_decode_bytes = 512u << 20,
                                               .max_scans = 500 };

/* A format that a build may lack. */
typedef struct optional_format {
    const char *ending, *prefix; /* of a picture, of a malformed file's name */
    bool is_built;
    const char *message;
} optional_format;

static const optional_format optional_formats[] = {
    { ".webp", "WebP", CLIPC_WEBP, "built without libwebp" },
    { ".avif", "AVIF", CLIPC_AVIF, "built without libavif (AVIF=0)" },
    { ".gif", "GIF", CLIPC_GIF, "built without GIF (GIF=0)" },
};

/* The format of a file that this build does not read, or NULL. */
static const optional_format *lacking(const char *name)
{
    for (size_t i = 0; i < sizeof optional_formats / sizeof *optional_formats;
         i++) {
        const optional_format *f = &optional_formats[i];
        if (!f->is_built && (strstr(name, f->ending) ||
                             strncmp(name, f->prefix, strlen(f->prefix)) == 0))
            return f;
    }
    return NULL;
}

/* Whether the picture's pixels depend on the CPU: libyuv divides by alpha with
 * other roundings where it has no code for x86 (docs/FORMATS.md). */
static bool is_other_elsewhere(const char *name)
{
#if defined(__x86_64__)
    (void)name;
    return false;
#else
    return strcmp(name, "premultiplied.avif") == 0;
#endif
}

/* A build without the format says so. */
static bool lacks_format(const char *name, clipc_status got,
                         const clipc_error *err)
{
    const optional_format *f = lacking(name);

    if (!f)
        return false;
    CHECK_STATUS(got, CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err->message, f->message);
    return true;
}

/* "AVIF" of "a.avif". */
static const char *format_of(const char *name)
{
    static const char *const formats[][2] = {
        { ".jpg", "JPEG" },  { ".png", "PNG" }, { ".webp", "WEBP" },
        { ".avif", "AVIF" }, { ".gif", "GIF" }, { ".bmp", "BMP" },
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strstr(name, formats[i][0]))
            return formats[i][1];
    return "";
}

static clipc_status decode(clipc_image **image, const void *data, size_t n,
                           const clipc_preprocess_config *fit,
                           clipc_error *err)
{
    return clipc_image_decode(image, data, n, "picture", fit, &no_limits, err);
}

/* The same bytes at the end of an allocation of their size: reading past them
 * is seen by the sanitizers. */
static void *exact_copy(const void *data, size_t n)
{
    void *copy = malloc(n ? n : 1);
    if (!copy)
        FAIL("no memory");
    if (n)
        memcpy(copy, data, n);
    return copy;
}

TEST(every_kind_of_picture_equals_pillow)
{
    char *text = test_read(DATA "pictures.tsv", NULL);
    clipc_preprocess_config published;
    size_t n_pictures = 0;

    clipc_preprocess_config_default(&published);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char name[64] = "", want[17], want_fitted[17], got[17];
        size_t width, height, n;
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_image *image;
        char *data;

        if (*line == '#')
            continue;
        CHECK_INT(sscanf(line, "%63s %zu %zu %16s %16s", name, &width, &height,
                         want, want_fitted),
                  5);
        data = read_picture(name, &n);
        n_pictures++;
        clipc_status got_status = decode(&image, data, n, NULL, &err);
        if (lacks_format(name, got_status, &err)) {
            free(data);
            continue;
        }
        if (got_status != CLIPC_OK)
            FAIL("%s: %s", name, err.message);
        CHECK_STR(image->format, format_of(name));
        CHECK_INT(image->orientation, !strncmp(name, "exif.", 5)           ? 1
                                      : !strcmp(name, "exif-segments.jpg") ? 6
                                      : !strcmp(name, "turned.avif")       ? 6
                                      : !strcmp(name, "exif-before.png")   ? 3
                                                                         : 0);
        CHECK_INT(image->width, width);
        CHECK_INT(image->height, height);
        CHECK_INT(image->pixels_width, width);
        CHECK_INT(image->pixels_height, height);
        CHECK(!image->fitted);
        digest(got, image->pixels, width * height * 3);
        if (strcmp(got, want) != 0 && !is_other_elsewhere(name))
            FAIL("%s: pixels hash to %s, not %s", name, got, want);
        clipc_image_free(image);

        if (decode(&image, data, n, &published, &err) != CLIPC_OK)
            FAIL("%s, fitted: %s", name, err.message);
        CHECK(image->fitted);
        CHECK_INT(image->width, width);
        CHECK_INT(image->pixels_width, 224);
        CHECK_INT(image->pixels_height, 224);
        digest(got, image->pixels, 224 * 224 * 3);
        if (strcmp(got, want_fitted) != 0 && !is_other_elsewhere(name))
            FAIL("%s: fitted pixels hash to %s, not %s", name, got,
                 want_fitted);
        clipc_image_free(image);
        free(data);
    }
    free(text);
    CHECK_INT(n_pictures, 171);
}

/* Both ways through the decoder: all pixels, and fitted while decoding. */
static void check_both(const char *name, const void *data, size_t n,
                       clipc_decode_params params, const size_t size[2],
                       const char *want, const char *want_fitted)
{
    clipc_preprocess_config published;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;
    char got[17];
    clipc_status status;

    params.max_pixels = no_limits.max_pixels;
    params.max_decode_bytes = no_limits.max_decode_bytes;
    params.max_scans = no_limits.max_scans;
    clipc_preprocess_config_default(&published);
    status = clipc_image_decode(&image, data, n, name, NULL, &params, &err);
    if (lacks_format(name, status, &err))
        return;
    if (status != CLIPC_OK)
        FAIL("%s: %s", name, err.message);
    CHECK_INT(image->pixels_width, size[0]);
    CHECK_INT(image->pixels_height, size[1]);
    digest(got, image->pixels, size[0] * size[1] * 3);
    if (strcmp(got, want) != 0 && !is_other_elsewhere(name))
        FAIL("%s: pixels hash to %s, not %s", name, got, want);
    clipc_image_free(image);
    CHECK_OK(clipc_image_decode(&image, data, n, name, &published, &params,
                                &err),
             err);
    digest(got, image->pixels, 224 * 224 * 3);
    if (strcmp(got, want_fitted) != 0 && !is_other_elsewhere(name))
        FAIL("%s: fitted pixels hash to %s, not %s", name, got, want_fitted);
    clipc_image_free(image);
}

TEST(transparency_laid_on_white_equals_transformers)
{
    char *text = test_read(DATA "white.tsv", NULL), *rest = NULL;
    const clipc_decode_params white = { .alpha_white = true };
    size_t n_pictures = 0;

    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char name[64], want[17], want_fitted[17];
        size_t size[2], n;
        char *data;

        if (*line == '#')
            continue;
        CHECK_INT(sscanf(line, "%63s %zu %zu %16s %16s", name, &size[0],
                         &size[1], want, want_fitted),
                  5);
        data = read_picture(name, &n);
        check_both(name, data, n, white, size, want, want_fitted);
        free(data);
        n_pictures++;
    }
    free(text);
    CHECK_INT(n_pictures, 31);
}

TEST(every_orientation_equals_exif_transpose)
{
    char *text = test_read(DATA "turned.tsv", NULL), *rest = NULL;
    const clipc_decode_params turned = { .auto_orient = true };
    size_t n_pictures = 0;

    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char name[64], want[17], want_fitted[17];
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_image *image;
        size_t size[2], n;
        int value;
        char *data;

        if (*line == '#')
            continue;
        CHECK_INT(sscanf(line, "%63s %d %zu %zu %16s %16s", name, &value,
                         &size[0], &size[1], want, want_fitted),
                  6);
        data = read_picture(name, &n);
        set_orientation(data, n, value);
        check_both(name, data, n, turned, size, want, want_fitted);
        /* Found, but only applied when asked for. */
        clipc_status got = decode(&image, data, n, NULL, &err);
        if (!lacks_format(name, got, &err)) {
            CHECK_OK(got, err);
            CHECK_INT(image->orientation, value);
            CHECK_INT(image->width, size[value > 4]);
            CHECK_INT(image->pixels_width, size[value > 4]);
            clipc_image_free(image);
        }
        free(data);
        n_pictures++;
    }
    free(text);
    CHECK_INT(n_pictures, 24);
}

TEST(every_prefix_gets_pillows_verdict)
{
    char *text = test_read(DATA "prefixes.tsv", NULL), *rest = NULL;
    size_t n_prefixes = 0;

    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char *runs = NULL, *name, *run, *data;
        size_t n, length = 0;

        if (*line == '#')
            continue;
        name = strtok_r(line, "\t", &runs);
        data = read_picture(name, &n);
        if (lacking(name)) {
            free(data);
            continue;
        }
        while ((run = strtok_r(NULL, "\t", &runs)) != NULL) {
            int verdict;
            size_t count;
            CHECK_INT(sscanf(run, "%d:%zu", &verdict, &count), 2);
            for (; count; count--, length++) {
                void *prefix = exact_copy(data, length);
                clipc_error err = CLIPC_ERROR_INIT;
                clipc_image *image;
                clipc_status got = decode(&image, prefix, length, NULL, &err);

                if ((got == CLIPC_OK) != verdict)
                    FAIL("%s cut to %zu bytes: %s", name, length,
                         got == CLIPC_OK ? "read" : err.message);
                /* The first bytes of some formats say nothing. */
                if (got != CLIPC_OK && got != CLIPC_ERR_TRUNCATED &&
                    got != CLIPC_ERR_FORMAT &&
                    (got != CLIPC_ERR_UNSUPPORTED || length > 14))
                    FAIL("%s cut to %zu bytes: %s", name, length,
                         clipc_status_name(got));
                clipc_image_free(image);
                free(prefix);
                n_prefixes++;
            }
        }
        CHECK_INT(length, n + 1);
        free(data);
    }
    free(text);
    CHECK(n_prefixes > 5000);
}

static size_t from_hex(uint8_t *out, const char *hex)
{
    size_t n = 0;
    unsigned value;

    for (; sscanf(hex + 2 * n, "%2x", &value) == 1; n++)
        out[n] = (uint8_t)value;
    return n;
}

TEST(malformed_files_get_a_status_and_a_message)
{
    char *text = test_read(DATA "malformed.tsv", NULL), *rest = NULL;
    size_t n_files = 0;

    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        uint8_t bytes[4096];
        char *name, *status, *hex;
        void *data;
        size_t n;
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_image *image = (clipc_image *)(uintptr_t)8;
        clipc_status got;

        if (*line == '#')
            continue;
        name = line;
        status = strchr(name, '\t');
        CHECK(status);
        *status++ = '\0';
        hex = strchr(status, '\t');
        CHECK(hex);
        *hex++ = '\0';
        CHECK(strlen(hex) / 2 <= sizeof bytes);
        n = from_hex(bytes, hex);
        data = exact_copy(bytes, n);
        got = decode(&image, data, n, NULL, &err);
        if (!lacks_format(name, got, &err) &&
            strcmp(clipc_status_name(got), status) != 0)
            FAIL("%s: %s (%s), not %s", name, clipc_status_name(got),
                 err.message, status);
        CHECK(!image);
        CHECK_INT(err.code, got);
        CHECK_HAS(err.message, "picture: ");
        CHECK(!strchr(err.message, '\n'));
        if (strncmp(name, "looks like ", 11) == 0 && !strchr(name, ','))
            CHECK_HAS(err.message, name);
        free(data);
        n_files++;
    }
    free(text);
    CHECK_INT(n_files, 123);
}

/* Fitted during decoding or afterwards: the pixels are the same. */
static void check_fitted(const char *name, const clipc_image *full,
                         const void *data, size_t n)
{
    clipc_preprocess_config published;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *streamed, *fitted;

    clipc_preprocess_config_default(&published);
    CHECK_OK(decode(&streamed, data, n, &published, &err), err);
    CHECK_OK(clipc_image_fit(&fitted, full, &published, &err), err);
    if (memcmp(streamed->pixels, fitted->pixels, 224 * 224 * 3) != 0)
        FAIL("%s: fitted pixels differ", name);
    clipc_image_free(streamed);
    clipc_image_free(fitted);
}

TEST(animations_have_pillows_verdict_and_first_frame)
{
    char *text = test_read(DATA "animations.tsv", NULL), *rest = NULL;
    size_t n_read = 0, n_refused = 0;

    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char name[64], want[17], got[17] = "refused";
        uint8_t bytes[1024];
        int hex = 0;
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_image *image;

        if (*line == '#')
            continue;
        CHECK_INT(sscanf(line, "%63[^\t]\t%16s\t%n", name, want, &hex), 2);
        CHECK(strlen(line + hex) / 2 <= sizeof bytes);
        size_t n = from_hex(bytes, line + hex);
        void *data = exact_copy(bytes, n);
        clipc_status status = decode(&image, data, n, NULL, &err);
        if (status == CLIPC_OK) {
            digest(got, image->pixels,
                   image->pixels_width * image->pixels_height * 3);
            check_fitted(name, image, data, n);
        } else if (status != CLIPC_ERR_FORMAT &&
                   status != CLIPC_ERR_TRUNCATED) {
            FAIL("%s: %s", name, err.message);
        }
        if (strcmp(got, want) != 0 && !is_other_elsewhere(name))
            FAIL("%s: %s (%s), not %s", name, got, err.message, want);
        CHECK(!image == (status != CLIPC_OK));
        n_read += status == CLIPC_OK;
        n_refused += status != CLIPC_OK;
        clipc_image_free(image);
        free(data);
        /* The decoder reads no prefix past its end. */
        for (size_t cut = 0; cut < n; cut++) {
            data = exact_copy(bytes, cut);
            status = decode(&image, data, cut, NULL, &err);
            CHECK(!image == (status != CLIPC_OK));
            clipc_image_free(image);
            free(data);
        }
    }
    free(text);
    CHECK_INT(n_read, 46);
    CHECK_INT(n_refused, 40);
}

TEST(damage_that_is_repaired_is_counted)
{
    const struct {
        const char *name;
        bool warns;
    } cases[] = {
        { "420.jpg", false },          { "damaged.jpg", true },
        { "junk-for-eoi.jpg", false }, { "trailing.jpg", false },
        { "c2-d8.png", false },        { "idat-crc.png", true },
        { "rows-missing.png", true },  { "palette-none.png", true },
        { "metadata.png", false },     { "trailing.png", false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        char *data = read_picture(cases[i].name, &n);
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_image *image;

        CHECK_OK(decode(&image, data, n, NULL, &err), err);
        if ((image->n_warnings > 0) != cases[i].warns)
            FAIL("%s: %u warnings", cases[i].name, image->n_warnings);
        clipc_image_free(image);
        free(data);
    }
}

TEST(offsets_say_where_a_png_is_damaged)
{
    size_t n;
    char *data = read_picture("metadata.png", &n);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;

    data[33 + 8] ^= 1; /* data of the first chunk after IHDR */
    CHECK_STATUS(decode(&image, data, n, NULL, &err), CLIPC_ERR_FORMAT);
    CHECK_INT(err.offset, 33);
    CHECK_HAS(err.message, "gAMA");
    free(data);
}

TEST(limits_are_reached_exactly)
{
    /* 420-progressive: 45x37 pixels are 3x3 MCUs of 6 blocks of 64 16-bit
     * coefficients, in 10 scans. c2-d16-adam7: 23 rows of 19 RGB pixels.
     * WebP: 4 bytes a pixel, 9 when lossless or with alpha; of an animation
     * its frame's. AVIF: 9 bytes a pixel, 12 with alpha. Interlaced GIF and
     * run-length coded BMP: 1 byte. */
    const struct {
        const char *name, *limit;
        size_t exact; /* smallest limit with which the picture is read */
    } cases[] = {
        { "420.jpg", "max_pixels", 45 * 37 },
        { "c2-d8.png", "max_pixels", 19 * 23 },
        { "420-progressive.jpg", "max_decode_bytes", 3 * 3 * 6 * 128 },
        { "c2-d16-adam7.png", "max_decode_bytes", 19 * 6 * 23 },
        { "420-progressive.jpg", "max_scans", 10 },
        { "lossy.webp", "max_pixels", 45 * 37 },
        { "animated.webp", "max_pixels", 19 * 15 },
        { "lossy.webp", "max_decode_bytes", 45 * 37 * 4 },
        { "lossy-alpha.webp", "max_decode_bytes", 23 * 19 * 9 },
        { "lossless.webp", "max_decode_bytes", 17 * 11 * 9 },
        { "animated.webp", "max_decode_bytes", 10 * 8 * 4 },
        { "420-full.avif", "max_pixels", 29 * 23 },
        { "420-full.avif", "max_decode_bytes", 29 * 23 * 9 },
        { "alpha.avif", "max_decode_bytes", 23 * 19 * 12 },
        { "interlaced.gif", "max_pixels", 29 * 23 },
        { "interlaced.gif", "max_decode_bytes", 29 * 23 },
        { "frame-inside.gif", "max_pixels", 19 * 15 },
        { "frame-outside.gif", "max_pixels", 22 * 17 },
        { "24.bmp", "max_pixels", 19 * 15 },
        { "rle8.bmp", "max_decode_bytes", 19 * 15 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int over = -1; over <= 1; over++) {
            size_t n, value = cases[i].exact + (size_t)over;
            char *data = read_picture(cases[i].name, &n);
            clipc_decode_params limits = no_limits;
            clipc_error err = CLIPC_ERROR_INIT;
            clipc_image *image;
            clipc_status got;

            if (strcmp(cases[i].limit, "max_pixels") == 0)
                limits.max_pixels = value;
            else if (strcmp(cases[i].limit, "max_scans") == 0)
                limits.max_scans = (unsigned)value;
            else
                limits.max_decode_bytes = value;
            got = clipc_image_decode(&image, (uint8_t *)data, n, "picture",
                                     NULL, &limits, &err);
            if (lacks_format(cases[i].name, got, &err)) {
                free(data);
                continue;
            }
            if (got != (over < 0 ? CLIPC_ERR_LIMIT : CLIPC_OK))
                FAIL("%s with %s %zu: %s (%s)", cases[i].name, cases[i].limit,
                     value, clipc_status_name(got), err.message);
            if (got != CLIPC_OK)
                CHECK_HAS(err.message, cases[i].limit);
            clipc_image_free(image);
            free(data);
        }
}

/* Of a GIF only interlaced frames are kept whole. */
TEST(a_gif_row_by_row_needs_no_memory_that_counts)
{
    clipc_decode_params limits = no_limits;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;
    size_t n;
    char *data = read_picture("frame-inside.gif", &n);

    limits.max_decode_bytes = 1;
    clipc_status got = clipc_image_decode(&image, (uint8_t *)data, n,
                                          "picture", NULL, &limits, &err);
    if (lacks_format("frame-inside.gif", got, &err)) {
        free(data);
        SKIP("no GIF in this build");
    }
    CHECK_STATUS(got, CLIPC_OK);
    clipc_image_free(image);
    free(data);
}

TEST(flipped_bytes_never_crash)
{
    /* All bytes of one file of each kind, three values each. The verdict is
     * free; under the sanitizers this finds reads out of bounds and leaks. */
    static const char *const names[] = {
        "grey.jpg",         "1x1.jpg",       "exif.jpg",
        "c3-d4-adam7.png",  "apng.png",      "lossy-alpha.webp",
        "lossless.webp",    "animated.webp", "exif.webp",
        "420-full.avif",    "alpha.avif",    "interlaced.gif",
        "frame-inside.gif", "4.bmp",         "masks-3.bmp",
        "rle8.bmp",         "rle4.bmp"
    };
    static const uint8_t masks[] = { 0x01, 0x80, 0xFF };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n, n_read = 0;
        char *data = read_picture(names[i], &n);

        for (size_t at = 0; at < n; at++)
            for (size_t m = 0; m < sizeof masks; m++) {
                clipc_decode_params limits = { .max_pixels = 1 << 16,
                                               .max_decode_bytes = 1 << 20,
                                               .max_scans = 20 };
                clipc_image *image;

                data[at] = (char)(data[at] ^ masks[m]);
                n_read += clipc_image_decode(&image, (uint8_t *)data, n,
                                             "picture", NULL, &limits,
                                             NULL) == CLIPC_OK;
                clipc_image_free(image);
                data[at] = (char)(data[at] ^ masks[m]);
            }
        if (!lacking(names[i]))
            CHECK(n_read > 0 && n_read < 3 * n);
        free(data);
    }
}

/* ---- public calls ------------------------------------------------------ */

static clipc_image_info info(const clipc_image *image)
{
    clipc_image_info p = { .struct_size = sizeof p };
    CHECK_STATUS(clipc_image_get_info(image, &p, NULL), CLIPC_OK);
    return p;
}

TEST(file_and_memory_give_the_same)
{
    size_t n;
    char *data = read_picture("420.jpg", &n);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *from_file, *from_memory;
    clipc_image_info a, b;

    CHECK_OK(clipc_image_read_file(&from_file, DATA "pictures/420.jpg", NULL,
                                   &err),
             err);
    CHECK_OK(clipc_image_read_memory(&from_memory, data, n, NULL, &err), err);
    a = info(from_file), b = info(from_memory);
    CHECK_INT(a.width, 45);
    CHECK_INT(a.height, 37);
    CHECK_STR(a.format, "JPEG");
    CHECK_INT(a.orientation, 0);
    CHECK_INT(a.n_warnings, 0);
    CHECK_INT(a.fitted, 0);
    CHECK_INT(a.pixels_width, 45);
    CHECK_BYTES(a.pixels, b.pixels, 45 * 37 * 3);
    clipc_image_free(from_file);
    clipc_image_free(from_memory);
    clipc_image_free(NULL);
    free(data);
}

TEST(public_limits_name_their_parameter)
{
    size_t n;
    char *data = read_picture("420.jpg", &n);
    clipc_image_params params = clipc_image_params_default();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;

    params.max_bytes = n - 1;
    CHECK_STATUS(clipc_image_read_memory(&image, data, n, &params, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "max_bytes");
    CHECK_STATUS(clipc_image_read_file(&image, DATA "pictures/420.jpg",
                                       &params, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "max_bytes");
    params.max_bytes = n;
    CHECK_OK(clipc_image_read_memory(&image, data, n, &params, &err), err);
    clipc_image_free(image);
    CHECK_OK(clipc_image_read_file(&image, DATA "pictures/420.jpg", &params,
                                   &err),
             err);
    clipc_image_free(image);
    params.max_pixels = 45 * 37 - 1;
    CHECK_STATUS(clipc_image_read_memory(&image, data, n, &params, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "max_pixels");
    /* 0 is the default, for every limit. */
    memset(&params, 0, sizeof params);
    params.struct_size = sizeof params;
    CHECK_OK(clipc_image_read_memory(&image, data, n, &params, &err), err);
    clipc_image_free(image);
    free(data);
}

TEST(arguments_are_checked)
{
    const uint8_t rgb[12] = { 0 };
    clipc_image *image = NULL;
    clipc_image_params params = clipc_image_params_default();
    clipc_image_info p = { 0 };

    CHECK_STATUS(clipc_image_read_file(NULL, "x", NULL, NULL),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_image_read_file(&image, NULL, NULL, NULL),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_image_read_file(&image, "no/such/file", NULL, NULL),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_STATUS(clipc_image_read_memory(NULL, rgb, 12, NULL, NULL),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_image_read_memory(&image, NULL, 12, NULL, NULL),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_image_read_memory(&image, NULL, 0, NULL, NULL),
                 CLIPC_ERR_TRUNCATED);
    CHECK_STATUS(clipc_image_read_url(NULL, "http://x", NULL, NULL),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_image_read_url(&image, NULL, NULL, NULL),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_image_from_rgb(NULL, rgb, 2, 2, 6, NULL, NULL),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_image_from_rgb(&image, NULL, 2, 2, 6, NULL, NULL),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_image_from_rgb(&image, rgb, 0, 2, 6, NULL, NULL),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_image_from_rgb(&image, rgb, 2, 2, 5, NULL, NULL),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_image_from_rgb(&image, rgb, SIZE_MAX / 2, 1, 9, NULL,
                                      NULL),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_image_get_info(NULL, &p, NULL), CLIPC_ERR_ARGUMENT);
    params.struct_size = 3;
    CHECK_STATUS(clipc_image_from_rgb(&image, rgb, 2, 2, 6, &params, NULL),
                 CLIPC_ERR_ARGUMENT);
    CHECK(!image);
}

TEST(choices_of_a_read_reach_the_decoder)
{
    size_t n;
    char *data = read_picture("exif.jpg", &n);
    clipc_image_params params = clipc_image_params_default();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;

    set_orientation(data, n, 6);
    CHECK_INT(params.auto_orient, 0);
    CHECK_INT(params.alpha, CLIPC_ALPHA_DROP);
    params.auto_orient = 1;
    CHECK_OK(clipc_image_read_memory(&image, data, n, &params, &err), err);
    CHECK_INT(info(image).orientation, 6);
    CHECK_INT(info(image).width, 40); /* as stored */
    CHECK_INT(info(image).pixels_width, 90);
    CHECK_INT(info(image).pixels_height, 40);
    clipc_image_free(image);
    /* A program built when the struct ended before the choice. */
    params.struct_size = offsetof(clipc_image_params, auto_orient);
    CHECK_OK(clipc_image_read_memory(&image, data, n, &params, &err), err);
    CHECK_INT(info(image).pixels_width, 40);
    clipc_image_free(image);
    free(data);

    params = clipc_image_params_default();
    params.alpha = CLIPC_ALPHA_WHITE;
    CHECK_OK(clipc_image_read_file(&image, DATA "pictures/c6-d8.png", &params,
                                   &err),
             err);
    CHECK_INT(info(image).pixels[19 * 23 * 3 - 1], 255);
    clipc_image_free(image);
    params = clipc_image_params_default();
    params.fit_published = 1; /* rows are fitted without a model */
    CHECK_OK(clipc_image_read_file(&image, DATA "pictures/c6-d8.png", &params,
                                   &err),
             err);
    CHECK_INT(info(image).fitted, 1);
    CHECK_INT(info(image).pixels_width, 224);
    static uint8_t pixels[3 * 224 * 224];
    CHECK_OK(clipc_preprocess_u8(NULL, &image, 1, pixels, &err), err);
    clipc_image_free(image);
    params.alpha = (clipc_alpha)2;
    CHECK_STATUS(clipc_image_read_file(&image, DATA "pictures/c6-d8.png",
                                       &params, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_HAS(err.message, "alpha");
}

TEST(own_pixels_are_copied)
{
    /* 2x2 pixels in rows of 8 bytes. */
    const uint8_t rgb[16] = { 1, 2, 3, 4, 5, 6, 99, 99, 7, 8, 9, 10, 11, 12 };
    const uint8_t want[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;
    clipc_image_info p;

    CHECK_OK(clipc_image_from_rgb(&image, rgb, 2, 2, 8, NULL, &err), err);
    p = info(image);
    CHECK_STR(p.format, "RGB");
    CHECK_INT(p.pixels_height, 2);
    CHECK_BYTES(p.pixels, want, 12);
    clipc_image_free(image);
}
