/* SPDX-License-Identifier: MIT
 *
 * image.c - a picture in memory to a clipc_image: finds the format from the
 * content, runs its decoder, and takes the rows either as they are or through
 * the streaming resize and crop of a model, upright with auto_orient.
 */
#include "image/exif.h"
#include "image/image.h"
#include "image/resize.h"
#include "base/clock.h"
#include "base/sniff.h"

#include <stdlib.h>
#include <string.h>

/* ---- sinks ------------------------------------------------------------- */

/* Collects rows into an image. */
typedef struct collector {
    clipc_image *image;
    const clipc_preprocess_config *fit; /* NULL: all pixels */
    clipc_resizer *resizer;             /* of a fitted image */
    const clipc_decode_info *info;
    size_t width, height; /* of the rows */
    bool auto_orient;
    clipc_turn turn;  /* of all pixels; a resizer turns by itself */
    uint8_t *painted; /* [width, 3] a row without its key colour, or NULL */
    size_t n_rows;
    double *resize_seconds; /* or NULL */
} collector;

static void collector_release(collector *c)
{
    clipc_resizer_destroy(c->resizer);
    free(c->painted);
}

static clipc_status begin_full(collector *c, size_t width, size_t height,
                               clipc_error *err)
{
    clipc_image *image = c->image;
    size_t n_bytes;

    if (!clipc_mul(width, height, &n_bytes) ||
        !clipc_mul(n_bytes, 3, &n_bytes))
        return clipc_fail_nomem(err, "pixels");
    if (c->auto_orient)
        c->turn = clipc_turn_of(c->info->orientation);
    image->pixels_width = c->turn.transpose ? height : width;
    image->pixels_height = c->turn.transpose ? width : height;
    image->pixels = clipc_alloc(n_bytes, 1);
    return image->pixels ? CLIPC_OK : clipc_fail_nomem(err, "pixels");
}

static clipc_status begin_fitted(collector *c, size_t width, size_t height,
                                 clipc_error *err)
{
    clipc_image *image = c->image;
    clipc_turn turn = { false, false, false };
    clipc_geometry geometry;

    if (c->auto_orient)
        turn = clipc_turn_of(c->info->orientation);
    CLIPC_TRY(clipc_geometry_compute(&geometry, c->fit,
                                     turn.transpose ? height : width,
                                     turn.transpose ? width : height, err));
    geometry.turn = turn;
    /* Checked before memory is taken for pixels that no network reads. */
    if (c->fit->network_size && (geometry.out_width != c->fit->network_size ||
                                 geometry.out_height != c->fit->network_size))
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "the model's preprocessing makes %zux%zu of a "
                          "picture of %zux%zu, but its image_size is %zu",
                          geometry.out_width, geometry.out_height,
                          geometry.in_width, geometry.in_height,
                          c->fit->network_size);
    image->fitted = true;
    image->fit = *c->fit;
    image->pixels_width = geometry.out_width;
    image->pixels_height = geometry.out_height;
    /* Bounded by clipc_geometry_compute(). */
    image->pixels = clipc_alloc(geometry.out_width * geometry.out_height, 3);
    if (!image->pixels)
        return clipc_fail_nomem(err, "pixels");
    if (c->info->key.present) {
        c->painted = clipc_alloc(width, 3);
        if (!c->painted)
            return clipc_fail_nomem(err, "a row of pixels");
    }
    return clipc_resizer_create(&c->resizer, &geometry, c->fit->resample,
                                image->pixels, err);
}

static clipc_status collector_begin(void *self, size_t width, size_t height,
                                    clipc_error *err)
{
    collector *c = self;

    c->width = width;
    c->height = height;
    c->image->width = c->info->width;
    c->image->height = c->info->height;
    return c->fit ? begin_fitted(c, width, height, err)
                  : begin_full(c, width, height, err);
}

/* The row with pixels of the key colour white. */
static const uint8_t *paint_key(collector *c, const uint8_t *rgb)
{
    const size_t n_bytes = c->width * 3;

    for (size_t i = 0; i < n_bytes; i += 3) {
        if (memcmp(rgb + i, c->info->key.rgb, 3) == 0)
            memset(c->painted + i, 255, 3);
        else
            memcpy(c->painted + i, rgb + i, 3);
    }
    return c->painted;
}

static clipc_status resize_row(collector *c, const uint8_t *rgb,
                               clipc_error *err)
{
    const double start = c->resize_seconds ? clipc_clock(CLOCK_MONOTONIC) : 0;
    const clipc_status status =
        clipc_resizer_row(c->resizer, c->painted ? paint_key(c, rgb) : rgb,
                          err);

    if (c->resize_seconds)
        *c->resize_seconds += clipc_clock(CLOCK_MONOTONIC) - start;
    return status;
}

static clipc_status collector_row(void *self, const uint8_t *rgb,
                                  clipc_error *err)
{
    collector *c = self;
    clipc_image *image = c->image;

    if (c->n_rows++ >= c->height)
        return clipc_fail(err, CLIPC_ERR_INTERNAL, -1,
                          "more than the %zu rows announced", c->height);
    if (c->resizer)
        return resize_row(c, rgb, err);
    clipc_turn_row(image->pixels, image->pixels_width * 3, c->turn, rgb,
                   c->width, c->height, c->n_rows - 1);
    return CLIPC_OK;
}

/* ---- formats ----------------------------------------------------------- */

static bool has(const uint8_t *data, size_t n, size_t at, const char *magic,
                size_t n_magic)
{
    return n >= n_magic && at <= n - n_magic &&
           memcmp(data + at, magic, n_magic) == 0;
}

#define HAS(at, magic) has(data, n, at, magic, sizeof(magic) - 1)

typedef clipc_status (*decode_fn)(const uint8_t *data, size_t n,
                                  const char *name,
                                  const clipc_decode_params *params,
                                  const clipc_row_sink *sink,
                                  clipc_decode_info *info, clipc_error *err);

static bool is_jpeg(const uint8_t *data, size_t n)
{
    return HAS(0, "\xFF\xD8\xFF");
}

static bool is_png(const uint8_t *data, size_t n)
{
    return HAS(0, "\x89PNG\r\n\x1A\n");
}

static bool is_webp(const uint8_t *data, size_t n)
{
    return HAS(0, "RIFF") && HAS(8, "WEBP");
}

static bool is_gif(const uint8_t *data, size_t n)
{
    return HAS(0, "GIF87a") || HAS(0, "GIF89a");
}

static const struct {
    const char *name;
    bool (*is)(const uint8_t *data, size_t n);
    decode_fn decode;
} formats[] = {
    { "JPEG", is_jpeg, clipc_jpeg_decode },
    { "PNG", is_png, clipc_png_decode },
    { "WEBP", is_webp, clipc_webp_decode },
    { "AVIF", clipc_avif_is_brand, clipc_avif_decode },
    { "GIF", is_gif, clipc_gif_decode },
    { "BMP", clipc_bmp_is_header, clipc_bmp_decode },
};

/* Whether the file ends where a picture of some format may only begin. */
static bool is_beginning(const uint8_t *data, size_t n)
{
    static const char *const magics[] = { "\xFF\xD8\xFF", "\x89PNG\r\n\x1A\n",
                                          "GIF87a", "GIF89a" };
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (n < strlen(magics[i]) && memcmp(data, magics[i], n) == 0)
            return true;
    return n < 12 && memcmp(data, "RIFF", n < 4 ? n : 4) == 0;
}

static clipc_status find_decoder(const uint8_t *data, size_t n,
                                 const char *name, decode_fn *decode,
                                 const char **format, clipc_error *err)
{
    const clipc_sniffed *other;

    if (n == 0)
        return clipc_fail(err, CLIPC_ERR_TRUNCATED, 0, "%s: empty", name);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].is(data, n)) {
            *decode = formats[i].decode;
            *format = formats[i].name;
            return CLIPC_OK;
        }
    if (is_beginning(data, n))
        return clipc_fail(err, CLIPC_ERR_TRUNCATED, (int64_t)n,
                          "%s: only %zu bytes of a picture", name, n);
    other = clipc_sniff(data, n);
    if (other)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: not a JPEG, PNG, WebP, AVIF, GIF or BMP (looks "
                          "like %s)%s",
                          name, other->name,
                          other->is_picture ? "; save it as JPEG or PNG" : "");
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "%s: not a JPEG, PNG, WebP, AVIF, GIF or BMP", name);
}

/* ---- drafts ------------------------------------------------------------ */

/* A smaller picture must still have twice the sides that the resize makes. */
static void set_draft(clipc_decode_params *params,
                      const clipc_preprocess_config *fit)
{
    switch (fit->resize) {
    case CLIPC_RESIZE_NONE: break;
    case CLIPC_RESIZE_EXACT:
        params->draft_width = 2 * fit->width;
        params->draft_height = 2 * fit->height;
        break;
    case CLIPC_RESIZE_SHORTEST:
    case CLIPC_RESIZE_BOUNDED:
        params->draft_width = params->draft_height = 2 * fit->shortest;
        break;
    }
}

/* ---- images ------------------------------------------------------------ */

void clipc_image_free(clipc_image *image)
{
    if (!image)
        return;
    free(image->pixels);
    free(image);
}

clipc_status clipc_image_decode(clipc_image **image, const uint8_t *data,
                                size_t n, const char *name,
                                const clipc_preprocess_config *fit,
                                const clipc_decode_params *given,
                                clipc_error *err)
{
    clipc_decode_params params = *given;
    clipc_decode_info info = { 0 };
    collector c = { .fit = fit,
                    .info = &info,
                    .auto_orient = params.auto_orient,
                    .resize_seconds = params.resize_seconds };
    const clipc_row_sink sink = { collector_begin, collector_row, &c };
    const clipc_quoted quoted = clipc_quote(name, strlen(name));
    decode_fn decode = NULL;
    const char *format = NULL;
    clipc_status status;

    *image = NULL;
    CLIPC_TRY(find_decoder(data, n, quoted.text, &decode, &format, err));
    c.image = clipc_alloc_zero(1, sizeof *c.image);
    if (!c.image)
        return clipc_fail_nomem(err, "image");
    if (params.fast && fit)
        set_draft(&params, fit);
    status = decode(data, n, quoted.text, &params, &sink, &info, err);
    collector_release(&c);
    if (status != CLIPC_OK) {
        clipc_image_free(c.image);
        return status;
    }
    c.image->format = format;
    c.image->scale = info.scale ? info.scale : 1;
    c.image->orientation = info.orientation;
    c.image->n_warnings = info.n_warnings;
    if (!fit)
        c.image->key = info.key;
    *image = c.image;
    return CLIPC_OK;
}

/* Pixels in memory through a collector. */
static clipc_status collect(clipc_image **image, const uint8_t *rgb,
                            size_t width, size_t height, size_t stride_bytes,
                            const clipc_key_colour *key,
                            const clipc_preprocess_config *fit,
                            clipc_error *err)
{
    const clipc_decode_info info = { .width = width,
                                     .height = height,
                                     .key = *key };
    collector c = { .fit = fit, .info = &info };
    clipc_status status;

    *image = NULL;
    c.image = clipc_alloc_zero(1, sizeof *c.image);
    if (!c.image)
        return clipc_fail_nomem(err, "image");
    status = collector_begin(&c, width, height, err);
    for (size_t y = 0; status == CLIPC_OK && y < height; y++)
        status = collector_row(&c, rgb + y * stride_bytes, err);
    collector_release(&c);
    if (status != CLIPC_OK) {
        clipc_image_free(c.image);
        return status;
    }
    c.image->scale = 1;
    *image = c.image;
    return CLIPC_OK;
}

clipc_status clipc_image_make(clipc_image **image, const uint8_t *rgb,
                              size_t width, size_t height, size_t stride_bytes,
                              const clipc_preprocess_config *fit,
                              clipc_error *err)
{
    const clipc_key_colour none = { false, { 0 } };

    CLIPC_TRY(
        collect(image, rgb, width, height, stride_bytes, &none, fit, err));
    (*image)->format = "RGB";
    return CLIPC_OK;
}

clipc_status clipc_image_fit(clipc_image **fitted, const clipc_image *image,
                             const clipc_preprocess_config *fit,
                             clipc_error *err)
{
    CLIPC_TRY(collect(fitted, image->pixels, image->pixels_width,
                      image->pixels_height, image->pixels_width * 3,
                      &image->key, fit, err));
    (*fitted)->format = image->format;
    (*fitted)->orientation = image->orientation;
    (*fitted)->n_warnings = image->n_warnings;
    return CLIPC_OK;
}
