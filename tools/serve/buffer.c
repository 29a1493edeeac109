/* SPDX-License-Identifier: MIT
 *
 * buffer.c - see buffer.h.
 */
#include "serve/buffer.h"

#include "common/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void serve_buffer_free(serve_buffer *buffer)
{
    free(buffer->data);
    *buffer = (serve_buffer){ 0 };
}

bool serve_buffer_reserve(serve_buffer *buffer, size_t n)
{
    if (buffer->failed)
        return false;
    if (n <= buffer->room - buffer->n)
        return true;
    size_t room = buffer->room < 256 ? 256 : buffer->room;
    while (room - buffer->n < n && room <= SIZE_MAX / 2)
        room *= 2;
    char *data = room - buffer->n < n ? NULL : realloc(buffer->data, room);
    if (!data) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->room = room;
    return true;
}

void serve_put(serve_buffer *buffer, const void *bytes, size_t n)
{
    if (n > 0 && serve_buffer_reserve(buffer, n)) {
        memcpy(buffer->data + buffer->n, bytes, n);
        buffer->n += n;
    }
}

void serve_puts(serve_buffer *buffer, const char *string)
{
    serve_put(buffer, string, strlen(string));
}

void serve_putf(serve_buffer *buffer, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !serve_buffer_reserve(buffer, (size_t)n + 1)) {
        buffer->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(buffer->data + buffer->n, (size_t)n + 1, format, args);
    va_end(args);
    buffer->n += (size_t)n;
}

/* ---- JSON -------------------------------------------------------------- */

/* Whether a character of UTF-8 stands for itself in a JSON string that may
 * stand in a page. */
static bool plain_in_json(const char *s, size_t n)
{
    unsigned char c = (unsigned char)*s;

    if (n == 1)
        return c >= 0x20 && c != 0x7F && !strchr("\"\\<>&", c);
    return n != 3 || (memcmp(s, "\xE2\x80\xA8", 3) != 0 &&
                      memcmp(s, "\xE2\x80\xA9", 3) != 0);
}

static void put_escaped(serve_buffer *buffer, const char *s, size_t n)
{
    switch (*s) {
    case '"': serve_puts(buffer, "\\\""); break;
    case '\\': serve_puts(buffer, "\\\\"); break;
    case '\n': serve_puts(buffer, "\\n"); break;
    case '\r': serve_puts(buffer, "\\r"); break;
    case '\t': serve_puts(buffer, "\\t"); break;
    default:
        if (n == 3)
            serve_puts(buffer, s[2] == '\xA8' ? "\\u2028" : "\\u2029");
        else
            serve_putf(buffer, "\\u%04x", (unsigned)(unsigned char)*s);
    }
}

void serve_put_json(serve_buffer *buffer, const char *text, size_t n)
{
    size_t bad, start = 0, i = 0;

    serve_puts(buffer, "\"");
    while (i < n) {
        size_t len = tool_utf8(text + i, n - i, &bad);
        if (len && plain_in_json(text + i, len)) {
            i += len;
            continue;
        }
        serve_put(buffer, text + start, i - start);
        if (len)
            put_escaped(buffer, text + i, len);
        else
            serve_puts(buffer, "\xEF\xBF\xBD");
        i += len ? len : bad;
        start = i;
    }
    if (n > start)
        serve_put(buffer, text + start, n - start);
    serve_puts(buffer, "\"");
}

void serve_put_json_string(serve_buffer *buffer, const char *string)
{
    serve_put_json(buffer, string, strlen(string));
}

void serve_put_float(serve_buffer *buffer, float value)
{
    if (isfinite(value))
        serve_putf(buffer, "%.9g", (double)value);
    else
        serve_puts(buffer, "null");
}

void serve_put_floats(serve_buffer *buffer, const float *values, size_t n)
{
    serve_puts(buffer, "[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            serve_puts(buffer, ",");
        serve_put_float(buffer, values[i]);
    }
    serve_puts(buffer, "]");
}

void serve_put_base64(serve_buffer *buffer, const void *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *b = bytes;

    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i < 3 ? n - i : 3;
        unsigned v = (unsigned)b[i] << 16 |
                     (left > 1 ? (unsigned)b[i + 1] << 8 : 0) |
                     (left > 2 ? (unsigned)b[i + 2] : 0);
        char out[4] = { digits[v >> 18], digits[v >> 12 & 63],
                        left > 1 ? digits[v >> 6 & 63] : '=',
                        left > 2 ? digits[v & 63] : '=' };
        serve_put(buffer, out, sizeof out);
    }
}

/* ---- HTML -------------------------------------------------------------- */

void serve_put_html(serve_buffer *buffer, const char *text, size_t n)
{
    size_t bad;

    for (size_t i = 0; i < n;) {
        size_t len = tool_utf8(text + i, n - i, &bad);
        unsigned char c = (unsigned char)text[i];
        if (!len ||
            (len == 1 && (c < 0x20 || c == 0x7F) && c != '\n' && c != '\r'))
            serve_puts(buffer, "\xEF\xBF\xBD");
        else if (c == '&')
            serve_puts(buffer, "&amp;");
        else if (c == '<')
            serve_puts(buffer, "&lt;");
        else if (c == '>')
            serve_puts(buffer, "&gt;");
        else if (c == '"')
            serve_puts(buffer, "&quot;");
        else if (c == '\'')
            serve_puts(buffer, "&#39;");
        else
            serve_put(buffer, text + i, len);
        i += len ? len : bad;
    }
}
