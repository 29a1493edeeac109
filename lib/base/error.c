/* SPDX-License-Identifier: MIT
 *
 * error.c - status names, error reports, and names made fit to be shown.
 */
#include "base/base.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define QUOTE_LIMIT 160 /* bytes shown of a name */
#define START_LIMIT 80  /* bytes shown of a text */
#define ELLIPSIS "..."

const char *clipc_status_name(clipc_status status)
{
    switch (status) {
    case CLIPC_OK: return "ok";
    case CLIPC_ERR_ARGUMENT: return "argument";
    case CLIPC_ERR_NOMEM: return "nomem";
    case CLIPC_ERR_IO: return "io";
    case CLIPC_ERR_NOT_FOUND: return "not_found";
    case CLIPC_ERR_FORMAT: return "format";
    case CLIPC_ERR_TRUNCATED: return "truncated";
    case CLIPC_ERR_UNSUPPORTED: return "unsupported";
    case CLIPC_ERR_LIMIT: return "limit";
    case CLIPC_ERR_CONFIG: return "config";
    case CLIPC_ERR_UTF8: return "utf8";
    case CLIPC_ERR_TOO_LONG: return "too_long";
    case CLIPC_ERR_NUMERIC: return "numeric";
    case CLIPC_ERR_URL: return "url";
    case CLIPC_ERR_URL_BLOCKED: return "url_blocked";
    case CLIPC_ERR_NETWORK: return "network";
    case CLIPC_ERR_HTTP: return "http";
    case CLIPC_ERR_TIMEOUT: return "timeout";
    case CLIPC_ERR_CANCELLED: return "cancelled";
    case CLIPC_ERR_INTERNAL: return "internal";
    }
    return "unknown";
}

/* Bytes of the UTF-8 character at s, 0 when there is no valid one. */
static size_t character_bytes(const unsigned char *s, size_t n)
{
    uint32_t code;
    return clipc_utf8_decode((const char *)s, n, &code);
}

clipc_status clipc_fail(clipc_error *err, clipc_status code, int64_t offset,
                        const char *format, ...)
{
    char message[sizeof err->message + 4];
    va_list args;
    size_t n = 0;

    /* A struct whose size was never set is left alone. */
    if (!err || err->struct_size < sizeof *err)
        return code;
    va_start(args, format);
    int length = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (length < 0)
        message[0] = '\0';
    while (message[n]) {
        size_t step = character_bytes((const unsigned char *)message + n,
                                      strlen(message + n));
        if (step == 0)
            step = 1;
        if (n + step >= sizeof err->message)
            break;
        n += step;
    }
    memcpy(err->message, message, n);
    err->message[n] = '\0';
    err->code = code;
    err->offset = offset;
    return code;
}

clipc_status clipc_fail_nomem(clipc_error *err, const char *what)
{
    return clipc_fail(err, CLIPC_ERR_NOMEM, -1, "out of memory (%s)", what);
}

/* Drops userinfo, query and fragment of scheme://... in place. */
static size_t strip_url(char *url, size_t n)
{
    char *start = strstr(url, "://");
    if (!start)
        return n;
    start += 3;
    size_t end = strcspn(start, "?#");
    start[end] = '\0';
    size_t authority = strcspn(start, "/\\");
    for (size_t i = authority; i-- > 0;) {
        if (start[i] == '@') {
            memmove(start, start + i + 1, strlen(start + i + 1) + 1);
            break;
        }
    }
    return strlen(url);
}

/* Writes the shown form of one character (or bad byte) at s; returns its
 * length and sets *used to the bytes of s it stands for. */
static size_t show_character(char out[8], const unsigned char *s, size_t n,
                             size_t *used)
{
    size_t len = character_bytes(s, n);
    bool c1 = len == 2 && s[0] == 0xC2 && s[1] < 0xA0; /* U+0080..U+009F */

    if (len == 0 || (len == 1 && (s[0] < 0x20 || s[0] == 0x7F)) || c1) {
        *used = 1;
        return (size_t)snprintf(out, 8, "\\x%02X", s[0]);
    }
    memcpy(out, s, len);
    *used = len;
    return len;
}

/* Longest shown prefix of s that fits in `room` bytes. */
static size_t show_prefix(char *out, size_t room, const unsigned char *s,
                          size_t n)
{
    size_t written = 0;
    for (size_t i = 0, used; i < n; i += used) {
        char piece[8];
        size_t len = show_character(piece, s + i, n - i, &used);
        if (written + len > room)
            break;
        memcpy(out + written, piece, len);
        written += len;
    }
    return written;
}

/* Start of the longest suffix whose shown form fits in `room` bytes. */
static size_t suffix_start(const unsigned char *s, size_t n, size_t room)
{
    size_t start = n, total = 0;
    while (start > 0) {
        size_t step = 1;
        for (size_t back = 2; back <= 4 && back <= start; back++)
            if (character_bytes(s + start - back, back) == back)
                step = back;
        char piece[8];
        size_t used;
        total += show_character(piece, s + start - step, step, &used);
        if (total > room)
            break;
        start -= step;
    }
    return start;
}

clipc_quoted clipc_quote(const char *name, size_t len)
{
    enum { COPY = 2048 }; /* more than is ever shown of a URL's parts */
    clipc_quoted quoted;
    char copy[COPY + 1];
    const unsigned char *s = (const unsigned char *)name;

    if (len == 0) {
        strcpy(quoted.text, "''");
        return quoted;
    }
    if (len <= COPY && memchr(name, '\0', len) == NULL) {
        memcpy(copy, name, len);
        copy[len] = '\0';
        len = strip_url(copy, len);
        s = (const unsigned char *)copy;
    } else if (len > COPY) {
        /* Too long to be shown whole: the head alone, so that a query or a
         * password cannot be in it, is found by stripping the copy. */
        memcpy(copy, name, COPY);
        copy[COPY] = '\0';
        size_t stripped = strip_url(copy, COPY);
        if (strstr(copy, "://")) {
            s = (const unsigned char *)copy;
            len = stripped;
        }
    }
    size_t shown = 0;
    for (size_t i = 0, used; i < len && shown <= QUOTE_LIMIT; i += used) {
        char piece[8];
        shown += show_character(piece, s + i, len - i, &used);
    }
    size_t n;
    if (shown <= QUOTE_LIMIT) {
        n = show_prefix(quoted.text, QUOTE_LIMIT, s, len);
    } else {
        size_t dots = sizeof ELLIPSIS - 1;
        size_t half = (QUOTE_LIMIT - dots) / 2;
        n = show_prefix(quoted.text, half, s, len);
        memcpy(quoted.text + n, ELLIPSIS, dots);
        n += dots;
        size_t start = suffix_start(s, len, half);
        n += show_prefix(quoted.text + n, half, s + start, len - start);
    }
    quoted.text[n] = '\0';
    return quoted;
}

clipc_quoted clipc_quote_start(clipc_text text)
{
    size_t n = text.len;

    if (n > START_LIMIT)
        for (n = START_LIMIT; n > START_LIMIT - 4; n--)
            if (((unsigned char)text.data[n] & 0xC0) != 0x80)
                break;
    return clipc_quote(text.data ? text.data : "", n);
}
