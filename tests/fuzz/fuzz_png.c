/* SPDX-License-Identifier: MIT
 *
 * fuzz_png.c - a PNG file in memory: all pixels, then upright, on white and
 * fitted to a model. The checksums of chunks are mended, or nearly every input
 * would end at the first one.
 */
#include "image.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Reads every byte of the pixels, so that a sanitizer sees them. */
static void use(const clipc_image *image)
{
    static volatile uint8_t sum;
    size_t n = image->pixels_width * image->pixels_height * 3;

    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum ^ image->pixels[i]);
}

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8
           | p[3];
}

/* A last byte of 1 in the header's checksum leaves all as they are. */
static void mend_checksums(uint8_t *file, size_t n)
{
    size_t at = 8;

    if (n > 32 && file[32] == 1)
        return;
    while (at < n && n - at >= 12 && read_u32(file + at) <= n - at - 12) {
        uint32_t length = read_u32(file + at);
        uint8_t *crc = file + at + 8 + length;
        uint32_t value = (uint32_t)crc32(0, file + at + 4, length + 4);
        for (size_t i = 0; i < 4; i++)
            crc[i] = (uint8_t)(value >> (24 - 8 * i));
        at += 12 + (size_t)length;
    }
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
    static const uint8_t magic[] = { 0x89, 'P', 'N', 'G',
                                     '\r', '\n', 0x1A, '\n' };
    clipc_image *image;
    uint8_t *file;

    /* Any input becomes a PNG: only what follows the magic is fuzzed. */
    if (n < sizeof magic)
        return 0;
    file = malloc(n);
    if (!file)
        return 0;
    memcpy(file, data, n);
    memcpy(file, magic, sizeof magic);
    mend_checksums(file, n);
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
