/* SPDX-License-Identifier: MIT
 *
 * use.h - shared by the targets of tensor files.
 */
#ifndef CLIPC_FUZZ_USE_H
#define CLIPC_FUZZ_USE_H

#include <stddef.h>

#define MAX_HEADER ((size_t)1 << 20)

/* Reads every byte: a sanitizer then sees a range that is too long. */
static inline void use(const void *data, size_t n)
{
    static volatile unsigned char sum;
    const unsigned char *bytes = data;

    for (size_t i = 0; i < n; i++)
        sum = (unsigned char)(sum ^ bytes[i]);
}

#endif /* CLIPC_FUZZ_USE_H */
