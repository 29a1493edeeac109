/* SPDX-License-Identifier: MIT
 *
 * metrics.h - counters for Prometheus (text format 0.0.4). Labels are words of
 * this program alone: routes, statuses, kinds; nothing that a client sent.
 */
#ifndef CLIPC_SERVE_METRICS_H
#define CLIPC_SERVE_METRICS_H

#include "serve/route.h"

/* Why a request was turned away before its work began. */
typedef enum serve_rejection {
    SERVE_REJECTED_BUSY,     /* no place among the admitted, or no room */
    SERVE_REJECTED_STARTING, /* or draining */
    SERVE_REJECTED_SIZE,     /* a body over --max-body */
    SERVE_REJECTED_HEAD,     /* a malformed or ambiguous head */
    SERVE_REJECTED_HOST,
    SERVE_REJECTED_ORIGIN,
    SERVE_REJECTED_KEY,
    SERVE_REJECTED_SLOW, /* the connection was cut */
    SERVE_REJECTIONS
} serve_rejection;

typedef struct serve_metrics serve_metrics;

/* routes: [n_routes], kept. NULL: no memory. */
serve_metrics *serve_metrics_new(const serve_route *routes, size_t n_routes);
void serve_metrics_free(serve_metrics *metrics);

/* An answer was sent, or the client left first. route NULL: no such path. */
void serve_metrics_request(serve_metrics *metrics, const serve_route *route,
                           unsigned status, int64_t us);
/* A call of the encoder with n texts or pictures. */
void serve_metrics_batch(serve_metrics *metrics, bool images, size_t n,
                         int64_t us);
/* A job left the queue after the time. */
void serve_metrics_queued(serve_metrics *metrics, int64_t us);
/* A picture was read, or could not be. */
void serve_metrics_image(serve_metrics *metrics, clipc_status status,
                         int64_t us);
void serve_metrics_rejected(serve_metrics *metrics, serve_rejection why);
/* An answer of the upstream server; 0: none came. */
void serve_metrics_upstream(serve_metrics *metrics, unsigned status);

/* Appends all counters, and what the system says of the process. */
void serve_metrics_write(serve_metrics *metrics, serve_buffer *out);

/* Appends HELP and TYPE of a metric. type: "gauge" or "counter". */
void serve_metrics_head(serve_buffer *out, const char *name, const char *type,
                        const char *help);

#endif /* CLIPC_SERVE_METRICS_H */
