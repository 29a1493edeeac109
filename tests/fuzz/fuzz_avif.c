/* SPDX-License-Identifier: MIT
 *
 * fuzz_avif.c - an AVIF file in memory. Every input gets the brand; boxes and
 * AV1 data are as the fuzzer makes them.
 */
#include "picture.h"

enum { HEADER = 32 };

static void mend(uint8_t *file, size_t n)
{
    (void)n;
    memcpy(file + 4, "ftypavi", 7);
    file[11] = file[11] == 's' ? 's' : 'f';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return picture_fuzz(data, n, HEADER, mend);
}
