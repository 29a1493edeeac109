/* SPDX-License-Identifier: MIT
 *
 * batcher.c - see batcher.h.
 *
 * One mutex guards queues and states. A job is QUEUED, then RUNNING, then
 * DONE; a request that is over takes its QUEUED jobs out and waits for those
 * that run, so no job outlives the memory it lies in.
 */
#include "serve/batcher.h"

#include "serve/gate.h"

#include <stdlib.h>
#include <string.h>

/* The most pictures or texts of one call, whatever --max-batch says. */
enum { MOST = 256 };

typedef struct serve_ticket {
    pthread_cond_t done;
    size_t n_left;
} serve_ticket;

typedef struct queue {
    serve_job *first, *last;
    size_t n;
} queue;

struct serve_batcher {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    pthread_t thread;
    queue queues[SERVE_JOB_KINDS];
    size_t max_batch;
    bool stop;
    int64_t busy_us;   /* when the thread last showed life; 0: idle */
    serve_job *labels; /* the set that is being made, or NULL */
    int64_t images_us; /* how long the last batch of pictures ran */
    int64_t images_ended_us;
    serve_metrics *metrics;
    /* The thread's own. */
    int64_t labels_since_us; /* when a step of the set began */
    clipc_image *images[MOST];
    clipc_text texts[MOST];
    serve_job *batch[MOST];
};

/* ---- queues, under the mutex ------------------------------------------- */

static void append(queue *q, serve_job *job)
{
    job->next = NULL;
    job->previous = q->last;
    if (q->last)
        q->last->next = job;
    else
        q->first = job;
    q->last = job;
    q->n++;
}

static void take_out(queue *q, serve_job *job)
{
    if (job->previous)
        job->previous->next = job->next;
    else
        q->first = job->next;
    if (job->next)
        job->next->previous = job->previous;
    else
        q->last = job->previous;
    q->n--;
}

static void finish(serve_job *job)
{
    job->state = SERVE_JOB_DONE;
    if (--job->ticket->n_left == 0)
        pthread_cond_signal(&job->ticket->done);
}

/* Whether b may share a call of the library with a. */
static bool together(const serve_job *a, const serve_job *b)
{
    return a->model == b->model && a->labels == b->labels &&
           a->flags == b->flags;
}

/* Moves the front job of the kind, and those that may share its call, to the
 * batch; returns their number. */
static size_t gather(serve_batcher *b, serve_job_kind kind)
{
    queue *q = &b->queues[kind];
    size_t n = 0;

    for (serve_job *job = q->first, *next; job && n < b->max_batch;
         job = next) {
        next = job->next;
        if (n > 0 && !together(b->batch[0], job))
            continue;
        take_out(q, job);
        job->state = SERVE_JOB_RUNNING;
        b->batch[n++] = job;
    }
    return n;
}

/* ---- computing, without the mutex -------------------------------------- */

/* Results of n pictures with the labels they share. */
static clipc_status classify(serve_batcher *b, size_t n, clipc_error *err)
{
    const serve_job *first = b->batch[0];
    size_t k = 0;

    for (size_t i = 0; i < n; i++)
        if (b->batch[i]->k > k)
            k = b->batch[i]->k;
    clipc_result *results = malloc(n * k * sizeof *results);
    if (!results)
        return serve_refuse(err, CLIPC_ERR_NOMEM, "out of memory for results");
    clipc_status status = clipc_classify(first->model->ctx, first->labels,
                                         b->images, n, k, results, err);
    /* The k best begin with the fewer best. */
    for (size_t i = 0; i < n && status == CLIPC_OK; i++)
        memcpy(b->batch[i]->results, results + i * k,
               b->batch[i]->k * sizeof *results);
    free(results);
    return status;
}

/* Embeddings of n texts or pictures. */
static clipc_status embed(serve_batcher *b, size_t n, clipc_error *err)
{
    const serve_job *first = b->batch[0];
    size_t dim = first->model->info.dim;
    float *embeddings = malloc(n * dim * sizeof *embeddings);
    clipc_status status;

    if (!embeddings)
        return serve_refuse(err, CLIPC_ERR_NOMEM,
                            "out of memory for embeddings");
    if (first->kind == SERVE_JOB_TEXT)
        status = clipc_encode_texts(first->model->ctx, b->texts, n, embeddings,
                                    first->flags, err);
    else
        status = clipc_encode_images(first->model->ctx, b->images, n,
                                     embeddings, 0, err);
    for (size_t i = 0; i < n && status == CLIPC_OK; i++)
        memcpy(b->batch[i]->embedding, embeddings + i * dim,
               dim * sizeof *embeddings);
    free(embeddings);
    return status;
}

static clipc_status call(serve_batcher *b, size_t n, clipc_error *err)
{
    for (size_t i = 0; i < n; i++) {
        b->texts[i] = b->batch[i]->text;
        b->images[i] = b->batch[i]->image;
    }
    return b->batch[0]->labels ? classify(b, n, err) : embed(b, n, err);
}

/* Runs the batch. A call that fails is repeated for each job alone, so that
 * the fault of one is not the fault of all. */
static void run_batch(serve_batcher *b, size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    int64_t begun = serve_now_us();

    if (call(b, n, &err) != CLIPC_OK && n > 1) {
        serve_job *all[MOST];
        memcpy(all, b->batch, n * sizeof *all);
        for (size_t i = 0; i < n; i++) {
            b->batch[0] = all[i];
            if (call(b, 1, &all[i]->err) != CLIPC_OK)
                tool_message_of_one(&all[i]->err);
        }
        memcpy(b->batch, all, n * sizeof *all);
    } else if (err.code != CLIPC_OK) {
        tool_message_of_one(&err);
        b->batch[0]->err = err;
    }
    int64_t ended = serve_now_us();
    for (size_t i = 0; i < n; i++) {
        b->batch[i]->begun_us = begun;
        b->batch[i]->ended_us = ended;
    }
}

static void run_labels(serve_job *job)
{
    job->begun_us = serve_now_us();
    (void)clipc_labels_create(&job->made, job->model->labels_ctx, job->names,
                              job->n_names, &job->params, &job->err);
    job->ended_us = serve_now_us();
}

/* ---- the thread -------------------------------------------------------- */

static void measure(serve_batcher *b, serve_job_kind kind, size_t n)
{
    const serve_job *first = b->batch[0];

    serve_metrics_batch(b->metrics, kind == SERVE_JOB_IMAGE, n,
                        first->ended_us - first->begun_us);
    for (size_t i = 0; i < n; i++)
        serve_metrics_queued(b->metrics,
                             b->batch[i]->begun_us - b->batch[i]->queued_us);
}

/* Runs one batch of the kind; false: there is none. Called and returns with
 * the mutex. */
static bool step(serve_batcher *b, serve_job_kind kind)
{
    size_t n = gather(b, kind);

    if (n == 0)
        return false;
    b->busy_us = serve_now_us();
    pthread_mutex_unlock(&b->mutex);
    run_batch(b, n);
    measure(b, kind, n);
    pthread_mutex_lock(&b->mutex);
    b->busy_us = serve_now_us();
    if (kind == SERVE_JOB_IMAGE) {
        b->images_us = b->batch[0]->ended_us - b->batch[0]->begun_us;
        b->images_ended_us = b->batch[0]->ended_us;
    }
    for (size_t i = 0; i < n; i++)
        finish(b->batch[i]);
    return true;
}

static bool step_labels(serve_batcher *b)
{
    serve_job *job = b->queues[SERVE_JOB_LABELS].first;

    if (!job)
        return false;
    take_out(&b->queues[SERVE_JOB_LABELS], job);
    job->state = SERVE_JOB_RUNNING;
    b->labels = job;
    b->busy_us = b->labels_since_us = serve_now_us();
    pthread_mutex_unlock(&b->mutex);
    run_labels(job);
    pthread_mutex_lock(&b->mutex);
    b->busy_us = serve_now_us();
    b->labels = NULL;
    finish(job);
    return true;
}

/* Runs pictures when texts and sets have had as much time as the last batch of
 * pictures: a batch after every small set would let the sets wait for ever
 * longer, and pictures would wait for ever while texts keep coming. */
static bool step_images(serve_batcher *b)
{
    return serve_now_us() - b->images_ended_us >= b->images_us &&
           step(b, SERVE_JOB_IMAGE);
}

int serve_batcher_between(void *user, const clipc_progress *progress)
{
    serve_batcher *b = user;
    int64_t begun = serve_now_us();

    (void)progress;
    pthread_mutex_lock(&b->mutex);
    b->busy_us = begun;
    /* Texts for as long as the set had. */
    while (step(b, SERVE_JOB_TEXT) &&
           serve_now_us() - begun < begun - b->labels_since_us) {
    }
    (void)step_images(b);
    b->labels_since_us = serve_now_us();
    bool stop = b->labels && b->labels->cancelled;
    pthread_mutex_unlock(&b->mutex);
    return stop;
}

static void *work(void *arg)
{
    serve_batcher *b = arg;

    pthread_mutex_lock(&b->mutex);
    for (;;) {
        bool texts = step(b, SERVE_JOB_TEXT);
        bool labels = step_labels(b);
        if (step_images(b) || texts || labels || step(b, SERVE_JOB_IMAGE))
            continue;
        b->busy_us = 0;
        if (b->stop)
            break;
        pthread_cond_wait(&b->work, &b->mutex);
    }
    pthread_mutex_unlock(&b->mutex);
    return NULL;
}

serve_batcher *serve_batcher_start(size_t max_batch, serve_metrics *metrics)
{
    serve_batcher *b = calloc(1, sizeof *b);

    if (!b)
        return NULL;
    b->max_batch = max_batch < MOST ? max_batch : MOST;
    b->metrics = metrics;
    if (pthread_mutex_init(&b->mutex, NULL) == 0) {
        if (tool_cond_start(&b->work)) {
            if (pthread_create(&b->thread, NULL, work, b) == 0)
                return b;
            pthread_cond_destroy(&b->work);
        }
        pthread_mutex_destroy(&b->mutex);
    }
    free(b);
    return NULL;
}

void serve_batcher_stop(serve_batcher *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&b->mutex);
    b->stop = true;
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->mutex);
    pthread_join(b->thread, NULL);
    pthread_cond_destroy(&b->work);
    pthread_mutex_destroy(&b->mutex);
    free(b);
}

/* ---- waiting ----------------------------------------------------------- */

/* Takes a request's queued jobs back; those that run are told to stop where
 * they can be. Under the mutex. */
static void withdraw(serve_batcher *b, serve_job *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        serve_job *job = &jobs[i];
        job->cancelled = true;
        if (job->state != SERVE_JOB_QUEUED)
            continue;
        take_out(&b->queues[job->kind], job);
        job->state = SERVE_JOB_DONE;
        job->ticket->n_left--;
    }
}

static void note_times(serve_request *request, const serve_job *jobs, size_t n)
{
    int64_t waited = 0, encode = 0;

    /* Jobs of one request wait and run side by side: the longest counts. */
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].begun_us - jobs[i].queued_us > waited)
            waited = jobs[i].begun_us - jobs[i].queued_us;
        if (jobs[i].ended_us - jobs[i].begun_us > encode)
            encode = jobs[i].ended_us - jobs[i].begun_us;
    }
    request->timing.queue += waited;
    request->timing.encode += encode;
}

clipc_status serve_batcher_run(serve_batcher *b, serve_request *request,
                               serve_job *jobs, size_t n, clipc_error *err)
{
    serve_ticket ticket = { .n_left = n };
    clipc_status status = CLIPC_OK;

    if (!tool_cond_start(&ticket.done))
        return serve_refuse(err, CLIPC_ERR_NOMEM, "out of memory");
    pthread_mutex_lock(&b->mutex);
    for (size_t i = 0; i < n; i++) {
        jobs[i].err = (clipc_error)CLIPC_ERROR_INIT;
        jobs[i].state = SERVE_JOB_QUEUED;
        jobs[i].cancelled = false;
        jobs[i].ticket = &ticket;
        jobs[i].queued_us = serve_now_us();
        append(&b->queues[jobs[i].kind], &jobs[i]);
    }
    pthread_cond_signal(&b->work);
    while (ticket.n_left > 0) {
        tool_cond_wait(&ticket.done, &b->mutex, SERVE_WAIT_NS);
        if (status == CLIPC_OK && ticket.n_left > 0) {
            status = serve_request_over(request, err);
            if (status != CLIPC_OK)
                withdraw(b, jobs, n);
        }
    }
    pthread_mutex_unlock(&b->mutex);
    pthread_cond_destroy(&ticket.done);
    if (status == CLIPC_OK)
        note_times(request, jobs, n);
    return status;
}

size_t serve_batcher_depth(serve_batcher *b, serve_job_kind kind)
{
    pthread_mutex_lock(&b->mutex);
    size_t n = b->queues[kind].n;
    pthread_mutex_unlock(&b->mutex);
    return n;
}

int64_t serve_batcher_stalled(serve_batcher *b)
{
    pthread_mutex_lock(&b->mutex);
    int64_t since = b->busy_us ? serve_now_us() - b->busy_us : 0;
    pthread_mutex_unlock(&b->mutex);
    return since;
}
