/* SPDX-License-Identifier: MIT
 *
 * test_base64.c - base64 as clients write it.
 */
#include "serve/base64.h"
#include "support/test.h"

static clipc_error err = CLIPC_ERROR_INIT;

static clipc_status decode(const char *text, unsigned char *out, size_t *n)
{
    return serve_picture_decode(out, n, clipc_text_from(text), &err);
}

TEST(texts_are_decoded)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "", "" },
        { "Zg==", "f" },
        { "Zm8=", "fo" },
        { "Zm9v", "foo" },
        { "Zm9vYg==", "foob" },
        { "Zm9vYmE=", "fooba" },
        { "Zm9vYmFy", "foobar" },
        { "Zg", "f" }, /* no padding */
        { "Zm8", "fo" },
        { "++//", "\xFB\xEF\xFF" },
        { "--__", "\xFB\xEF\xFF" },
        { "Zm9v\r\nYmFy\n", "foobar" },
        { " Z m\t8 = ", "fo" },
        { "Zg=\n=", "f" },
        { "data:image/png;base64,Zm9v", "foo" },
        { "DATA:;BASE64,Zm9v", "foo" },
        { "data:text/plain;charset=utf-8;base64,Zm8", "fo" },
        { "data:;base64,", "" },
        { "data:;base64,Zm9%76", "foo" },
        { "data:image/png,a%62c%", "abc%" },
        { "data:base64,abcd", "abcd" },
    };
    unsigned char out[64];
    size_t n;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_OK(decode(cases[i].text, out, &n), err);
        CHECK_INT(n, strlen(cases[i].want));
        CHECK_BYTES(out, cases[i].want, n);
    }
}

TEST(what_is_not_base64_is_refused)
{
    static const struct {
        const char *text;
        clipc_status status;
    } cases[] = {
        { "Z", CLIPC_ERR_TRUNCATED },
        { "Zm9vZ", CLIPC_ERR_TRUNCATED },
        { "Zm=", CLIPC_ERR_TRUNCATED },
        { "Zh==", CLIPC_ERR_TRUNCATED }, /* bits that no byte takes */
        { "Zm9=", CLIPC_ERR_TRUNCATED },
        { "=", CLIPC_ERR_FORMAT },
        { "Z===", CLIPC_ERR_FORMAT },
        { "Zg===", CLIPC_ERR_FORMAT },
        { "Zm9v=", CLIPC_ERR_FORMAT },
        { "Zg==Zg==", CLIPC_ERR_FORMAT },
        { "Zg=a", CLIPC_ERR_FORMAT },
        { "Zm9v!", CLIPC_ERR_FORMAT },
        { "+-//", CLIPC_ERR_FORMAT },
        { "Zm\xC3\xA9", CLIPC_ERR_FORMAT },
        { "%2B", CLIPC_ERR_FORMAT },
        { "https://host/x", CLIPC_ERR_FORMAT },
        { "data:image/png;base64", CLIPC_ERR_FORMAT },
    };
    unsigned char out[64];
    size_t n;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        n = 99;
        clipc_status status = decode(cases[i].text, out, &n);
        if (status != cases[i].status || n != 0 || !err.message[0])
            FAIL("%s: %s", cases[i].text, clipc_status_name(status));
    }
}

/* RFC 4648 by the bit, for all lengths, decoded where the text lies. */
TEST(bytes_come_back)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char bytes[100];
    char text[200];
    size_t n_out;

    for (size_t n = 0; n <= sizeof bytes; n++) {
        size_t used = 0;
        for (size_t i = 0; i < n; i++)
            bytes[i] = (unsigned char)(n * 31 + i * 167);
        for (size_t bit = 0; bit < 8 * n; bit += 6) {
            unsigned value = 0;
            for (size_t b = bit; b < bit + 6; b++)
                value = value << 1 |
                        (b < 8 * n ? bytes[b / 8] >> (7 - b % 8) & 1 : 0);
            text[used++] = alphabet[value];
        }
        for (; used % 4; used++)
            text[used] = '=';
        CHECK_OK(serve_base64_decode((unsigned char *)text, &n_out,
                                     (clipc_text){ text, used }, &err),
                 err);
        CHECK_INT(n_out, n);
        CHECK_BYTES(text, bytes, n);
    }
}
