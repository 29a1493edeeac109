/* SPDX-License-Identifier: MIT
 *
 * exif.h - how a picture is to be turned: the orientation that EXIF data
 * names, and what it does to pixels.
 */
#ifndef CLIPC_EXIF_H
#define CLIPC_EXIF_H

#include "base/base.h"

/* Orientation (tag 0x0112 of IFD0) in a block of EXIF data, with or without
 * "Exif\0\0" in front: 1 to 8, or 0 when there is none or it is broken. */
int clipc_exif_orientation(const uint8_t *data, size_t n);

/* Whether the data name an orientation, be it broken. */
bool clipc_exif_has_orientation(const uint8_t *data, size_t n);

/* Whether a block of EXIF data is empty or begins as TIFF does, after any
 * number of "Exif\0\0". */
bool clipc_exif_is_tiff(const uint8_t *data, size_t n);

/* The steps that make a stored picture upright: mirror its columns, mirror its
 * rows, then exchange rows and columns. */
typedef struct clipc_turn {
    bool mirror_x, mirror_y, transpose;
} clipc_turn;

/* orientation: 1 to 8; every other number turns nothing. */
clipc_turn clipc_turn_of(int orientation);

/* Puts row y of a stored picture, [width, 3], where it belongs in the upright
 * one. out: the upright picture's first pixel, rows out_stride bytes apart. */
void clipc_turn_row(uint8_t *out, size_t out_stride, clipc_turn turn,
                    const uint8_t *rgb, size_t width, size_t height, size_t y);

#endif /* CLIPC_EXIF_H */
