/* SPDX-License-Identifier: MIT
 *
 * request.h - a request as a handler sees it: whole, its body in memory, its
 * head checked, its place in the house admitted. All texts belong to the
 * request and live until the handler returns.
 */
#ifndef CLIPC_SERVE_REQUEST_H
#define CLIPC_SERVE_REQUEST_H

#include "serve/refuse.h"
#include "serve/response.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct serve_server serve_server; /* server.h */
typedef struct serve_model serve_model;   /* model.h */
typedef struct serve_route serve_route;   /* route.h */

/* HEAD is answered as GET, without the body. */
typedef enum serve_method {
    SERVE_GET = 1,
    SERVE_POST = 2,
    SERVE_OTHER = 4 /* no route takes one */
} serve_method;

/* A header, or a parameter of the query: %XX and + are decoded, so a value may
 * hold any byte. Both texts are terminated too. */
typedef struct serve_field {
    const char *name, *value;
    size_t name_bytes, value_bytes;
} serve_field;

/* Where the time of a request went, for its answer and its line in the log;
 * microseconds. */
typedef struct serve_timing {
    int64_t fetch;  /* of URLs */
    int64_t decode; /* of pictures */
    int64_t queue;  /* waiting for the batcher */
    int64_t encode; /* in the batcher */
} serve_timing;

typedef struct serve_request {
    serve_server *server;
    const serve_route *route;      /* NULL: no route has the path */
    serve_problem_writer *problem; /* form of errors */
    serve_method method;
    const char *path; /* decoded */
    const serve_field *query, *headers;
    size_t n_query, n_headers;
    const char *content_type; /* the header; "" without one */
    char media_type[64];      /* of it, in lower case, without parameters */
    char
        *body; /* [body_bytes], the handler's to change; NULL: there is none */
    size_t body_bytes;
    bool admitted;       /* has a place at the gate */
    size_t body_taken;   /* bytes of the budget: of the body */
    size_t answer_taken; /* and of an upstream's answer, until it is sent */
    char id[20];         /* of the log and of X-Request-Id */
    serve_model *model;  /* that answers the request; a reload does not change
                         * it. NULL: the route takes none */
    int64_t started_us;  /* serve_now_us() */
    int64_t deadline_us;
    serve_timing timing;
    bool upright; /* a handler may set it: pictures are turned as their EXIF
                   * orientation says, also without --exif */
    size_t n_images, n_texts; /* that were encoded, for the log */
    bool gone; /* the client hung up; see serve_request_over() */
    int fd;    /* of the connection, to see that */
} serve_request;

typedef void serve_handler(serve_request *request, serve_response *response);

/* Microseconds of the monotonic clock. */
int64_t serve_now_us(void);

/* The value of the first header or query parameter of the name, or NULL.
 * Header names compare without case. */
const char *serve_header(const serve_request *request, const char *name);
const serve_field *serve_query(const serve_request *request, const char *name);

/* Whether nobody waits for the answer any more: the deadline has passed or the
 * client has hung up. Asks the connection; call between steps of work, not in
 * inner loops. CLIPC_OK, or CLIPC_ERR_TIMEOUT or _CANCELLED with a message. */
clipc_status serve_request_over(serve_request *request, clipc_error *err);

/* ---- failing ----------------------------------------------------------- */

/* Answers with an error in the form of the request's route. code: static. */
void serve_fail(const serve_request *request, serve_response *response,
                unsigned status, const char *code, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The same from an error of the library, by serve_http_status(). */
void serve_fail_error(const serve_request *request, serve_response *response,
                      const clipc_error *err);

#endif /* CLIPC_SERVE_REQUEST_H */
