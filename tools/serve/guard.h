/* SPDX-License-Identifier: MIT
 *
 * guard.h - what is refused by the head of a request alone, before a byte of
 * its body is read: heads that two programs could read in two ways, hosts and
 * origins of foreign web pages, wrong API keys. Pure functions.
 */
#ifndef CLIPC_SERVE_GUARD_H
#define CLIPC_SERVE_GUARD_H

#include "serve/metrics.h"
#include "serve/request.h"

enum {
    SERVE_MAX_HEADERS = 100,
    SERVE_MAX_HEAD_BYTES = 16384 /* request line and headers */
};

/* Why a request is refused. All texts are static. */
typedef struct serve_refusal {
    unsigned status;
    const char *code, *message;
    serve_rejection reason;
    bool ambiguous; /* where the next request begins is in doubt: close */
} serve_refusal;

/* A head as it came. */
typedef struct serve_head {
    const char *method, *version;
    const serve_field *headers;
    size_t n_headers;
    size_t bytes; /* request line and headers; 0: not known */
    bool loose;   /* lines are not as serve_raw_head_strict() wants them */
} serve_head;

/* Reads the length of the body. false: refused for its shape. */
bool serve_guard_head(const serve_head *head, uint64_t *body_bytes,
                      serve_refusal *refusal);

/* Whether Host names this server: an address in digits, localhost, or one of
 * `allowed` ("*": any). A name that a stranger's DNS leads here does not
 * (DNS rebinding). */
bool serve_guard_host(const serve_request *request, const char *const *allowed,
                      size_t n_allowed, serve_refusal *refusal);

/* Whether no page of another origin sent the request. Browsers say so by
 * Origin and Sec-Fetch-Site; other clients send neither. strict: also where
 * the browser sends no Origin (GET of a foreign page). */
bool serve_guard_origin(const serve_request *request, bool strict,
                        serve_refusal *refusal);

/* Whether Authorization is "Bearer KEY", compared in a time that does not
 * depend on where the keys differ. */
bool serve_guard_key(const serve_request *request, const char *key,
                     serve_refusal *refusal);

#endif /* CLIPC_SERVE_GUARD_H */
