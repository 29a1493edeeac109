/* SPDX-License-Identifier: MIT
 *
 * page.h - the page at "/": page/index.html, which is part of the program.
 *
 * The file has marks such as {{url}}: a browser without JavaScript sends the
 * form, and its answer is the same page with the form as it was sent and the
 * answer in their places.
 */
#ifndef CLIPC_SERVE_PAGE_H
#define CLIPC_SERVE_PAGE_H

#include "serve/request.h"

/* GET /: the page for a client whose Accept names text/html; for others what
 * immich's clients look for. */
serve_handler serve_page;

/* What stands in the places of the marks; all texts are as the client sent
 * them, and are escaped here. */
typedef struct serve_page_fill {
    clipc_text title; /* before the page's own title */
    clipc_text url;
    clipc_text list, template_list; /* names, empty: the first of the page */
    clipc_text labels, templates;   /* one a line */
    bool upright;
    const serve_buffer *answer; /* HTML; NULL: none */
} serve_page_fill;

/* Makes the page the answer, with its headers, whatever the answer's status
 * is. fill NULL: all places are empty. */
void serve_page_write(serve_response *response, const serve_page_fill *fill);

#endif /* CLIPC_SERVE_PAGE_H */
