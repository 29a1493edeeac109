/* SPDX-License-Identifier: MIT
 *
 * openapi.h - GET /openapi.json: the API in words that programs read. The
 * document is tools/serve/openapi.json; the Makefile makes openapi_json.c of
 * it, with the version put in.
 */
#ifndef CLIPC_SERVE_OPENAPI_H
#define CLIPC_SERVE_OPENAPI_H

#include "serve/request.h"

extern const unsigned char serve_openapi_json[];
extern const size_t serve_openapi_json_bytes;

/* The handler of the route. */
serve_handler serve_openapi;

#endif /* CLIPC_SERVE_OPENAPI_H */
