/* SPDX-License-Identifier: MIT
 *
 * golden_pictures.h - the files in tests/data/images/pictures, and another
 * orientation for those that have one.
 */
#ifndef CLIPC_TEST_GOLDEN_PICTURES_H
#define CLIPC_TEST_GOLDEN_PICTURES_H

#include "support/test.h"

/* The caller frees the bytes. */
static inline char *read_picture(const char *name, size_t *n)
{
    char path[128];
    snprintf(path, sizeof path, "tests/data/images/pictures/%s", name);
    return test_read(path, n);
}

/* The picture's orientation, 1, becomes another. */
static inline void set_orientation(char *data, size_t n, int value)
{
    static const char block[] = "II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\1";
    const size_t n_block = sizeof block - 1;
    size_t at = 0;

    while (at + n_block <= n && memcmp(data + at, block, n_block) != 0)
        at++;
    CHECK(at + n_block <= n);
    data[at + n_block - 1] = (char)value;
}

#endif /* CLIPC_TEST_GOLDEN_PICTURES_H */
