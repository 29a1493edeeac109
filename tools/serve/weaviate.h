/* SPDX-License-Identifier: MIT
 *
 * weaviate.h - what Weaviate's module multi2vec-clip asks of an inference
 * service: POST /vectorize, GET /meta, /.well-known/ready and live.
 */
#ifndef CLIPC_SERVE_WEAVIATE_H
#define CLIPC_SERVE_WEAVIATE_H

#include "serve/request.h"

serve_handler serve_vectorize;
serve_handler serve_meta;
serve_handler serve_well_known_ready; /* 204; 503 while starting or draining */
serve_handler serve_well_known_live;  /* 204 */

#endif /* CLIPC_SERVE_WEAVIATE_H */
