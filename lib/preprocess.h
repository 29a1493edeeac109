/* SPDX-License-Identifier: MIT
 *
 * preprocess.h - fitted 8-bit pixels to the network's float input.
 */
#ifndef CLIPC_PREPROCESS_H
#define CLIPC_PREPROCESS_H

#include "image.h"

/* Fits an image that holds all its pixels; one that is fitted for an equal
 * config is passed through. out: [3, crop_height, crop_width]. The exact
 * rescale and normalise: EXACTNESS (b.1) steps 5-7 through 768 floats. */
clipc_status clipc_preprocess_image(const clipc_preprocess_config *config,
                                    const clipc_image *image, float *out,
                                    clipc_error *err);

/* The same before scaling. */
clipc_status clipc_preprocess_image_u8(const clipc_preprocess_config *config,
                                       const clipc_image *image, uint8_t *out,
                                       clipc_error *err);

#endif /* CLIPC_PREPROCESS_H */
