/* SPDX-License-Identifier: MIT
 *
 * log.h - one line a request on standard error. Nothing in a line comes from a
 * client but its address: a route is named by its pattern, a method by ours.
 */
#ifndef CLIPC_SERVE_LOG_H
#define CLIPC_SERVE_LOG_H

#include "serve/request.h"
#include "serve/settings.h"

/* How a request ended. */
typedef struct serve_log_entry {
    const serve_request *request;
    unsigned status;  /* of HTTP */
    size_t out_bytes; /* of the answer's body */
    bool cut;         /* the client left before the answer's end */
    char client[64];  /* address, or "unix" */
} serve_log_entry;

void serve_log(const serve_settings *settings, const serve_log_entry *entry);

/* Fills request->id: 16 hexadecimal digits, of which none come twice in a
 * process. */
void serve_log_name(serve_request *request);

#endif /* CLIPC_SERVE_LOG_H */
