/* SPDX-License-Identifier: MIT
 *
 * fuzz_jpeg.c - a JPEG file in memory. Any input becomes one: only what
 * follows the magic is fuzzed.
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
