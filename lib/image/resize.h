/* SPDX-License-Identifier: MIT
 *
 * resize.h - Pillow 13's 8-bit resize with a centre crop, fed row by row.
 * Only output pixels that the crop keeps are computed. See docs/MODEL.md.
 */
#ifndef CLIPC_RESIZE_H
#define CLIPC_RESIZE_H

#include "config/config.h"
#include "image/exif.h"

/* The geometry of preprocessing one picture. All numbers are of the upright
 * picture. */
typedef struct clipc_geometry {
    size_t in_width, in_height;
    size_t resized_width, resized_height;
    size_t out_width, out_height; /* after the crop */
    /* Position of the crop window in the resized picture; negative where the
     * window reaches outside it and the output is black. */
    int64_t crop_left, crop_top;
    clipc_turn turn; /* from the stored picture, whose rows the resizer gets */
} clipc_geometry;

/* Size rule, crop position and padding of `config` for one upright picture.
 * CLIPC_ERR_LIMIT: over 2^27 output pixels. CLIPC_ERR_UNSUPPORTED: a side
 * becomes 0. */
clipc_status clipc_geometry_compute(clipc_geometry *geometry,
                                    const clipc_preprocess_config *config,
                                    size_t width, size_t height,
                                    clipc_error *err);

typedef struct clipc_resizer clipc_resizer;

/* out: [out_height, out_width, 3], the caller's, filled as rows arrive. */
clipc_status clipc_resizer_create(clipc_resizer **resizer,
                                  const clipc_geometry *geometry, int resample,
                                  uint8_t *out, clipc_error *err);
/* Before the first row: only the kernels of these CPU features (cpu.h), so
 * that they can be compared. The result is the same. */
void clipc_resizer_use(clipc_resizer *resizer, unsigned features);
/* The next row of the stored picture: [in_width, 3], or, where the turn
 * exchanges rows and columns, [in_height, 3]. */
clipc_status clipc_resizer_row(clipc_resizer *resizer, const uint8_t *rgb,
                               clipc_error *err);
void clipc_resizer_destroy(clipc_resizer *resizer);

#endif /* CLIPC_RESIZE_H */
