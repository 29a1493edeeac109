/* SPDX-License-Identifier: MIT
 *
 * routes.h - the table of all paths. A row is the only place that knows how a
 * path is guarded; its handler is declared in the header of the handler's
 * file.
 */
#ifndef CLIPC_SERVE_ROUTES_H
#define CLIPC_SERVE_ROUTES_H

#include "serve/route.h"

/* Number of rows; a route's index is its label in the metrics. */
extern const size_t serve_n_routes;
extern const serve_route serve_routes[];

/* The row that has path and method. NULL: none; *methods are then those that
 * the path takes, 0 for an unknown path. */
const serve_route *serve_route_find(const char *path, serve_method method,
                                    unsigned *methods);

#endif /* CLIPC_SERVE_ROUTES_H */
