/* SPDX-License-Identifier: MIT
 *
 * digest.c - SHA-256 through nettle.
 */
#include "base/digest.h"

#include <string.h>

bool clipc_digest_equal(const clipc_digest *a, const clipc_digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void clipc_hash_start(clipc_hash *hash)
{
    sha256_init(&hash->sha);
}

void clipc_hash_piece(clipc_hash *hash, const void *data, size_t n)
{
    const uint64_t length = n;

    sha256_update(&hash->sha, sizeof length, (const uint8_t *)&length);
    if (n)
        sha256_update(&hash->sha, n, data);
}

clipc_digest clipc_hash_finish(clipc_hash *hash)
{
    clipc_digest digest;

    sha256_digest(&hash->sha, sizeof digest.bytes, digest.bytes);
    return digest;
}

clipc_digest clipc_hash_of(const void *data, size_t n)
{
    clipc_hash hash;

    clipc_hash_start(&hash);
    clipc_hash_piece(&hash, data, n);
    return clipc_hash_finish(&hash);
}
