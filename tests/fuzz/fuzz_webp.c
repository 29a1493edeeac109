/* SPDX-License-Identifier: MIT
 *
 * fuzz_webp.c - a WebP file in memory. Every input gets WebP's magic and,
 * unless the fifth byte is 0xFF, the right length: nearly every input would
 * end at a wrong length.
 */
#include "picture.h"

enum { HEADER = 12, LENGTH_AT = 4 };

static void mend(uint8_t *file, size_t n)
{
    memcpy(file, "RIFF", 4);
    memcpy(file + 8, "WEBP", 4);
    if (file[LENGTH_AT] != 0xFF)
        for (size_t i = 0; i < 4; i++)
            file[LENGTH_AT + i] = (uint8_t)((n - 8) >> (8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return picture_fuzz(data, n, HEADER, mend);
}
