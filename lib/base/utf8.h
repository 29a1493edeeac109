/* SPDX-License-Identifier: MIT
 *
 * utf8.h - UTF-8 as the Unicode Standard defines it (table 3-7): no overlong
 * forms, no surrogates, nothing past U+10FFFF.
 */
#ifndef CLIPC_UTF8_H
#define CLIPC_UTF8_H

#include "base/base.h"

/* Bytes of the character at s, and its code point; 0 when the character is
 * not valid (overlong, surrogate, past U+10FFFF, cut short). */
size_t clipc_utf8_decode(const char *s, size_t n, uint32_t *code);

/* Writes one scalar value, returns its number of bytes. */
size_t clipc_utf8_encode(uint32_t code, char out[4]);

/* Offset of the first byte that is not valid UTF-8, n when all is. */
size_t clipc_utf8_check(const char *s, size_t n);

#endif /* CLIPC_UTF8_H */
