/* SPDX-License-Identifier: MIT
 *
 * fuzz_gif.c - a GIF file in memory. Every input gets the signature and sides
 * of at most 255: larger ones end at a limit.
 */
#include "picture.h"

enum { HEADER = 13 };

static void mend(uint8_t *file, size_t n)
{
    (void)n;
    memcpy(file, "GIF89a", 6);
    file[7] = file[9] = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return picture_fuzz(data, n, HEADER, mend);
}
