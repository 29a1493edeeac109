/* SPDX-License-Identifier: MIT
 *
 * data_url.c - see data_url.h.
 */
#include "http/data_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEME = 5 /* "data:" */ };

/* What is being decoded, and where the bytes go. */
typedef struct decoder {
    const char *url, *p; /* p: the next character */
    size_t max_bytes;
    unsigned char *out; /* [room + 1] */
    size_t n, room;
    clipc_error *err;
} decoder;

static bool equal_caseless(const char *text, const char *lower, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char c = text[i];
        if ((c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c) != lower[i])
            return false;
    }
    return true;
}

bool clipc_data_url_is(const char *url)
{
    return equal_caseless(url, "data:", SCHEME);
}

clipc_data_url_name clipc_data_url_shown(const char *url)
{
    enum { MOST = 40 };
    clipc_data_url_name name;
    const size_t n = strcspn(url, ",");
    const bool whole = n < MOST;

    snprintf(name.text, sizeof name.text, "%.*s%s...",
             whole ? (int)n : (int)MOST, url, whole && url[n] ? "," : "");
    return name;
}

static clipc_status fail(decoder *d, clipc_status status, const char *what)
{
    const clipc_data_url_name name = clipc_data_url_shown(d->url);

    return clipc_fail(d->err, status, (int64_t)(d->p - d->url), "%s: %s",
                      CLIPC_QUOTE(name.text), what);
}

static clipc_status add(decoder *d, unsigned byte)
{
    if (d->n == d->room)
        return clipc_fail(d->err, CLIPC_ERR_LIMIT, -1,
                          "%s: larger than %zu bytes (max_bytes)",
                          CLIPC_QUOTE(clipc_data_url_shown(d->url).text),
                          d->max_bytes);
    d->out[d->n++] = (unsigned char)byte;
    return CLIPC_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A fragment is no part of the data. */
static bool at_end(const decoder *d)
{
    return *d->p == '\0' || *d->p == '#';
}

/* The next character, percent-decoded: a '%' without two digits stands for
 * itself, as in browsers. Call before the end. */
static unsigned char take(decoder *d)
{
    const char *p = d->p;

    if (p[0] == '%' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
        d->p += 3;
        return (unsigned char)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
    }
    d->p++;
    return (unsigned char)p[0];
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The six bits of a character, or -1. */
static int six_bits(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

static clipc_status decode_base64(decoder *d)
{
    uint32_t bits = 0;
    unsigned held = 0, padding = 0; /* characters of the current four */

    while (!at_end(d)) {
        const char *at = d->p;
        const unsigned char c = take(d);
        const int value = six_bits(c);
        if (is_blank(c))
            continue;
        if (c == '=' && held >= 2 && held + padding < 4) {
            padding++;
            continue;
        }
        if (value < 0 || padding > 0) {
            d->p = at;
            return fail(d, CLIPC_ERR_FORMAT, "a character that is not base64");
        }
        bits = bits << 6 | (unsigned)value;
        /* Of four characters the second, third and fourth end a byte. */
        if (held > 0)
            CLIPC_TRY(add(d, bits >> (6 - 2 * held) & 255));
        held = (held + 1) % 4;
    }
    if (held == 1 || (padding > 0 && held + padding != 4))
        return fail(d, CLIPC_ERR_TRUNCATED, "the base64 ends within a byte");
    return CLIPC_OK;
}

/* Whether the part before the comma ends in ";base64", with blanks on either
 * side of the word. */
static bool says_base64(const char *url, const char *comma)
{
    static const char word[] = "base64";
    const size_t n = sizeof word - 1;

    while (comma > url && comma[-1] == ' ')
        comma--;
    if ((size_t)(comma - url) < SCHEME + 1 + n ||
        !equal_caseless(comma - n, word, n))
        return false;
    comma -= n;
    while (comma > url && comma[-1] == ' ')
        comma--;
    return (size_t)(comma - url) > SCHEME && comma[-1] == ';';
}

static clipc_status decode(decoder *d, bool base64)
{
    if (base64)
        return decode_base64(d);
    while (!at_end(d))
        CLIPC_TRY(add(d, take(d)));
    return CLIPC_OK;
}

clipc_status clipc_data_url_decode(clipc_bytes *body, const char *url,
                                   size_t max_bytes, clipc_error *err)
{
    const char *comma = strchr(url, ',');
    decoder d = { .url = url, .p = url, .max_bytes = max_bytes, .err = err };

    *body = (clipc_bytes){ 0 };
    if (!comma)
        return fail(&d, CLIPC_ERR_URL, "a data: URL without a comma");
    d.p = comma + 1;
    d.room = strlen(d.p);
    if (d.room > max_bytes)
        d.room = max_bytes;
    d.out = clipc_alloc(d.room + 1, 1);
    if (!d.out)
        return clipc_fail_nomem(err, "body of a data: URL");
    clipc_status status = decode(&d, says_base64(url, comma));
    if (status != CLIPC_OK) {
        free(d.out);
        return status;
    }
    d.out[d.n] = '\0';
    *body = (clipc_bytes){ .data = d.out, .n = d.n };
    return CLIPC_OK;
}
