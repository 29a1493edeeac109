/* SPDX-License-Identifier: MIT
 *
 * png.h - pixels as a PNG: "what the network sees" on the page and in answers.
 */
#ifndef CLIPC_SERVE_PNG_H
#define CLIPC_SERVE_PNG_H

#include "serve/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SERVE_PNG_SIDE = 8192
}; /* most pixels along a side: the limit of a
                                 * model's image_size */

/* Appends a PNG file. rgb: [height, width, 3], both from 1 to SERVE_PNG_SIDE.
 * false: the sizes are out of range, or memory ran out; then out->failed is
 * set. */
bool serve_put_png(serve_buffer *out, const uint8_t *rgb, size_t width,
                   size_t height);

/* Appends the PNG as a URL, "data:image/png;base64,...". Its characters need
 * no escape in JSON or HTML. */
bool serve_put_png_url(serve_buffer *out, const uint8_t *rgb, size_t width,
                       size_t height);

#endif /* CLIPC_SERVE_PNG_H */
