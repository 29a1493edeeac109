/* SPDX-License-Identifier: MIT
 *
 * digest.h - the hash of the golden tables: the first 16 hexadecimal digits of
 * SHA-256.
 */
#ifndef CLIPC_TEST_DIGEST_H
#define CLIPC_TEST_DIGEST_H

#include <nettle/sha2.h>
#include <stdio.h>

static inline void digest(char out[17], const void *data, size_t n)
{
    struct sha256_ctx sha;
    uint8_t bytes[8];

    sha256_init(&sha);
    sha256_update(&sha, n, data);
    sha256_digest(&sha, sizeof bytes, bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

#endif /* CLIPC_TEST_DIGEST_H */
