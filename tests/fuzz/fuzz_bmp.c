/* SPDX-License-Identifier: MIT
 *
 * fuzz_bmp.c - a BMP file in memory. Every input gets the signature, a known
 * header, and sides of at most 255: larger ones end at a limit.
 */
#include "picture.h"

enum { HEADER = 26, SIZE_AT = 14 };

static void mend(uint8_t *file, size_t n)
{
    static const uint8_t sizes[] = { 40, 12, 52, 56, 64, 108, 124, 40 };

    (void)n;
    memcpy(file, "BM", 2);
    file[SIZE_AT] = sizes[file[SIZE_AT] % sizeof sizes];
    memset(file + SIZE_AT + 1, 0, 3);
    if (file[SIZE_AT] == 12) {
        file[19] = file[21] = 0;
        return;
    }
    memset(file + 19, 0, 3);
    /* 0xFF in the last byte means top-down. */
    memset(file + 23, file[25] == 0xFF ? 0xFF : 0, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return picture_fuzz(data, n, HEADER, mend);
}
