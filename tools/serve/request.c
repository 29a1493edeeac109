/* SPDX-License-Identifier: MIT
 *
 * request.c - see request.h.
 */
#include "serve/request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

int64_t serve_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

const char *serve_header(const serve_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_headers; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

const serve_field *serve_query(const serve_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_query; i++)
        if (strcmp(request->query[i].name, name) == 0)
            return &request->query[i];
    return NULL;
}

clipc_status serve_request_over(serve_request *request, clipc_error *err)
{
    char byte;

    if (!request->gone) {
        ssize_t n = recv(request->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        request->gone = n == 0 || (n < 0 && errno != EAGAIN &&
                                   errno != EWOULDBLOCK && errno != EINTR);
    }
    if (request->gone)
        return serve_refuse(err, CLIPC_ERR_CANCELLED,
                            "the client has hung up");
    if (serve_now_us() > request->deadline_us)
        return serve_refuse(err, CLIPC_ERR_TIMEOUT,
                            "the request took longer than "
                            "--request-timeout");
    return CLIPC_OK;
}

/* ---- failing ----------------------------------------------------------- */

static void fail(const serve_request *request, serve_response *response,
                 const serve_problem *problem)
{
    serve_response_reset(response);
    if (problem->retry_after) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%u", problem->retry_after);
        serve_response_header(response, "Retry-After", seconds);
    }
    request->problem(response, problem);
}

void serve_fail(const serve_request *request, serve_response *response,
                unsigned status, const char *code, const char *format, ...)
{
    char message[256];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    serve_problem problem = { .status = status,
                              .code = code,
                              .message = message,
                              .offset = -1,
                              .retry_after = status == 429 || status == 503 };
    fail(request, response, &problem);
}

void serve_fail_error(const serve_request *request, serve_response *response,
                      const clipc_error *err)
{
    unsigned status = serve_http_status(err->code);
    serve_problem problem = { .status = status,
                              .code = clipc_status_name(err->code),
                              .message = err->message,
                              .offset = err->offset,
                              .retry_after = status == 503 };
    fail(request, response, &problem);
}
