/* SPDX-License-Identifier: MIT
 *
 * classify.h - POST /v1/classify: a picture and labels in, the k best labels
 * out. A dialect (a picture as body, multipart, JSON, the page's form) fills a
 * question; asking it is the same for all of them.
 */
#ifndef CLIPC_SERVE_CLASSIFY_H
#define CLIPC_SERVE_CLASSIFY_H

#include "serve/encode.h"

enum { SERVE_DEFAULT_TOP = 5 };

/* One of image and url. Labels: `list`, or names, or neither for the server's
 * own. All texts are the caller's. */
typedef struct serve_question {
    const void *image;
    size_t image_bytes;
    const char *url;  /* terminated */
    const char *list; /* name of a built-in list, terminated */
    const clipc_text *names;
    size_t n_names;
    const clipc_text *templates;
    size_t n_templates;
    size_t k; /* 0: SERVE_DEFAULT_TOP; more than labels: all of them */
} serve_question;

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

/* The answer as JSON: model, image, results, timing_ms. */
void serve_put_answer(serve_buffer *out, const serve_request *request,
                      const serve_answer *answer);

/* Asks, and answers with that JSON or an error. */
void serve_answer_json(serve_request *request, const serve_question *question,
                       serve_response *response);

/* The handler of the route. */
serve_handler serve_classify;

/* A question from the parameters k, labels (the name of a built-in list, or
 * texts with commas between), label and template (both repeatable). names and
 * templates: what serve_question_free() frees. */
clipc_status serve_question_read(serve_question *question,
                                 const serve_field *fields, size_t n,
                                 clipc_error *err);
void serve_question_free(serve_question *question);

#endif /* CLIPC_SERVE_CLASSIFY_H */
