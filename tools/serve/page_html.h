/* SPDX-License-Identifier: MIT
 *
 * page_html.h - the bytes of page/index.html. The Makefile writes page_html.c
 * in the build folder.
 */
#ifndef CLIPC_SERVE_PAGE_HTML_H
#define CLIPC_SERVE_PAGE_HTML_H

#include <stddef.h>

extern const unsigned char serve_page_html[]; /* not terminated */
extern const size_t serve_page_html_bytes;

#endif /* CLIPC_SERVE_PAGE_HTML_H */
