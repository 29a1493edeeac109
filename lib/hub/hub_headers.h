/* SPDX-License-Identifier: MIT
 *
 * hub_headers.h - the header lines of a hub's answer.
 */
#ifndef CLIPC_HUB_HEADERS_H
#define CLIPC_HUB_HEADERS_H

#include "hub/hub_http.h"

/* Of the answer that is being received; zero but for `answer` at first. */
typedef struct clipc_hub_headers {
    clipc_hub_answer *answer;
    bool has_linked_etag, has_linked_size;
    bool has_length; /* Content-Length */
    uint64_t length;
    bool has_range; /* Content-Range: bytes START-.../TOTAL */
    uint64_t range_start, range_total; /* range_total 0: not told */
    bool encoded; /* Content-Encoding says something but identity */
    bool ended;   /* the empty line came: they are whole */
} clipc_hub_headers;

/* One line, with or without its end. A status line forgets all before it. */
void clipc_hub_headers_read(clipc_hub_headers *headers, const char *line,
                            size_t n);

#endif /* CLIPC_HUB_HEADERS_H */
