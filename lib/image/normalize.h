/* SPDX-License-Identifier: MIT
 *
 * normalize.h - fitted 8-bit pixels to the network's float input.
 */
#ifndef CLIPC_PREPROCESS_H
#define CLIPC_PREPROCESS_H

#include "image/image.h"

/* CLIPC_ERR_ARGUMENT when the image is fitted for another config;
 * CLIPC_ERR_CONFIG when preprocessing would not make it size x size. source
 * names the config in the message. */
clipc_status clipc_preprocess_check(const clipc_preprocess_config *config,
                                    const clipc_image *image, size_t size,
                                    const char *source, clipc_error *err);

/* Fits an image that holds all its pixels; one that is fitted for an equal
 * config is passed through. out: [3, height, width] as fitted. The exact
 * rescale and normalise: EXACTNESS (b.1) steps 5-7 through 768 floats. */
clipc_status clipc_preprocess_image(const clipc_preprocess_config *config,
                                    const clipc_image *image, float *out,
                                    clipc_error *err);

/* The same before scaling. */
clipc_status clipc_preprocess_image_u8(const clipc_preprocess_config *config,
                                       const clipc_image *image, uint8_t *out,
                                       clipc_error *err);

#endif /* CLIPC_PREPROCESS_H */
