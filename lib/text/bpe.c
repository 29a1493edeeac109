/* SPDX-License-Identifier: MIT
 *
 * bpe.c - byte pair encoding of words, at first one symbol a byte.
 *
 * Tokens are written with one character per byte: bytes 0x21-7E, A1-AC and
 * AE-FF as themselves, the other 68 bytes in rising order as U+0100, U+0101,
 * ... (the byte-level alphabet of GPT-2).
 */
#include "text/bpe.h"
#include "base/utf8.h"

#include <string.h>

#define END_OF_WORD "</w>"

static bool stands_for_itself(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) ||
           byte >= 0xAE;
}

clipc_status clipc_bpe_find_bytes(clipc_bpe *bpe,
                                  const clipc_token_map *tokens,
                                  const char *name, clipc_error *err)
{
    uint32_t code = 0x100;

    for (unsigned byte = 0; byte < 256; byte++) {
        char token[8];
        uint32_t shown = stands_for_itself(byte) ? byte : code++;
        size_t n = clipc_utf8_encode(shown, token);
        bpe->inner_ids[byte] = clipc_token_map_find(tokens, token, n);
        memcpy(token + n, END_OF_WORD, 4);
        bpe->last_ids[byte] = clipc_token_map_find(tokens, token, n + 4);
        if (bpe->inner_ids[byte] < 0 || bpe->last_ids[byte] < 0)
            return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                              "%s: no token%s for the byte 0x%02X: this is "
                              "not a byte-level vocabulary of CLIP's kind",
                              CLIPC_QUOTE(name),
                              bpe->inner_ids[byte] < 0 ? ""
                                                       : " with " END_OF_WORD,
                              byte);
    }
    return CLIPC_OK;
}

bool clipc_bpe_word(const clipc_bpe *bpe, const char *word, size_t n,
                    clipc_merge_scratch *scratch, clipc_ids *out)
{
    const unsigned char *bytes = (const unsigned char *)word;
    int32_t *symbols = clipc_merge_symbols(scratch, n);

    if (!symbols)
        return false;
    for (size_t i = 0; i < n; i++)
        symbols[i] = i + 1 < n ? bpe->inner_ids[bytes[i]]
                               : bpe->last_ids[bytes[i]];
    return clipc_merges_apply(&bpe->merges, scratch, n, out);
}
