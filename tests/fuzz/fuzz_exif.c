/* SPDX-License-Identifier: MIT
 *
 * fuzz_exif.c - a block of EXIF data. The reader stays within the block. The
 * answer is an orientation or none, and is the same with "Exif" in front.
 */
#include "image/exif.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    enum { PREFIX = 6 };
    uint8_t *block = malloc(PREFIX + n);
    int orientation;

    if (!block)
        return 0;
    memcpy(block, "Exif\0", PREFIX);
    memcpy(block + PREFIX, data, n);
    orientation = clipc_exif_orientation(data, n);
    if (orientation < 0 || orientation > 8)
        abort();
    /* At most two prefixes are taken off. */
    if ((n < PREFIX || memcmp(data, "Exif\0", PREFIX) != 0) &&
        clipc_exif_orientation(block, PREFIX + n) != orientation)
        abort();
    free(block);
    return 0;
}
