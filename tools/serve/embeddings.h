/* SPDX-License-Identifier: MIT
 *
 * embeddings.h - POST /v1/embeddings and /embeddings: texts and pictures in,
 * vectors of unit length out, in the form of OpenAI's API. Requests come in
 * the forms of OpenAI, infinity, Jina and vLLM (docs/SERVE.md).
 */
#ifndef CLIPC_SERVE_EMBEDDINGS_H
#define CLIPC_SERVE_EMBEDDINGS_H

#include "serve/request.h"

serve_handler serve_embeddings;

/* {"error":{"message","type","param","code"}}: type is the library's or the
 * server's word for the error, code the HTTP status. */
serve_problem_writer serve_write_problem_openai;

#endif /* CLIPC_SERVE_EMBEDDINGS_H */
