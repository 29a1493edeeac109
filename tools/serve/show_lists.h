/* SPDX-License-Identifier: MIT
 *
 * show_lists.h - GET /v1/labels.
 */
#ifndef CLIPC_SERVE_SHOW_LISTS_H
#define CLIPC_SERVE_SHOW_LISTS_H

#include "serve/request.h"

/* The names and sizes of all lists, and what else the page shows of the server.
 * ?list=NAME: the labels of a list; ?list= those of the server;
 * ?template=NAME: the templates of a list. */
serve_handler serve_lists_show;

#endif /* CLIPC_SERVE_SHOW_LISTS_H */
