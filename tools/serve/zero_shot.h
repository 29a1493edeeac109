/* SPDX-License-Identifier: MIT
 *
 * zero_shot.h - POST /hf: zero-shot classification in the form of Hugging
 * Face's Inference API. huggingface_hub's InferenceClient sends its requests
 * to the URL that it is given as model.
 */
#ifndef CLIPC_SERVE_ZERO_SHOT_H
#define CLIPC_SERVE_ZERO_SHOT_H

#include "serve/request.h"

serve_handler serve_zero_shot;

/* {"error": "message"}: what clients of Hugging Face and Weaviate read. */
serve_problem_writer serve_write_problem_plain;

#endif /* CLIPC_SERVE_ZERO_SHOT_H */
