/* SPDX-License-Identifier: MIT
 *
 * fuzz_png.c - a PNG file in memory. Every input gets PNG's magic; only the
 * bytes after the magic are fuzzed. The checksums of chunks are mended: nearly
 * every input would end at the first checksum.
 */
#include "picture.h"

#include <zlib.h>

static const uint8_t magic[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n' };

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

/* A last byte of 1 in the header's checksum leaves all checksums unmended. */
static void mend_checksums(uint8_t *file, size_t n)
{
    size_t at = 8;

    if (n > 32 && file[32] == 1)
        return;
    while (at < n && n - at >= 12 && read_u32(file + at) <= n - at - 12) {
        uint32_t length = read_u32(file + at);
        uint8_t *crc = file + at + 8 + length;
        uint32_t value = (uint32_t)crc32(0, file + at + 4, length + 4);
        for (size_t i = 0; i < 4; i++)
            crc[i] = (uint8_t)(value >> (24 - 8 * i));
        at += 12 + (size_t)length;
    }
}

static void mend(uint8_t *file, size_t n)
{
    memcpy(file, magic, sizeof magic);
    mend_checksums(file, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return picture_fuzz(data, n, sizeof magic, mend);
}
