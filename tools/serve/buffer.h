/* SPDX-License-Identifier: MIT
 *
 * buffer.h - bytes that grow, and JSON written into them. Memory that runs out
 * is remembered in `failed`: append everything, then ask once. Nothing here
 * ends the program.
 */
#ifndef CLIPC_SERVE_BUFFER_H
#define CLIPC_SERVE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts as { 0 }. data may be NULL where n is 0, and is not terminated. */
typedef struct serve_buffer {
    char *data;
    size_t n, room;
    bool failed; /* memory ran out: the bytes are not complete */
} serve_buffer;

/* Frees the bytes and makes the buffer { 0 } again. */
void serve_buffer_free(serve_buffer *buffer);

/* Room for n more bytes at data + buffer->n; false: failed. */
bool serve_buffer_reserve(serve_buffer *buffer, size_t n);

void serve_put(serve_buffer *buffer, const void *bytes, size_t n);
void serve_puts(serve_buffer *buffer, const char *string);
void serve_putf(serve_buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD;
 * control characters, '<', '>', '&', U+2028 and U+2029 are escaped, so the
 * JSON may stand in a page. */
void serve_put_json(serve_buffer *buffer, const char *text, size_t n);
void serve_put_json_string(serve_buffer *buffer, const char *string);

/* A JSON number that reads back as the same float. Not finite: null. */
void serve_put_float(serve_buffer *buffer, float value);

/* [f, f, ...], n floats without spaces. */
void serve_put_floats(serve_buffer *buffer, const float *values, size_t n);

/* Standard base64 (RFC 4648, with padding). */
void serve_put_base64(serve_buffer *buffer, const void *bytes, size_t n);

/* Text for HTML: & < > " ' as references, bytes that are not UTF-8 and control
 * characters but line ends as U+FFFD. */
void serve_put_html(serve_buffer *buffer, const char *text, size_t n);

#endif /* CLIPC_SERVE_BUFFER_H */
