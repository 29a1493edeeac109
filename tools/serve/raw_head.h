/* SPDX-License-Identifier: MIT
 *
 * raw_head.h - the lines of a head, told from what libmicrohttpd 0.9 leaves of
 * them in memory.
 *
 * That library reads lines that end in LF alone, folded lines, several spaces
 * between the parts of the request line, and NUL bytes, and does not tell. A
 * proxy in front may read the same bytes as another request (request
 * smuggling). But the library parses in place: of "Name: value" CR LF it
 * overwrites the colon, CR and LF by NUL, and the texts it hands out are
 * pointers into the head. So the bytes between them say how each line ended.
 * One case leaves no trace: a NUL byte at the end of a line can pass for its CR
 * or LF. Since version 1.0 the library refuses such lines itself.
 */
#ifndef CLIPC_SERVE_RAW_HEAD_H
#define CLIPC_SERVE_RAW_HEAD_H

#include "serve/request.h"

/* The pointers as the library gave them. */
typedef struct serve_raw_head {
    const char *method, *target, *version;
    size_t target_bytes;        /* before anything in the target was decoded */
    const serve_field *headers; /* in their order */
    size_t n_headers;
    size_t bytes; /* of the head, its empty line included */
} serve_raw_head;

/* Whether each part of the head lies where it must when single spaces part the
 * request line, every line ends in CR LF, none is folded and none has a NUL
 * byte. */
bool serve_raw_head_strict(const serve_raw_head *head);

#endif /* CLIPC_SERVE_RAW_HEAD_H */
