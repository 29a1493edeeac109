/* SPDX-License-Identifier: MIT
 *
 * test_digest.c - digests of lists of pieces.
 */
#include "base/digest.h"
#include "support/test.h"

TEST(hashes_tell_lists_of_pieces_apart)
{
    static const char *const lists[][3] = {
        { "ab", "c", NULL }, { "a", "bc", NULL }, { "abc", NULL, NULL },
        { "abc", "", NULL }, { "", "abc", NULL },
    };
    enum { N = sizeof lists / sizeof *lists };
    clipc_digest digests[N];
    /* SHA-256 of the 8 bytes 0, by sha256sum. */
    static const unsigned char empty_piece[32] = {
        0xaf, 0x55, 0x70, 0xf5, 0xa1, 0x81, 0x0b, 0x7a, 0xf7, 0x8c, 0xaf,
        0x4b, 0xc7, 0x0a, 0x66, 0x0f, 0x0d, 0xf5, 0x1e, 0x42, 0xba, 0xf9,
        0x1d, 0x4d, 0xe5, 0xb2, 0x32, 0x8d, 0xe0, 0xe8, 0x3d, 0xfc
    };

    for (size_t i = 0; i < N; i++) {
        clipc_hash hash;
        clipc_hash_start(&hash);
        for (size_t j = 0; j < 3 && lists[i][j]; j++)
            clipc_hash_piece(&hash, lists[i][j], strlen(lists[i][j]));
        digests[i] = clipc_hash_finish(&hash);
        for (size_t j = 0; j < i; j++)
            CHECK(memcmp(&digests[i], &digests[j], sizeof *digests) != 0);
    }
    const clipc_digest digest = clipc_hash_of(NULL, 0);
    CHECK_BYTES(digest.bytes, empty_piece, 32);
}
