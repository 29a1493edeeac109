/* SPDX-License-Identifier: MIT
 *
 * form.h - POST /: the form of the page, as a browser without JavaScript sends
 * it, answered as HTML.
 */
#ifndef CLIPC_SERVE_FORM_H
#define CLIPC_SERVE_FORM_H

#include "serve/request.h"

serve_handler serve_form;

/* Errors of POST / that come before its handler: the page with the error. */
serve_problem_writer serve_write_problem_html;

#endif /* CLIPC_SERVE_FORM_H */
