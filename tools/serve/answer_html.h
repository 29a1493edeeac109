/* SPDX-License-Identifier: MIT
 *
 * answer_html.h - answers and errors as the page shows them, in HTML. The
 * markup is that of the templates in page/index.html, which the page's script
 * fills in the same way.
 */
#ifndef CLIPC_SERVE_ANSWER_HTML_H
#define CLIPC_SERVE_ANSWER_HTML_H

#include "serve/classify.h"

/* "99.9%"; ">99.9%" and "<0.1%" rather than a 100 or 0 that is not one. */
typedef struct serve_percent {
    char text[12];
} serve_percent;
serve_percent serve_percent_of(float share);

/* Appends the answer to the question. */
void serve_put_answer_html(serve_buffer *out, const serve_request *request,
                           const serve_question *question,
                           const serve_answer *answer);

/* Appends an error. code, message: hostile. */
void serve_put_error_html(serve_buffer *out, unsigned status, const char *code,
                          const char *message);

#endif /* CLIPC_SERVE_ANSWER_HTML_H */
