/* SPDX-License-Identifier: MIT
 *
 * data_url.h - data: URLs (RFC 2397), which carry their body in themselves.
 */
#ifndef CLIPC_DATA_URL_H
#define CLIPC_DATA_URL_H

#include "base/file.h"

/* The first part of a data: URL, for messages. */
typedef struct clipc_data_url_name {
    char text[64];
} clipc_data_url_name;

/* Whether a text begins as a data: URL does. */
bool clipc_data_url_is(const char *url);

/* "data:image/png;base64,..." */
clipc_data_url_name clipc_data_url_shown(const char *url);

/* Decodes the body: percent-encoded, or base64 where the URL says so, in the
 * standard alphabet or the URL-safe one, padded or not, white space between the
 * characters ignored. The media type is not looked at. Release *body with
 * clipc_bytes_release().
 *
 * Returns CLIPC_ERR_URL without a comma; CLIPC_ERR_FORMAT with the offset of a
 * wrong character; CLIPC_ERR_TRUNCATED when the text ends within a byte;
 * CLIPC_ERR_LIMIT over max_bytes, before more than these are allocated. */
clipc_status clipc_data_url_decode(clipc_bytes *body, const char *url,
                                   size_t max_bytes, clipc_error *err);

#endif /* CLIPC_DATA_URL_H */
