/* SPDX-License-Identifier: MIT
 *
 * base64.h - reading base64 (RFC 4648) as clients write it, and data: URLs
 * (RFC 2397).
 */
#ifndef CLIPC_SERVE_BASE64_H
#define CLIPC_SERVE_BASE64_H

#include "serve/refuse.h"

#include <stdbool.h>

/* Decodes text into `out`, which may be text.data itself and has room for
 * text.len bytes. Clients differ in these things, and all are read: the
 * standard alphabet or the URL-safe one (not both in one text), padding or
 * none, blanks and line breaks between the characters.
 *
 * Returns CLIPC_ERR_FORMAT with the offset of a wrong character;
 * CLIPC_ERR_TRUNCATED when the text ends within a byte. */
clipc_status serve_base64_decode(unsigned char *out, size_t *n_out,
                                 clipc_text text, clipc_error *err);

/* Whether a text begins as a data: URL does. */
bool serve_is_data_url(clipc_text text);

/* Decodes a picture that is a data: URL or plain base64, as above. A data: URL
 * is percent-encoded, and base64 as well where it says ";base64"; its media
 * type is not believed and not checked: the content says what a picture is. */
clipc_status serve_picture_decode(unsigned char *out, size_t *n_out,
                                  clipc_text text, clipc_error *err);

#endif /* CLIPC_SERVE_BASE64_H */
