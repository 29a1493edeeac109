/* SPDX-License-Identifier: MIT
 *
 * batcher.h - the one thread that computes. Connections put jobs into its
 * queues and wait. The thread never waits while a job is there: it takes what
 * is queued, up to --max-batch, texts before label sets before pictures. None
 * waits for ever: texts take half the time of a set, and texts and sets half
 * that of pictures. The embeddings do not depend on the batch (native kernels).
 */
#ifndef CLIPC_SERVE_BATCHER_H
#define CLIPC_SERVE_BATCHER_H

#include "serve/metrics.h"
#include "serve/model.h"
#include "serve/request.h"

typedef enum serve_job_kind {
    SERVE_JOB_TEXT,
    SERVE_JOB_LABELS,
    SERVE_JOB_IMAGE,
    SERVE_JOB_KINDS
} serve_job_kind;

typedef enum serve_job_state {
    SERVE_JOB_QUEUED,
    SERVE_JOB_RUNNING,
    SERVE_JOB_DONE
} serve_job_state;

/* A job lies in the memory of the thread that waits for it. */
typedef struct serve_job {
    serve_job_kind kind;
    serve_model *model; /* the waiting request holds the reference */
    /* TEXT and IMAGE: the unit vector goes to embedding, [dim]. IMAGE with
     * labels: no embedding but the k best labels, to results, [k]. */
    clipc_text text;
    unsigned flags; /* CLIPC_TEXT_... */
    clipc_image *image;
    float *embedding;
    const clipc_labels *labels;
    size_t k;
    clipc_result *results;
    /* LABELS: names [n_names] with params become *made. */
    const clipc_text *names;
    size_t n_names;
    clipc_labels_params params;
    clipc_labels *made;
    /* The answer. */
    clipc_error err; /* err.code: CLIPC_OK, or why there is none */
    int64_t queued_us, begun_us, ended_us;
    /* The batcher's own. */
    serve_job_state state;
    bool cancelled;
    struct serve_ticket *ticket;
    struct serve_job *next, *previous;
} serve_job;

typedef struct serve_batcher serve_batcher;

/* NULL: no memory or no thread. */
serve_batcher *serve_batcher_start(size_t max_batch, serve_metrics *metrics);

/* Ends the thread after the jobs that are queued. */
void serve_batcher_stop(serve_batcher *batcher);

/* Queues n jobs of one request and waits for all of them; their `err` say how
 * each went. Fails, with jobs unanswered, when the request is over. */
clipc_status serve_batcher_run(serve_batcher *batcher, serve_request *request,
                               serve_job *jobs, size_t n, clipc_error *err);

/* Jobs in the queue of a kind. */
size_t serve_batcher_depth(serve_batcher *batcher, serve_job_kind kind);

/* Microseconds since the thread last began or finished something while there
 * is work; 0: it has none. For the watchdog. */
int64_t serve_batcher_stalled(serve_batcher *batcher);

/* Progress callback of the context for label sets (clipc_progress_fn); user:
 * the batcher. Between two steps of a set the texts that wait are served, for
 * as long as the step took, and pictures when texts and sets have had as much
 * time as the last batch of pictures. */
int serve_batcher_between(void *user, const clipc_progress *progress);

#endif /* CLIPC_SERVE_BATCHER_H */
