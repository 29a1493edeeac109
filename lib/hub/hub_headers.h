/* SPDX-License-Identifier: MIT
 *
 * hub_headers.h - the header lines of a hub's answer, and what they say.
 */
#ifndef CLIPC_HUB_HEADERS_H
#define CLIPC_HUB_HEADERS_H

#include "base/base.h"

/* The contents of the last answer. Texts from the server are cut to their
 * room. */
typedef struct clipc_hub_answer {
    long status;
    char commit[80]; /* X-Repo-Commit, or "" */
    char etag[160];  /* of the file: cleaned, not checked; or "" */
    bool has_size;
    uint64_t size;       /* of the file */
    char *url;           /* where its bytes are; of a HEAD alone */
    char error_code[48]; /* X-Error-Code, or "" */
    char error_text[96]; /* X-Error-Message, or "" */
    unsigned wait_s;     /* the server asks to wait so long; 0: no wait */
    bool elsewhere;      /* the answer came from another host than the hub, or
                          * by way of one */
} clipc_hub_answer;

void clipc_hub_answer_release(clipc_hub_answer *answer);

/* State of the answer that is being received; zero but for `answer` at
 * first. */
typedef struct clipc_hub_headers {
    clipc_hub_answer *answer;
    bool has_linked_etag, has_linked_size;
    bool has_length; /* Content-Length */
    uint64_t length;
    bool has_range; /* Content-Range: bytes START-.../TOTAL */
    uint64_t range_start, range_total; /* range_total 0: not told */
    bool encoded; /* Content-Encoding says something but identity */
    bool ended;   /* the empty line came: the headers are whole */
} clipc_hub_headers;

/* One line, with or without its end. A status line forgets all before it. */
void clipc_hub_headers_read(clipc_hub_headers *headers, const char *line,
                            size_t n);

#endif /* CLIPC_HUB_HEADERS_H */
