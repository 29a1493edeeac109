/* SPDX-License-Identifier: MIT
 *
 * classify.h - POST /v1/classify: a picture and labels in, the k best labels
 * out. A dialect (question.h, the page's form) fills a question; asking it is
 * the same for all of them.
 */
#ifndef CLIPC_SERVE_CLASSIFY_H
#define CLIPC_SERVE_CLASSIFY_H

#include "serve/encode.h"
#include "serve/question.h"

enum { SERVE_DEFAULT_TOP = 5 };

/* The caller gives an answer back by serve_answer_free(), after a failure
 * too. */
typedef struct serve_answer {
    clipc_image *image; /* the pixels that the model saw */
    clipc_image_info info;
    serve_label_set *set;
    clipc_result *results; /* [k] */
    size_t k;
} serve_answer;

clipc_status serve_ask(serve_request *request, const serve_question *question,
                       serve_answer *answer, clipc_error *err);
void serve_answer_free(serve_answer *answer);

/* The label of results[i]. */
clipc_text serve_answer_label(const serve_answer *answer, size_t i);

/* The answer as JSON: model, scoring, n_labels, image, results, timing_ms. */
void serve_put_answer(serve_buffer *out, const serve_request *request,
                      const serve_question *question,
                      const serve_answer *answer);

/* Asks, and answers with that JSON or an error. */
void serve_answer_json(serve_request *request, const serve_question *question,
                       serve_response *response);

/* The handler of the route. */
serve_handler serve_classify;

#endif /* CLIPC_SERVE_CLASSIFY_H */
