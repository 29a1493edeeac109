/* SPDX-License-Identifier: MIT
 *
 * openapi.c - see openapi.h.
 */
#include "serve/openapi.h"

void serve_openapi(serve_request *request, serve_response *response)
{
    (void)request;
    response->content_type = "application/json";
    response->static_body = serve_openapi_json;
    response->static_bytes = serve_openapi_json_bytes;
}
