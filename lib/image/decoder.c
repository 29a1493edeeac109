/* SPDX-License-Identifier: MIT
 *
 * decoder.c - the limits on a picture's size, and the choice of a smaller one:
 * the same for every decoder.
 */
#include "image/decoder.h"

clipc_status clipc_decode_set_size(clipc_decode_info *info, size_t width,
                                   size_t height, size_t max_side,
                                   const clipc_decode_params *params,
                                   const char *name, int64_t offset,
                                   clipc_error *err)
{
    info->width = width;
    info->height = height;
    if (width > max_side || height > max_side)
        return clipc_fail(err, CLIPC_ERR_LIMIT, offset,
                          "%s: %zux%zu pixels, over the limit of %zu a side",
                          name, width, height, max_side);
    if (width > params->max_pixels / height)
        return clipc_fail(err, CLIPC_ERR_LIMIT, offset,
                          "%s: %zux%zu pixels, over the limit of %zu "
                          "(max_pixels)",
                          name, width, height, params->max_pixels);
    return CLIPC_OK;
}

unsigned clipc_draft_scale(const clipc_decode_params *params, size_t width,
                           size_t height, bool transposed)
{
    size_t times, least;

    if (params->draft_width == 0 || params->draft_height == 0)
        return 1;
    times = (transposed ? height : width) / params->draft_width;
    least = (transposed ? width : height) / params->draft_height;
    if (times > least)
        times = least;
    return times >= 8 ? 8 : times >= 4 ? 4 : times >= 2 ? 2 : 1;
}
