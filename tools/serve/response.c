/* SPDX-License-Identifier: MIT
 *
 * response.c - see response.h.
 */
#include "serve/response.h"

#include <string.h>

void serve_response_start(serve_response *response)
{
    memset(response, 0, sizeof *response);
    response->status = 200;
}

void serve_response_free(serve_response *response)
{
    serve_buffer_free(&response->body);
}

void serve_response_reset(serve_response *response)
{
    bool close = response->close;

    serve_response_free(response);
    serve_response_start(response);
    response->close = close;
}

void serve_response_header(serve_response *response, const char *name,
                           const char *value)
{
    size_t n = strlen(value), i = 0;

    while (i < n && (unsigned char)value[i] >= 0x20 && value[i] != 0x7F)
        i++;
    if (i < n || n >= sizeof response->headers[0].value ||
        response->n_headers == SERVE_RESPONSE_HEADERS)
        return;
    response->headers[response->n_headers].name = name;
    memcpy(response->headers[response->n_headers].value, value, n + 1);
    response->n_headers++;
}

void serve_response_text(serve_response *response, unsigned status,
                         const char *text)
{
    response->status = status;
    response->content_type = "text/plain; charset=utf-8";
    response->static_body = text;
    response->static_bytes = strlen(text);
}

/* ---- errors ------------------------------------------------------------ */

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    { 200, "OK" },
    { 204, "No Content" },
    { 304, "Not Modified" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 411, "Length Required" },
    { 413, "Content Too Large" },
    { 415, "Unsupported Media Type" },
    { 417, "Expectation Failed" },
    { 421, "Misdirected Request" },
    { 422, "Unprocessable Content" },
    { 429, "Too Many Requests" },
    { 431, "Request Header Fields Too Large" },
    { 499, "Client Closed Request" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 502, "Bad Gateway" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
    { 505, "HTTP Version Not Supported" },
};

const char *serve_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Error";
}

unsigned serve_http_status(clipc_status status)
{
    switch (status) {
    case CLIPC_OK: return 200;
    case CLIPC_ERR_ARGUMENT:
    case CLIPC_ERR_FORMAT:
    case CLIPC_ERR_TRUNCATED:
    case CLIPC_ERR_UTF8:
    case CLIPC_ERR_URL:
    case CLIPC_ERR_TOO_LONG: return 400;
    case CLIPC_ERR_URL_BLOCKED: return 403;
    case CLIPC_ERR_LIMIT: return 413;
    case CLIPC_ERR_UNSUPPORTED: return 415;
    case CLIPC_ERR_CANCELLED: return 499;
    case CLIPC_ERR_NETWORK:
    case CLIPC_ERR_HTTP: return 502;
    case CLIPC_ERR_NOMEM: return 503;
    case CLIPC_ERR_TIMEOUT: return 504;
    default: return 500;
    }
}

void serve_write_problem_json(serve_response *response,
                              const serve_problem *problem)
{
    serve_buffer *body = &response->body;

    response->status = problem->status;
    response->content_type = "application/problem+json";
    serve_puts(body, "{\"type\":\"about:blank\",\"title\":");
    serve_put_json_string(body, serve_reason(problem->status));
    serve_putf(body, ",\"status\":%u,\"detail\":", problem->status);
    serve_put_json_string(body, problem->message);
    serve_puts(body, ",\"code\":");
    serve_put_json_string(body, problem->code);
    if (problem->offset >= 0)
        serve_putf(body, ",\"offset\":%lld", (long long)problem->offset);
    serve_puts(body, "}\n");
}
