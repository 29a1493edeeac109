/* SPDX-License-Identifier: MIT
 *
 * added_tables.h - added tokens as bytes of a packed file:
 *
 *     { u32 n, u32 id, u32 flags } [number of tokens]
 *     bytes of the tokens, one after the other
 *
 * Tokens come in two runs: tokens of the raw text, then tokens of normalised
 * text. Each run rises by bytes.
 */
#ifndef CLIPC_ADDED_TABLES_H
#define CLIPC_ADDED_TABLES_H

#include "text/added_tokens.h"

typedef struct clipc_added_record {
    uint32_t n, id, flags;
} clipc_added_record;

size_t clipc_added_count(const clipc_added *added);
size_t clipc_added_text_bytes(const clipc_added *added);

/* records: [clipc_added_count()]; text: [clipc_added_text_bytes()]. */
void clipc_added_write(const clipc_added *added, unsigned char *records,
                       unsigned char *text);

/* The sets of `added`, copied and checked; its ids are left alone. records:
 * [n], perhaps not aligned. *wrong: what is wrong with the bytes, where the
 * status is CLIPC_ERR_FORMAT and err is as before; else NULL. On failure free
 * `added`. */
clipc_status clipc_added_read(clipc_added *added, const unsigned char *records,
                              size_t n, const char *text, size_t text_bytes,
                              size_t vocab_size, const char **wrong,
                              clipc_error *err);

#endif /* CLIPC_ADDED_TABLES_H */
