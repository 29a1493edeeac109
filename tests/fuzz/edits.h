/* SPDX-License-Identifier: MIT
 *
 * edits.h - a good file with the edits that the fuzzer's bytes describe: for
 * formats that random bytes never reach.
 */
#ifndef CLIPC_FUZZ_EDITS_H
#define CLIPC_FUZZ_EDITS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct text_file {
    char data[1 << 16];
    size_t n;
} text_file;

static inline void read_file(text_file *file, const char *path)
{
    FILE *stream;
    if (file->n)
        return;
    stream = fopen(path, "rb");
    if (!stream)
        abort(); /* run from the repository's root */
    file->n = fread(file->data, 1, sizeof file->data / 2, stream);
    fclose(stream);
}

/* An edit: position (2 bytes), number of bytes to drop, number of bytes to put
 * in, the bytes to put in. */
static inline void apply_edits(text_file *file, const uint8_t *data, size_t n)
{
    while (n >= 4) {
        size_t at = ((size_t)data[0] << 8 | data[1]) % (file->n + 1);
        size_t drop = data[2] % 32, put = data[3] % 32;
        data += 4;
        n -= 4;
        if (put > n)
            put = n;
        if (drop > file->n - at)
            drop = file->n - at;
        if (file->n + put > sizeof file->data)
            break;
        memmove(file->data + at + put, file->data + at + drop,
                file->n - at - drop);
        memcpy(file->data + at, data, put);
        file->n = file->n - drop + put;
        data += put;
        n -= put;
    }
}

#endif /* CLIPC_FUZZ_EDITS_H */
