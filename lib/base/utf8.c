/* SPDX-License-Identifier: MIT
 *
 * utf8.c - UTF-8 to code points and back.
 */
#include "base/utf8.h"

size_t clipc_utf8_decode(const char *s, size_t n, uint32_t *code)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t len;
    uint32_t value, least;

    if (n == 0)
        return 0;
    if (u[0] < 0x80) {
        *code = u[0];
        return 1;
    }
    if ((u[0] & 0xE0) == 0xC0) {
        len = 2;
        least = 0x80;
        value = u[0] & 0x1Fu;
    } else if ((u[0] & 0xF0) == 0xE0) {
        len = 3;
        least = 0x800;
        value = u[0] & 0x0Fu;
    } else if ((u[0] & 0xF8) == 0xF0) {
        len = 4;
        least = 0x10000;
        value = u[0] & 0x07u;
    } else {
        return 0;
    }
    if (n < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((u[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (u[i] & 0x3Fu);
    }
    if (value < least || value > 0x10FFFF ||
        (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code = value;
    return len;
}

size_t clipc_utf8_encode(uint32_t code, char out[4])
{
    unsigned char *u = (unsigned char *)out;
    if (code < 0x80) {
        u[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        u[0] = (unsigned char)(0xC0 | code >> 6);
        u[1] = (unsigned char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        u[0] = (unsigned char)(0xE0 | code >> 12);
        u[1] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
        u[2] = (unsigned char)(0x80 | (code & 0x3F));
        return 3;
    }
    u[0] = (unsigned char)(0xF0 | code >> 18);
    u[1] = (unsigned char)(0x80 | (code >> 12 & 0x3F));
    u[2] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
    u[3] = (unsigned char)(0x80 | (code & 0x3F));
    return 4;
}

size_t clipc_utf8_check(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint32_t code;
        size_t len = clipc_utf8_decode(s + i, n - i, &code);
        if (len == 0)
            break;
        i += len;
    }
    return i;
}
