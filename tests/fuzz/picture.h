/* SPDX-License-Identifier: MIT
 *
 * picture.h - shared by the picture targets. A copy of the input is mended, so
 * that the decoder accepts the format, and decoded three times under small
 * limits: all pixels; upright, on white and fitted to a model; the same fast,
 * to so small a side that nearly every JPEG is decoded smaller.
 */
#ifndef CLIPC_FUZZ_PICTURE_H
#define CLIPC_FUZZ_PICTURE_H

#include "image/image.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Decodes and reads every byte of the pixels, so that a sanitizer sees
 * them. */
static inline void picture_decode(const uint8_t *file, size_t n,
                                  const clipc_preprocess_config *fit,
                                  const clipc_decode_params *params)
{
    static volatile uint8_t sum;
    clipc_image *image;

    if (clipc_image_decode(&image, file, n, "fuzz", fit, params, NULL) !=
        CLIPC_OK)
        return;
    for (size_t i = 0; i < image->pixels_width * image->pixels_height * 3; i++)
        sum = (uint8_t)(sum ^ image->pixels[i]);
    clipc_image_free(image);
}

/* mend(file, n) changes the copy; inputs shorter than `least` are skipped. */
static inline int picture_fuzz(const uint8_t *data, size_t n, size_t least,
                               void (*mend)(uint8_t *file, size_t n))
{
    const clipc_decode_params plain = { .max_pixels = 1 << 16,
                                        .max_decode_bytes = 1 << 20,
                                        .max_scans = 20 };
    const clipc_preprocess_config fit = {
        .resize = CLIPC_RESIZE_SHORTEST,
        .shortest = 16,
        .resample = 3,
        .center_crop = true,
        .crop_height = 16,
        .crop_width = 16,
    };
    clipc_decode_params turned = plain;
    clipc_preprocess_config small = fit;
    uint8_t *file = n < least ? NULL : malloc(n);

    if (!file)
        return 0;
    turned.alpha_white = turned.auto_orient = true;
    memcpy(file, data, n);
    mend(file, n);
    picture_decode(file, n, NULL, &plain);
    picture_decode(file, n, &fit, &turned);
    turned.fast = true;
    small.shortest = small.crop_height = small.crop_width = 1;
    picture_decode(file, n, &small, &turned);
    free(file);
    return 0;
}

#endif /* CLIPC_FUZZ_PICTURE_H */
