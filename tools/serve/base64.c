/* SPDX-License-Identifier: MIT
 *
 * base64.c - see base64.h.
 */
#include "serve/base64.h"

#include "serve/field.h"

#include <string.h>

/* What each byte is: a value below 64, or one of these. */
enum { PAD = 64, BLANK, WRONG };

static const unsigned char kinds[256] = {
    66, 66, 66, 66, 66, 66, 66, 66, 66, 65, 65, 66, 66, 65, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 65, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 62, 66, 62, 66, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60,
    61, 66, 66, 66, 64, 66, 66, 66, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
    11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 66, 66, 66, 66,
    63, 66, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42,
    43, 44, 45, 46, 47, 48, 49, 50, 51, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66,
};

static clipc_status fail_at(clipc_error *err, size_t offset)
{
    return serve_refuse_at(err, CLIPC_ERR_FORMAT, (int64_t)offset,
                           "not base64: byte %zu", offset);
}

clipc_status serve_base64_decode(unsigned char *out, size_t *n_out,
                                 clipc_text text, clipc_error *err)
{
    unsigned char standard = 0, url_safe = 0;
    uint32_t bits = 0;
    unsigned held = 0, padding = 0; /* characters of the current four */
    size_t n = 0;

    *n_out = 0;
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        const unsigned kind = kinds[c];
        if (kind == BLANK)
            continue;
        if (kind == PAD && held >= 2 && held + padding < 4) {
            padding++;
            continue;
        }
        if (kind >= PAD || padding > 0)
            return fail_at(err, i);
        standard |= c == '+' || c == '/';
        url_safe |= c == '-' || c == '_';
        if (standard && url_safe)
            return fail_at(err, i);
        bits = bits << 6 | kind;
        if (++held == 4) {
            out[n++] = (unsigned char)(bits >> 16);
            out[n++] = (unsigned char)(bits >> 8);
            out[n++] = (unsigned char)bits;
            bits = held = 0;
        }
    }
    /* Bits that no byte takes are zero in a whole text. */
    if (held == 1 || (padding > 0 && held + padding != 4) ||
        (held == 2 && (bits & 15)) || (held == 3 && (bits & 3)))
        return serve_refuse_at(err, CLIPC_ERR_TRUNCATED, (int64_t)text.len,
                               "the base64 text ends within a byte");
    if (held == 2) {
        out[n++] = (unsigned char)(bits >> 4);
    } else if (held == 3) {
        out[n++] = (unsigned char)(bits >> 10);
        out[n++] = (unsigned char)(bits >> 2);
    }
    *n_out = n;
    return CLIPC_OK;
}

bool serve_is_data_url(clipc_text text)
{
    return text.len >= 5 &&
           serve_equal_caseless((clipc_text){ text.data, 5 }, "data:");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A '%' without two digits stands for itself, as in browsers. */
static size_t percent_decode(unsigned char *out, clipc_text text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        const bool whole = text.data[i] == '%' && text.len - i > 2 &&
                           hex_digit(text.data[i + 1]) >= 0 &&
                           hex_digit(text.data[i + 2]) >= 0;
        if (whole) {
            out[n++] = (unsigned char)(hex_digit(text.data[i + 1]) << 4 |
                                       hex_digit(text.data[i + 2]));
            i += 2;
        } else {
            out[n++] = (unsigned char)text.data[i];
        }
    }
    return n;
}

clipc_status serve_picture_decode(unsigned char *out, size_t *n_out,
                                  clipc_text text, clipc_error *err)
{
    static const char base64[] = ";base64";
    enum { N_BASE64 = sizeof base64 - 1 };

    *n_out = 0;
    if (serve_is_data_url(text)) {
        const char *comma = memchr(text.data, ',', text.len);
        if (!comma)
            return serve_refuse(err, CLIPC_ERR_FORMAT,
                                "the data: URL has no comma");
        size_t before = (size_t)(comma - text.data);
        const bool is_base64 =
            before >= 5 + N_BASE64 &&
            serve_equal_caseless((clipc_text){ comma - N_BASE64, N_BASE64 },
                                 base64);
        text.data = comma + 1;
        text.len -= before + 1;
        /* Base64 may be percent-encoded as well: %2B, %3D. */
        *n_out = percent_decode(out, text);
        if (!is_base64)
            return CLIPC_OK;
        text = (clipc_text){ (const char *)out, *n_out };
    }
    return serve_base64_decode(out, n_out, text, err);
}
