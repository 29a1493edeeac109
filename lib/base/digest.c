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

bool clipc_hash_long_piece(clipc_hash *hash, const void *data, size_t n,
                           clipc_cancel *cancel)
{
    const size_t block = (size_t)1 << 20;
    const uint64_t length = n;
    const uint8_t *bytes = data;

    sha256_update(&hash->sha, sizeof length, (const uint8_t *)&length);
    for (; n > 0 && !clipc_cancelled(cancel); n -= n < block ? n : block) {
        sha256_update(&hash->sha, n < block ? n : block, bytes);
        bytes += n < block ? n : block;
    }
    return !clipc_cancelled(cancel);
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
