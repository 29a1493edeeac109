/* SPDX-License-Identifier: MIT
 *
 * drawing.h - the picture of the golden tables of pixels: pattern() of
 * tests/golden/make_images.py.
 */
#ifndef CLIPC_TEST_DRAWING_H
#define CLIPC_TEST_DRAWING_H

#include "support/test.h"

#include <stdlib.h>

/* [height, width, 3]; the caller frees. */
static inline uint8_t *draw(size_t width, size_t height)
{
    uint8_t *rgb = malloc(width * height * 3), *p = rgb;

    if (!rgb)
        FAIL("no memory for %zux%zu", width, height);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            for (size_t c = 0; c < 3; c++)
                *p++ = (uint8_t)(3 * x * x + 7 * y * y + 5 * x * y + 101 * c +
                                 13 * x + 31 * y);
    return rgb;
}

#endif /* CLIPC_TEST_DRAWING_H */
