/* SPDX-License-Identifier: MIT
 *
 * target.h - the target of a request line, "/v1/classify?k=5&labels=a%20b", in
 * its parts. Only the form that begins with a slash is taken.
 */
#ifndef CLIPC_SERVE_TARGET_H
#define CLIPC_SERVE_TARGET_H

#include "serve/request.h"

/* The most parameters of a query. */
enum { SERVE_QUERY_FIELDS = 1024 };

typedef struct serve_target {
    char *text; /* what the fields lie in */
    const char *path;
    serve_field *query; /* [n_query] */
    size_t n_query;
} serve_target;

/* Reads a target. false: *why says what is wrong with it (static), or is NULL:
 * memory ran out. Refused: another first byte than a slash, a byte outside
 * printable ASCII, a %XX that is none, %00 in the path, a "." or ".." segment,
 * a fragment, too many parameters. */
bool serve_target_read(serve_target *target, const char *raw,
                       const char **why);
void serve_target_free(serve_target *target);

/* Parameters of a form in a body (application/x-www-form-urlencoded), as those
 * of a query. `text`, [n], is decoded in place; one byte after its end is
 * overwritten. fields: [SERVE_QUERY_FIELDS]. false: *why says what is wrong. */
bool serve_form_read(char *text, size_t n, serve_field *fields,
                     size_t *n_fields, const char **why);

#endif /* CLIPC_SERVE_TARGET_H */
