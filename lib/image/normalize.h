/* SPDX-License-Identifier: MIT
 *
 * normalize.h - fitted 8-bit pixels to the network's float input.
 */
#ifndef CLIPC_NORMALIZE_H
#define CLIPC_NORMALIZE_H

#include "image/image.h"

/* CLIPC_ERR_ARGUMENT when the image is fitted for another config;
 * CLIPC_ERR_CONFIG when preprocessing would not make it size x size. source
 * names the config in the message. */
clipc_status clipc_preprocess_check(const clipc_preprocess_config *config,
                                    const clipc_image *image, size_t size,
                                    const char *source, clipc_error *err);

/* The network's input for every value of a sample, channel by channel: the
 * rescale and normalise steps of docs/MODEL.md, "Picture to pixels". Made once
 * for a model. */
typedef struct clipc_normalizer {
    float table[3][256];
} clipc_normalizer;

void clipc_normalizer_init(clipc_normalizer *normalizer,
                           const clipc_preprocess_config *config);

/* Fits an image that holds all its pixels; a fitted image is passed through.
 * clipc_preprocess_check() must have accepted the image. out:
 * [3, height, width] as fitted. */
clipc_status clipc_preprocess_image(const clipc_preprocess_config *config,
                                    const clipc_normalizer *normalizer,
                                    const clipc_image *image, float *out,
                                    clipc_error *err);

/* The same before scaling. */
clipc_status clipc_preprocess_image_u8(const clipc_preprocess_config *config,
                                       const clipc_image *image, uint8_t *out,
                                       clipc_error *err);

#endif /* CLIPC_NORMALIZE_H */
