/* SPDX-License-Identifier: MIT
 *
 * fuzz_webp.c - a WebP file in memory: all pixels, then upright, on white and
 * fitted to a model. The length of the container is mended, or nearly every
 * input would end there.
 */
#include "image.h"

#include <stdlib.h>
#include <string.h>

/* Reads every byte of the pixels, so that a sanitizer sees them. */
static void use(const clipc_image *image)
{
    static volatile uint8_t sum;
    size_t n = image->pixels_width * image->pixels_height * 3;

    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum ^ image->pixels[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const clipc_decode_params limits = { .max_pixels = 1 << 16,
                                         .max_decode_bytes = 1 << 20,
                                         .max_scans = 20 };
    const clipc_decode_params turned = { .max_pixels = 1 << 16,
                                         .max_decode_bytes = 1 << 20,
                                         .max_scans = 20, .alpha_white = true,
                                         .auto_orient = true };
    const clipc_preprocess_config fit = {
        .resize = CLIPC_RESIZE_SHORTEST, .shortest = 16, .resample = 3,
        .center_crop = true, .crop_height = 16, .crop_width = 16,
    };
    enum { HEADER = 12, LENGTH_AT = 4 };
    clipc_image *image;
    uint8_t *file;

    /* Any input becomes a WebP; a fifth byte of 0xFF leaves its length. */
    if (n < HEADER)
        return 0;
    file = malloc(n);
    if (!file)
        return 0;
    memcpy(file, data, n);
    memcpy(file, "RIFF", 4);
    memcpy(file + 8, "WEBP", 4);
    if (file[LENGTH_AT] != 0xFF)
        for (size_t i = 0; i < 4; i++)
            file[LENGTH_AT + i] = (uint8_t)((n - 8) >> (8 * i));
    if (clipc_image_decode(&image, file, n, "fuzz", NULL, &limits, NULL)
        == CLIPC_OK) {
        use(image);
        clipc_image_free(image);
    }
    if (clipc_image_decode(&image, file, n, "fuzz", &fit, &turned, NULL)
        == CLIPC_OK) {
        use(image);
        clipc_image_free(image);
    }
    free(file);
    return 0;
}
