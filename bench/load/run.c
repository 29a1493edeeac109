/* SPDX-License-Identifier: MIT
 *
 * run.c - a thread a connection. In a closed loop each sends the next request
 * when it has the answer. In an open loop requests have times of their own, a
 * fixed rate apart; the next free thread sends, and the time of an answer is
 * counted from when the request was due, so that a slow server makes no pause
 * in the load.
 */
#include "load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

typedef struct shared {
    const load_settings *settings;
    const load_mix *mix;
    double start; /* of the load; counting begins warm_up later */
    double end;
    atomic_uint_fast64_t next;
    atomic_uint said;
} shared;

typedef struct worker {
    shared *all;
    pthread_t thread;
    load_connection con;
    uint64_t counts[LOAD_OUTCOMES];
    uint64_t unexpected, late;
    float *ms;
    size_t n, room;
    double last; /* when its last answer that counts came */
} worker;

static void sleep_until(double when)
{
    double left = when - load_now();

    if (left > 0) {
        struct timespec t = { (time_t)left,
                              (long)((left - (double)(time_t)left) * 1e9) };
        nanosleep(&t, NULL);
    }
}

/* ---- a connection's thread --------------------------------------------- */

static void keep(worker *w, double seconds)
{
    if (w->n == w->room) {
        w->room = w->room ? 2 * w->room : 1024;
        w->ms = realloc(w->ms, w->room * sizeof *w->ms);
        if (!w->ms)
            load_die("out of memory");
    }
    w->ms[w->n++] = (float)(seconds * 1e3);
}

static void say_unexpected(shared *all, const load_request *r,
                           unsigned outcome)
{
    if (atomic_fetch_add(&all->said, 1) < 20)
        fprintf(stderr, "serve-load: %s was not expected of: %s\n",
                load_outcome_name(outcome), r->line);
}

static void count(worker *w, const load_request *r, unsigned outcome,
                  double seconds)
{
    w->counts[outcome]++;
    if (outcome >= 100)
        keep(w, seconds);
    if (!r->any && !r->expected[outcome]) {
        w->unexpected++;
        say_unexpected(w->all, r, outcome);
    }
}

static void *work(void *arg)
{
    worker *w = arg;
    shared *all = w->all;
    const load_settings *s = all->settings;
    const double counted_from = all->start + s->warm_up;

    for (;;) {
        uint64_t k = atomic_fetch_add(&all->next, 1);
        double due = s->rate > 0 ? all->start + (double)k / s->rate
                                 : load_now();
        if (due >= all->end || (s->n_requests && k >= s->n_requests))
            break;
        sleep_until(due);
        const load_request *r = load_mix_choose(all->mix, k);
        double sent = load_now();
        unsigned outcome = load_exchange(&w->con, r);
        double now = load_now();
        if (due >= counted_from) {
            count(w, r, outcome, now - due);
            w->late += s->rate > 0 && sent - due > 1e-3;
            w->last = now;
        }
        if (outcome == LOAD_REFUSED) /* no busy loop against a closed door */
            sleep_until(now + 0.05);
    }
    load_close(&w->con);
    return NULL;
}

/* ---- the whole --------------------------------------------------------- */

static double own_cpu(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void say_process(const load_settings *s, double at)
{
    load_process p = load_process_read(s->pid);

    if (p.known)
        fprintf(stderr,
                "sample %.0f s: rss %lu KiB, anonymous %lu KiB, %lu threads, "
                "%lu descriptors, cpu %.2f s\n",
                at, p.rss_kib, p.anonymous_kib, p.threads, p.descriptors,
                p.cpu_s);
}

/* Says what the process uses until the load ends. */
static void watch(const shared *all)
{
    const load_settings *s = all->settings;

    for (double at = s->sample; all->start + at <= all->end; at += s->sample) {
        sleep_until(all->start + at);
        if (s->n_requests && atomic_load(&all->next) >= s->n_requests)
            break;
        say_process(s, at);
    }
}

static void gather(load_result *result, const worker *workers, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        result->n += workers[i].n;
    result->ms = load_alloc(result->n * sizeof *result->ms + 1);
    size_t at = 0;
    for (unsigned i = 0; i < n; i++) {
        const worker *w = &workers[i];
        if (w->n)
            memcpy(result->ms + at, w->ms, w->n * sizeof *w->ms);
        at += w->n;
        result->unexpected += w->unexpected;
        result->late += w->late;
        for (size_t o = 0; o < LOAD_OUTCOMES; o++)
            result->counts[o] += w->counts[o];
    }
    qsort(result->ms, result->n, sizeof *result->ms, compare_floats);
}

void load_run(load_result *result, const load_settings *s, const load_mix *mix)
{
    shared all = { .settings = s, .mix = mix, .start = load_now() };
    worker *workers = load_alloc(s->connections * sizeof *workers);
    const double counted_from = all.start + s->warm_up;
    double last = counted_from;

    memset(result, 0, sizeof *result);
    memset(workers, 0, s->connections * sizeof *workers);
    all.end = counted_from + s->duration;
    for (unsigned i = 0; i < s->connections; i++) {
        workers[i].all = &all;
        workers[i].con = (load_connection){ .address = s->address,
                                            .timeout = s->timeout,
                                            .fd = -1,
                                            .data = load_alloc(
                                                LOAD_READ_BYTES) };
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            load_die("no thread %u", i + 1);
    }
    sleep_until(counted_from);
    result->before = load_process_read(s->pid);
    double cpu = own_cpu();
    if (s->sample > 0)
        watch(&all);
    for (unsigned i = 0; i < s->connections; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].last > last)
            last = workers[i].last;
    }
    result->client_cpu_s = own_cpu() - cpu;
    result->after = load_process_read(s->pid);
    result->seconds = last - counted_from;
    gather(result, workers, s->connections);
    for (unsigned i = 0; i < s->connections; i++) {
        free(workers[i].con.data);
        free(workers[i].ms);
    }
    free(workers);
}
