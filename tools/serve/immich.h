/* SPDX-License-Identifier: MIT
 *
 * immich.h - POST /predict of immich's machine-learning service. A request for
 * the served CLIP model is answered here; all others go to the upstream, or are
 * refused: vectors of another model than the one asked for would be mixed with
 * its vectors unnoticed.
 */
#ifndef CLIPC_SERVE_IMMICH_H
#define CLIPC_SERVE_IMMICH_H

#include "serve/model.h"
#include "serve/request.h"

serve_handler serve_predict;

/* As problem+json, with 422 where the library's status says 400. */
serve_problem_writer serve_write_problem_immich;

/* Whether immich's name of a model, such as "ViT-B-32__openai", means the model
 * that is served under this id. */
bool serve_immich_model_is(const char *id, clipc_text name);

#endif /* CLIPC_SERVE_IMMICH_H */
