/* SPDX-License-Identifier: MIT
 *
 * response.h - an answer while it is built. A handler fills the answer; the
 * HTTP glue sends it and adds what every answer has (Date, X-Request-Id,
 * X-Content-Type-Options, ...).
 */
#ifndef CLIPC_SERVE_RESPONSE_H
#define CLIPC_SERVE_RESPONSE_H

#include "clipc.h"
#include "serve/buffer.h"

/* The most headers that serve_response_header() takes. */
enum { SERVE_RESPONSE_HEADERS = 8 };

typedef struct serve_response {
    unsigned status;          /* of HTTP; 200 unless set */
    const char *content_type; /* static; NULL: none */
    serve_buffer body;        /* sent, then freed */
    const void *static_body;  /* instead of `body`; static */
    size_t static_bytes;
    struct {
        const char *name; /* static */
        char value[512];
    } headers[SERVE_RESPONSE_HEADERS];
    size_t n_headers;
    bool close; /* close the connection after the answer */
} serve_response;

/* An answer of status 200 without a body. */
void serve_response_start(serve_response *response);

/* Frees the body. */
void serve_response_free(serve_response *response);

/* Drops what was built so far, headers included. */
void serve_response_reset(serve_response *response);

/* name: static. A value with a control character, or over 511 bytes, is left
 * out. */
void serve_response_header(serve_response *response, const char *name,
                           const char *value);

/* A short text/plain answer. text: static. */
void serve_response_text(serve_response *response, unsigned status,
                         const char *text);

/* ---- errors ------------------------------------------------------------ */

/* What went wrong, before its form is chosen. */
typedef struct serve_problem {
    unsigned status;      /* of HTTP */
    const char *code;     /* clipc_status_name(), or the server's own word, as
                            * "overloaded"; static */
    const char *message;  /* one line of UTF-8 */
    int64_t offset;       /* in the input, or -1 */
    unsigned retry_after; /* seconds; 0: no Retry-After */
} serve_problem;

/* The form of a route's errors: fills status, content type and body. Headers
 * and Retry-After are set already. */
typedef void serve_problem_writer(serve_response *response,
                                  const serve_problem *problem);

/* application/problem+json (RFC 9457): type, title, status, detail, code, and
 * offset where there is one. */
serve_problem_writer serve_write_problem_json;

/* The HTTP status of a library status: ARGUMENT (of the request), FORMAT,
 * TRUNCATED, UTF8, URL and TOO_LONG 400; UNSUPPORTED 415; LIMIT 413;
 * URL_BLOCKED 403; CANCELLED, whose client has left, 499, for the log;
 * NETWORK and HTTP 502; TIMEOUT 504; NOMEM 503; the others 500. */
unsigned serve_http_status(clipc_status status);

/* "Not Found" and the like; "Error" for a number without a name. */
const char *serve_reason(unsigned status);

#endif /* CLIPC_SERVE_RESPONSE_H */
