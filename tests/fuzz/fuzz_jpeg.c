/* SPDX-License-Identifier: MIT
 *
 * fuzz_jpeg.c - a JPEG file in memory. Every input gets JPEG's magic; only the
 * bytes after the magic are fuzzed.
 */
#include "picture.h"

static const uint8_t magic[] = { 0xFF, 0xD8, 0xFF };

static void mend(uint8_t *file, size_t n)
{
    (void)n;
    memcpy(file, magic, sizeof magic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return picture_fuzz(data, n, sizeof magic, mend);
}
