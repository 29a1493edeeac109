/* SPDX-License-Identifier: MIT
 *
 * image.h - pictures from bytes: the format is sniffed, a decoder pushes rows,
 * and a sink keeps all of them or resizes and crops them for a model.
 */
#ifndef CLIPC_IMAGE_H
#define CLIPC_IMAGE_H

#include "config/config.h"
#include "image/decoder.h"

/* The body of the public type. */
struct clipc_image {
    size_t width, height; /* as stored */
    unsigned scale;       /* decoded at 1/scale: 1, 2, 4 or 8 */
    const char *format;
    int orientation; /* as found, applied or not */
    unsigned n_warnings;
    clipc_key_colour key; /* of a full image; painted in a fitted one */
    bool fitted;
    clipc_preprocess_config fit; /* when fitted: made for this */
    size_t pixels_width, pixels_height;
    uint8_t *pixels; /* [pixels_height, pixels_width, 3] */
};

/* Decodes a file in memory. fit NULL: all pixels. */
clipc_status clipc_image_decode(clipc_image **image, const uint8_t *data,
                                size_t n, const char *name,
                                const clipc_preprocess_config *fit,
                                const clipc_decode_params *params,
                                clipc_error *err);

/* Copies (fit NULL) or resizes and crops the caller's pixels. */
clipc_status clipc_image_make(clipc_image **image, const uint8_t *rgb,
                              size_t width, size_t height, size_t stride_bytes,
                              const clipc_preprocess_config *fit,
                              clipc_error *err);

/* Resizes and crops an image that holds all its pixels. */
clipc_status clipc_image_fit(clipc_image **fitted, const clipc_image *image,
                             const clipc_preprocess_config *fit,
                             clipc_error *err);

#endif /* CLIPC_IMAGE_H */
