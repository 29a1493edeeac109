/* SPDX-License-Identifier: MIT
 *
 * test_avif_frames.c - the frames of an AVIF are counted, wherever its boxes
 * put them, and a picture of too many is refused.
 */
#include "image/avif_frames.h"
#include "image/image.h"
#include "support/test.h"

#include <stdlib.h>

#if CLIPC_AVIF

/* ---- a file of boxes --------------------------------------------------- */

typedef struct file {
    uint8_t data[4096];
    size_t n;
} file;

static void put(file *f, uint64_t value, size_t bytes)
{
    for (size_t i = bytes; i-- > 0;)
        f->data[f->n++] = (uint8_t)(value >> 8 * i);
}

static void put_text(file *f, const char *text, size_t n)
{
    memcpy(f->data + f->n, text, n);
    f->n += n;
}

/* Begins a box; end_box() writes its size. */
static size_t begin_box(file *f, const char *type)
{
    const size_t at = f->n;

    put(f, 0, 4);
    put_text(f, type, 4);
    return at;
}

static void end_box(file *f, size_t at)
{
    file size = { .n = 0 };

    put(&size, f->n - at, 4);
    memcpy(f->data + at, size.data, 4);
}

/* A temporal delimiter, a frame header with an extension and a size of two
 * bytes, and two frames: four units, three frames. */
static const char UNITS[] = "\x12\0"
                            "\x1E\0\x82\0ab"
                            "\x32\3abc"
                            "\x32\0";
enum { N_UNITS = sizeof UNITS - 1, FRAMES = 3 };

/* The fewest frames that may be allowed. */
static unsigned count(const file *f)
{
    unsigned most = 0;

    for (; most < 100; most++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_status status = clipc_avif_frames_check(f->data, f->n, most, "x",
                                                      &err);
        if (status == CLIPC_OK)
            break;
        CHECK_INT(status, CLIPC_ERR_LIMIT);
        CHECK_HAS(err.message, "x: an AVIF of more than");
    }
    return most;
}

/* An iloc of two items: the first in `n` extents of the file, or of idat; the
 * second is the whole at once. */
static void put_iloc(file *f, unsigned version, bool in_idat, size_t at,
                     size_t n_extents, const size_t *lengths)
{
    const size_t box = begin_box(f, "iloc");
    const size_t n_number = version < 2 ? 2 : 4;

    put(f, version, 1);
    put(f, 0, 3);
    put(f, version ? 0x4842 : 0x4840, 2);
    put(f, 2, n_number);
    for (size_t item = 1; item <= 2; item++) {
        const size_t n = item == 1 ? n_extents : 1;
        size_t from = 0;
        put(f, item, n_number);
        if (version)
            put(f, in_idat, 2);
        put(f, 0, 2);
        put(f, at, 4);
        put(f, n, 2);
        for (size_t i = 0; i < n; i++) {
            const size_t length = item == 1 ? lengths[i] : (size_t)N_UNITS;
            if (version)
                put(f, i, 2);
            put(f, from, 4);
            put(f, length, 8);
            from += length;
        }
    }
    end_box(f, box);
}

TEST(frames_of_items_are_counted_over_their_extents)
{
    static const size_t one[] = { N_UNITS }, three[] = { 3, 7, N_UNITS - 10 };

    for (unsigned version = 0; version < 3; version++)
        for (int in_idat = 0; in_idat < (version ? 2 : 1); in_idat++)
            for (int split = 0; split < 2; split++) {
                file f = { .n = 0 };
                const size_t units = begin_box(&f, "mdat");
                put_text(&f, UNITS, N_UNITS);
                end_box(&f, units);
                const size_t meta = begin_box(&f, "meta");
                put(&f, 0, 4);
                put_iloc(&f, version, in_idat, in_idat ? 0 : units + 8,
                         split ? 3 : 1, split ? three : one);
                const size_t idat = begin_box(&f, "idat");
                put_text(&f, UNITS, N_UNITS);
                end_box(&f, idat);
                end_box(&f, meta);
                CHECK_INT(count(&f), 2 * FRAMES);
                /* Cut anywhere, also in a copy that ends there. */
                for (size_t n = 0; n < f.n; n++) {
                    clipc_error err = CLIPC_ERROR_INIT;
                    uint8_t *copy = malloc(n ? n : 1);
                    CHECK(copy != NULL);
                    memcpy(copy, f.data, n);
                    CHECK_OK(clipc_avif_frames_check(copy, n, 2 * FRAMES, "x",
                                                     &err),
                             err);
                    free(copy);
                }
            }
}

TEST(frames_of_a_tracks_first_sample_are_counted)
{
    for (int wide = 0; wide < 2; wide++)
        for (int same = 0; same < 2; same++) {
            static const char *const path[] = { "moov", "trak", "mdia", "minf",
                                                "stbl" };
            size_t boxes[5];
            file f = { .n = 0 };
            const size_t units = begin_box(&f, "mdat");
            put_text(&f, UNITS, N_UNITS);
            put_text(&f, UNITS, N_UNITS); /* the second sample */
            end_box(&f, units);
            for (size_t i = 0; i < 5; i++)
                boxes[i] = begin_box(&f, path[i]);
            size_t box = begin_box(&f, wide ? "co64" : "stco");
            put(&f, 0, 4);
            put(&f, 1, 4);
            put(&f, units + 8, wide ? 8 : 4);
            end_box(&f, box);
            box = begin_box(&f, "stsz");
            put(&f, 0, 4);
            put(&f, same ? N_UNITS : 0, 4);
            put(&f, 2, 4);
            put(&f, N_UNITS, same ? 0 : 4);
            end_box(&f, box);
            for (size_t i = 5; i-- > 0;)
                end_box(&f, boxes[i]);
            CHECK_INT(count(&f), FRAMES);
        }
}

TEST(units_without_frames_are_bounded_too)
{
    static const size_t whole[] = { 1280 };
    clipc_error err = CLIPC_ERROR_INIT;
    file f = { .n = 0 };
    const size_t units = begin_box(&f, "mdat");

    for (size_t i = 0; i < 640; i++) /* padding */
        put(&f, 0x7A00, 2);
    end_box(&f, units);
    const size_t meta = begin_box(&f, "meta");
    put(&f, 0, 4);
    put_iloc(&f, 0, false, units + 8, 1, whole);
    end_box(&f, meta);
    CHECK_OK(clipc_avif_frames_check(f.data, f.n, 11, "x", &err), err);
    CHECK_STATUS(clipc_avif_frames_check(f.data, f.n, 9, "x", &err),
                 CLIPC_ERR_LIMIT);
}

/* ---- a picture --------------------------------------------------------- */

static size_t find(const uint8_t *data, size_t n, const char *type)
{
    for (size_t i = 0; i + 4 <= n; i++)
        if (memcmp(data + i, type, 4) == 0)
            return i;
    FAIL("no %s", type);
}

/* A picture of one frame, with its data n_more times again behind them, at the
 * file's end. malloc'ed. */
static uint8_t *repeat(const uint8_t *data, size_t n, size_t n_more,
                       size_t *n_out)
{
    const size_t iloc = find(data, n, "iloc");
    const file none = { .n = 0 };
    file f = none;
    size_t at = 0, length = 0;

    /* Version 0: sizes 4, 4, 0; one item of one extent. */
    CHECK(memcmp(data + iloc + 4, "\0\0\0\0\x44\0\0\1\0\1\0\0\0\1", 14) == 0);
    for (size_t i = 0; i < 4; i++) {
        at = at << 8 | data[iloc + 18 + i];
        length = length << 8 | data[iloc + 22 + i];
    }
    CHECK(at + length <= n);
    *n_out = n + (n_more + 1) * length;
    uint8_t *out = malloc(*n_out);
    CHECK(out != NULL);
    memcpy(out, data, n);
    for (size_t i = 0; i <= n_more; i++)
        memcpy(out + n + i * length, data + at, length);
    put(&f, n, 4);
    put(&f, *n_out - n, 4);
    memcpy(out + iloc + 18, f.data, 8);
    return out;
}

TEST(a_picture_of_too_many_frames_is_refused)
{
    size_t n, n_made;
    uint8_t *data =
        (uint8_t *)test_read("tests/data/images/pictures/grey.avif", &n);

    for (size_t n_more = 0; n_more < 3; n_more++) {
        const clipc_decode_params limits = { .max_pixels = 1 << 20,
                                             .max_decode_bytes = 1 << 22,
                                             .max_scans = 2 };
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_image *image, *plain;
        uint8_t *made = repeat(data, n, n_more, &n_made);
        CHECK_STATUS(clipc_image_decode(&image, made, n_made, "made", NULL,
                                        &limits, &err),
                     n_more < 2 ? CLIPC_OK : CLIPC_ERR_LIMIT);
        if (n_more < 2) {
            CHECK_OK(clipc_image_decode(&plain, data, n, "plain", NULL,
                                        &limits, &err),
                     err);
            CHECK_BYTES(image->pixels, plain->pixels,
                        3 * plain->pixels_width * plain->pixels_height);
            clipc_image_free(plain);
        } else {
            CHECK_STR(err.message,
                      "made: an AVIF of more than 2 frames (max_scans)");
        }
        clipc_image_free(image);
        free(made);
    }
    free(data);
}

#else

TEST(frames_of_an_avif_are_bounded)
{
    SKIP("built without libavif");
}

#endif
