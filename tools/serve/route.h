/* SPDX-License-Identifier: MIT
 *
 * route.h - a path, how it is guarded, and who answers. The table of all is in
 * routes.c.
 */
#ifndef CLIPC_SERVE_ROUTE_H
#define CLIPC_SERVE_ROUTE_H

#include "serve/request.h"

enum {
    SERVE_OPEN = 1,    /* needs no API key: probes, and the page itself */
    SERVE_WORK = 2,    /* needs the model and a place among the admitted;
                         * without the flag the body must be empty */
    SERVE_PATIENT = 4, /* waits for a place, and for room for its body, instead
                        * of answering 429 */
    SERVE_FETCHES = 8, /* may open URLs: no request from a foreign page, not
                         * even a GET */
};

struct serve_route {
    const char *path; /* decoded; with "*" at its end: what begins so, and has
                       * at least a byte there */
    unsigned methods; /* SERVE_GET | SERVE_POST */
    unsigned flags;
    serve_handler *handle;
    serve_problem_writer *problem; /* form of its errors */
};

#endif /* CLIPC_SERVE_ROUTE_H */
