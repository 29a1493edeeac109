/* SPDX-License-Identifier: MIT
 *
 * normalize.c - fitted 8-bit pixels to the network's float input.
 *
 * A sample has 256 values and a channel one mean and deviation, so the output
 * has 3 * 256 values. They are computed with the reference's operations:
 * float64(value) * rescale_factor rounded to float32, then minus mean and
 * divided by std, each rounded to float32. A step that the configuration
 * leaves out is left out; without both, the value itself.
 *
 * Reference: transformers 5.24, CLIPImageProcessorPil.
 */
#include "image/normalize.h"
#include "image/resize.h"

#include <string.h>

void clipc_normalizer_init(clipc_normalizer *normalizer,
                           const clipc_preprocess_config *config)
{
    for (size_t c = 0; c < 3; c++)
        for (size_t v = 0; v < 256; v++) {
            float x = (float)v;
            if (config->rescale)
                x = (float)((double)v * config->rescale_factor);
            if (config->normalize)
                x = (x - config->mean[c]) / config->std[c];
            normalizer->table[c][v] = x;
        }
}

/* Whether both put the same 8-bit pixels in front of the network. */
static bool same_fit(const clipc_preprocess_config *a,
                     const clipc_preprocess_config *b)
{
    if (a->resize != b->resize || a->center_crop != b->center_crop)
        return false;
    if (a->center_crop &&
        (a->crop_height != b->crop_height || a->crop_width != b->crop_width ||
         a->crop_rounds != b->crop_rounds))
        return false;
    if (a->resize != CLIPC_RESIZE_NONE && a->resample != b->resample)
        return false;
    switch (a->resize) {
    case CLIPC_RESIZE_NONE: return true;
    case CLIPC_RESIZE_SHORTEST: return a->shortest == b->shortest;
    case CLIPC_RESIZE_EXACT:
        return a->height == b->height && a->width == b->width;
    case CLIPC_RESIZE_BOUNDED:
        return a->shortest == b->shortest && a->longest == b->longest;
    }
    return false;
}

clipc_status clipc_preprocess_check(const clipc_preprocess_config *config,
                                    const clipc_image *image, size_t size,
                                    const char *source, clipc_error *err)
{
    clipc_geometry g = { .out_width = image->pixels_width,
                         .out_height = image->pixels_height };

    if (image->fitted && !same_fit(config, &image->fit))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "the image was read to fit another model");
    if (!image->fitted)
        CLIPC_TRY(clipc_geometry_compute(&g, config, image->pixels_width,
                                         image->pixels_height, err));
    if (g.out_width == size && g.out_height == size)
        return CLIPC_OK;
    return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                      "%s: pictures become %zux%zu, but the network's "
                      "image_size is %zu",
                      source, g.out_width, g.out_height, size);
}

/* *fitted: the image itself, or *made, which the caller frees. The image has
 * been checked. */
static clipc_status fit(const clipc_preprocess_config *config,
                        const clipc_image *image, const clipc_image **fitted,
                        clipc_image **made, clipc_error *err)
{
    *fitted = image;
    *made = NULL;
    if (image->fitted)
        return CLIPC_OK;
    CLIPC_TRY(clipc_image_fit(made, image, config, err));
    *fitted = *made;
    return CLIPC_OK;
}

clipc_status clipc_preprocess_image(const clipc_preprocess_config *config,
                                    const clipc_normalizer *normalizer,
                                    const clipc_image *image, float *out,
                                    clipc_error *err)
{
    const clipc_image *fitted;
    clipc_image *made;
    size_t n;

    CLIPC_TRY(fit(config, image, &fitted, &made, err));
    n = fitted->pixels_width * fitted->pixels_height;
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < n; i++)
            *out++ = normalizer->table[c][fitted->pixels[i * 3 + c]];
    clipc_image_free(made);
    return CLIPC_OK;
}

clipc_status clipc_preprocess_image_u8(const clipc_preprocess_config *config,
                                       const clipc_image *image, uint8_t *out,
                                       clipc_error *err)
{
    const clipc_image *fitted;
    clipc_image *made;
    size_t n;

    CLIPC_TRY(fit(config, image, &fitted, &made, err));
    n = fitted->pixels_width * fitted->pixels_height;
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < n; i++)
            *out++ = fitted->pixels[i * 3 + c];
    clipc_image_free(made);
    return CLIPC_OK;
}
