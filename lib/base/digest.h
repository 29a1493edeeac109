/* SPDX-License-Identifier: MIT
 *
 * digest.h - SHA-256 over pieces, each preceded by its length, so that no
 * two lists of pieces hash alike.
 */
#ifndef CLIPC_DIGEST_H
#define CLIPC_DIGEST_H

#include "base/base.h"
#include "base/cancel.h"

#include <nettle/sha2.h>

#define CLIPC_DIGEST_BYTES SHA256_DIGEST_SIZE

typedef struct clipc_digest {
    unsigned char bytes[CLIPC_DIGEST_BYTES];
} clipc_digest;

bool clipc_digest_equal(const clipc_digest *a, const clipc_digest *b);

/* A running hash: start, any number of pieces, finish. */
typedef struct clipc_hash {
    struct sha256_ctx sha;
} clipc_hash;

void clipc_hash_start(clipc_hash *hash);
void clipc_hash_piece(clipc_hash *hash, const void *data, size_t n);
/* A long piece; false: cancelled, and the hash is of no use. */
bool clipc_hash_long_piece(clipc_hash *hash, const void *data, size_t n,
                           clipc_cancel *cancel);
clipc_digest clipc_hash_finish(clipc_hash *hash);

/* The digest of one piece. */
clipc_digest clipc_hash_of(const void *data, size_t n);

#endif /* CLIPC_DIGEST_H */
