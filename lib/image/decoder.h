/* SPDX-License-Identifier: MIT
 *
 * decoder.h - the interface of a picture decoder: limits, a sink for rows, and
 * facts about the picture. jpeg.c, png.c, webp.c, avif.c, gif.c and bmp.c each
 * implement one.
 */
#ifndef CLIPC_DECODER_H
#define CLIPC_DECODER_H

#include "base/base.h"

/* Limits and choices of one read: see clipc_image_params. */
typedef struct clipc_decode_params {
    size_t max_pixels, max_decode_bytes;
    unsigned max_scans;
    bool alpha_white; /* decoders lay the picture on white, and have no key
                       * colour; false: they drop alpha */
    bool auto_orient; /* rows are turned as the orientation says */
    bool fast; /* a picture that is fitted may be decoded smaller: the next two
                * are set for it */
    /* Least sides of the upright rows, for clipc_draft_scale(). 0: the picture
     * as it is. */
    size_t draft_width, draft_height;
    double *resize_seconds; /* wall time of the sink is added, or NULL */
} clipc_decode_params;

/* Takes the rows of a decoder, top to bottom, each once. */
typedef struct clipc_row_sink {
    /* Before the first row. The size of the rows, of a smaller picture with
     * clipc_decode_info.scale. */
    clipc_status (*begin)(void *self, size_t width, size_t height,
                          clipc_error *err);
    /* rgb: [width, 3], the decoder's until the call returns. */
    clipc_status (*row)(void *self, const uint8_t *rgb, clipc_error *err);
    void *self;
} clipc_row_sink;

/* A colour that the file calls transparent (PNG's tRNS with one colour, GIF).
 * convert("RGB") keeps it; the reference's image processor then paints its
 * pixels white before it resizes. */
typedef struct clipc_key_colour {
    bool present;
    uint8_t rgb[3];
} clipc_key_colour;

/* Facts about the picture. A decoder sets all but the warnings before the
 * sink's begin is called. */
typedef struct clipc_decode_info {
    size_t width, height; /* as stored */
    unsigned scale;       /* the rows are of the picture at 1/scale; 1, 2, 4 or
                           * 8; 0: the decoder does not know scales */
    int orientation;      /* EXIF, 1 to 8; 0: none */
    unsigned n_warnings;
    clipc_key_colour key;
} clipc_decode_info;

/* Decoders: whole file in memory -> rows. All-or-nothing for the caller: a
 * failure after some rows is a failure of the picture. name is for
 * messages. */
clipc_status clipc_jpeg_decode(const uint8_t *data, size_t n, const char *name,
                               const clipc_decode_params *params,
                               const clipc_row_sink *sink,
                               clipc_decode_info *info, clipc_error *err);
clipc_status clipc_png_decode(const uint8_t *data, size_t n, const char *name,
                              const clipc_decode_params *params,
                              const clipc_row_sink *sink,
                              clipc_decode_info *info, clipc_error *err);
clipc_status clipc_webp_decode(const uint8_t *data, size_t n, const char *name,
                               const clipc_decode_params *params,
                               const clipc_row_sink *sink,
                               clipc_decode_info *info, clipc_error *err);
clipc_status clipc_avif_decode(const uint8_t *data, size_t n, const char *name,
                               const clipc_decode_params *params,
                               const clipc_row_sink *sink,
                               clipc_decode_info *info, clipc_error *err);
clipc_status clipc_gif_decode(const uint8_t *data, size_t n, const char *name,
                              const clipc_decode_params *params,
                              const clipc_row_sink *sink,
                              clipc_decode_info *info, clipc_error *err);
clipc_status clipc_bmp_decode(const uint8_t *data, size_t n, const char *name,
                              const clipc_decode_params *params,
                              const clipc_row_sink *sink,
                              clipc_decode_info *info, clipc_error *err);

/* Whether the data begin as an AVIF does: a file of another brand is HEIC or a
 * film. */
bool clipc_avif_is_brand(const uint8_t *data, size_t n);
/* Whether the data begin as a BMP does. "BM" alone begins many a text. */
bool clipc_bmp_is_header(const uint8_t *data, size_t n);

/* For decoders: sets the size in *info, and refuses a side over max_side or a
 * picture over max_pixels. Neither side may be 0. offset: where the file says
 * its size, or -1. */
clipc_status clipc_decode_set_size(clipc_decode_info *info, size_t width,
                                   size_t height, size_t max_side,
                                   const clipc_decode_params *params,
                                   const char *name, int64_t offset,
                                   clipc_error *err);

/* Pillow's choice in Image.draft(): the largest of 8, 4, 2 and 1 at which a
 * picture still has the sides of the draft. transposed: the upright picture's
 * rows are the stored one's columns. */
unsigned clipc_draft_scale(const clipc_decode_params *params, size_t width,
                           size_t height, bool transposed);

/* Versions of libwebp and libavif, static; NULL in a build without it. */
const char *clipc_webp_version(void);
const char *clipc_avif_version(void);

/* A colour of this alpha laid on white, as Pillow's alpha_composite() does. */
static inline uint8_t clipc_on_white(uint8_t colour, uint8_t alpha)
{
    const unsigned t = colour * alpha + 255u * (255u - alpha) + 128;
    return (uint8_t)(((t >> 8) + t) >> 8);
}

#endif /* CLIPC_DECODER_H */
