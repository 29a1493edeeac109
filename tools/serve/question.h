/* SPDX-License-Identifier: MIT
 *
 * question.h - what a client asks of a picture, in any of the dialects of
 * POST /v1/classify: parameters of the query beside a picture as body,
 * multipart/form-data, JSON.
 */
#ifndef CLIPC_SERVE_QUESTION_H
#define CLIPC_SERVE_QUESTION_H

#include "serve/json_in.h"
#include "serve/request.h"

/* One of image and url. Labels: `list`, or names, or neither for the server's
 * own. Texts are the request's, except those in `owned`. */
typedef struct serve_question {
    const void *image; /* NULL: none */
    size_t image_bytes;
    const char *url;   /* terminated */
    const char *list;  /* name of a built-in list, terminated */
    clipc_text *names; /* [n_names] */
    size_t n_names;
    clipc_text *templates; /* [n_templates] */
    size_t n_templates;
    const char *template_list; /* instead of them, the name of a built-in
                                * list, terminated */
    size_t k;       /* 0: the default; more than labels: all of them */
    bool crop;      /* the answer shows the pixels that the model saw */
    bool upright;   /* turn the picture as its EXIF orientation says */
    char *owned[2]; /* copies of arrays that were parameters */
    serve_json *body;
} serve_question;

/* All zero is no question. These calls add to one; serve_question_free() after
 * a failure too. */

/* Parameters of a query or of a form:
 *     k, top_k     a number
 *     labels       the name of a built-in list; or texts between commas or
 *                  line ends; or a JSON array of texts
 *     label        a label; repeatable
 *     template     a template; repeatable
 *     templates    the name of a built-in list of templates; or a JSON array
 *     url          the picture's URL
 *     crop, exif   1 or true: members crop and upright
 * Others are not looked at. */
clipc_status serve_question_read(serve_question *question,
                                 const serve_field *fields, size_t n,
                                 clipc_error *err);

/* The same as parts of multipart/form-data, and a part "image" with the
 * picture. A part "image" without a byte is none. */
clipc_status serve_question_read_parts(serve_question *question,
                                       serve_request *request,
                                       clipc_error *err);

/* {"image": {"url": URL} or {"data": BASE64} or either string, "labels":
 * [TEXT, ...] or NAME, "templates": [TEXT, ...] or NAME, "top_k": N, "crop":
 * true, "exif": true} */
clipc_status serve_question_read_json(serve_question *question,
                                      serve_request *request,
                                      clipc_error *err);

void serve_question_free(serve_question *question);

#endif /* CLIPC_SERVE_QUESTION_H */
