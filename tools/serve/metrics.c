/* SPDX-License-Identifier: MIT
 *
 * metrics.c - see metrics.h. One mutex guards all counters: they are touched a
 * few times a request.
 */
#include "serve/metrics.h"

#include "common/system.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Upper bounds of the buckets in seconds; one more bucket has the rest. */
static const double seconds[] = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30
};
static const double sizes[] = { 1, 2, 4, 8, 16, 32, 64, 128 };
enum {
    N_SECONDS = sizeof seconds / sizeof *seconds,
    N_SIZES = sizeof sizes / sizeof *sizes,
    FIRST_CODE = 200, /* codes of HTTP that are counted */
    LAST_CODE = 599,
    N_CODES = LAST_CODE - FIRST_CODE + 1,
    N_STATUSES = CLIPC_ERR_INTERNAL + 1
};

typedef struct histogram {
    uint64_t counts[N_SECONDS + 1]; /* N_SIZES + 1 of a histogram of sizes */
    double sum;
} histogram;

/* Of one route, or of all paths without one. */
typedef struct route_counters {
    uint64_t codes[N_CODES];
    histogram duration;
} route_counters;

static const char *const reasons[SERVE_REJECTIONS] = {
    [SERVE_REJECTED_BUSY] = "busy", [SERVE_REJECTED_STARTING] = "not_ready",
    [SERVE_REJECTED_SIZE] = "size", [SERVE_REJECTED_HEAD] = "head",
    [SERVE_REJECTED_HOST] = "host", [SERVE_REJECTED_ORIGIN] = "origin",
    [SERVE_REJECTED_KEY] = "key",   [SERVE_REJECTED_SLOW] = "slow",
};

struct serve_metrics {
    pthread_mutex_t mutex;
    const serve_route *routes;
    size_t n_routes;
    double started;                            /* seconds since 1970 */
    route_counters *counters;                  /* [n_routes + 1] */
    histogram queue, decode, batch, encode[2]; /* texts, pictures */
    uint64_t images[N_STATUSES], texts, rejected[SERVE_REJECTIONS];
    uint64_t upstream[N_CODES + 1]; /* the last: no answer */
};

serve_metrics *serve_metrics_new(const serve_route *routes, size_t n_routes)
{
    serve_metrics *m = calloc(1, sizeof *m);
    struct timespec now;

    if (!m)
        return NULL;
    m->counters = calloc(n_routes + 1, sizeof *m->counters);
    if (!m->counters || pthread_mutex_init(&m->mutex, NULL) != 0) {
        free(m->counters);
        free(m);
        return NULL;
    }
    m->routes = routes;
    m->n_routes = n_routes;
    clock_gettime(CLOCK_REALTIME, &now);
    m->started = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    return m;
}

void serve_metrics_free(serve_metrics *m)
{
    if (!m)
        return;
    pthread_mutex_destroy(&m->mutex);
    free(m->counters);
    free(m);
}

/* ---- counting ---------------------------------------------------------- */

static void observe(histogram *h, const double *bounds, size_t n, double value)
{
    size_t i = 0;
    while (i < n && value > bounds[i])
        i++;
    h->counts[i]++;
    h->sum += value;
}

static void observe_us(histogram *h, int64_t us)
{
    observe(h, seconds, N_SECONDS, (double)us / 1e6);
}

static size_t code_index(unsigned status)
{
    return status < FIRST_CODE || status > LAST_CODE
               ? (size_t)(500 - FIRST_CODE)
               : status - FIRST_CODE;
}

void serve_metrics_request(serve_metrics *m, const serve_route *route,
                           unsigned status, int64_t us)
{
    size_t i = route ? (size_t)(route - m->routes) : m->n_routes;

    pthread_mutex_lock(&m->mutex);
    m->counters[i].codes[code_index(status)]++;
    observe_us(&m->counters[i].duration, us);
    pthread_mutex_unlock(&m->mutex);
}

void serve_metrics_batch(serve_metrics *m, bool images, size_t n, int64_t us)
{
    pthread_mutex_lock(&m->mutex);
    observe(&m->batch, sizes, N_SIZES, (double)n);
    observe_us(&m->encode[images], us);
    if (!images)
        m->texts += n;
    pthread_mutex_unlock(&m->mutex);
}

void serve_metrics_queued(serve_metrics *m, int64_t us)
{
    pthread_mutex_lock(&m->mutex);
    observe_us(&m->queue, us);
    pthread_mutex_unlock(&m->mutex);
}

void serve_metrics_image(serve_metrics *m, clipc_status status, int64_t us)
{
    pthread_mutex_lock(&m->mutex);
    m->images[(unsigned)status < N_STATUSES ? status : CLIPC_ERR_INTERNAL]++;
    observe_us(&m->decode, us);
    pthread_mutex_unlock(&m->mutex);
}

void serve_metrics_rejected(serve_metrics *m, serve_rejection why)
{
    pthread_mutex_lock(&m->mutex);
    m->rejected[why]++;
    pthread_mutex_unlock(&m->mutex);
}

void serve_metrics_upstream(serve_metrics *m, unsigned status)
{
    pthread_mutex_lock(&m->mutex);
    m->upstream[status ? code_index(status) : N_CODES]++;
    pthread_mutex_unlock(&m->mutex);
}

/* ---- writing ----------------------------------------------------------- */

void serve_metrics_head(serve_buffer *out, const char *name, const char *type,
                        const char *help)
{
    serve_putf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* label: "" or 'kind="text"'. */
static void put_histogram(serve_buffer *out, const char *name,
                          const char *label, const histogram *h,
                          const double *bounds, size_t n)
{
    const char *comma = *label ? "," : "";
    uint64_t total = 0;

    for (size_t i = 0; i <= n; i++) {
        total += h->counts[i];
        serve_putf(out, "%s_bucket{%s%sle=\"", name, label, comma);
        if (i < n)
            serve_putf(out, "%g", bounds[i]);
        else
            serve_puts(out, "+Inf");
        serve_putf(out, "\"} %llu\n", (unsigned long long)total);
    }
    serve_putf(out, "%s_sum%s%s%s %.6f\n", name, *label ? "{" : "", label,
               *label ? "}" : "", h->sum);
    serve_putf(out, "%s_count%s%s%s %llu\n", name, *label ? "{" : "", label,
               *label ? "}" : "", (unsigned long long)total);
}

/* 'route="/v1/classify",method="POST"' */
static void put_route(const serve_metrics *m, size_t i, char *label,
                      size_t room)
{
    unsigned methods = i < m->n_routes ? m->routes[i].methods : 0;

    snprintf(label, room, "route=\"%s\",method=\"%s\"",
             i < m->n_routes ? m->routes[i].path : "other",
             methods == SERVE_GET    ? "GET"
             : methods == SERVE_POST ? "POST"
                                     : "any");
}

static void put_requests(const serve_metrics *m, serve_buffer *out)
{
    char label[128];

    serve_metrics_head(out, "clipc_http_requests_total", "counter",
                       "Answers by route and status code.");
    for (size_t i = 0; i <= m->n_routes; i++) {
        put_route(m, i, label, sizeof label);
        for (size_t code = 0; code < N_CODES; code++)
            if (m->counters[i].codes[code])
                serve_putf(out,
                           "clipc_http_requests_total{%s,code=\"%zu\"} %llu\n",
                           label, code + FIRST_CODE,
                           (unsigned long long)m->counters[i].codes[code]);
    }
    serve_metrics_head(out, "clipc_http_request_duration_seconds", "histogram",
                       "From the request's head to the end of its answer.");
    for (size_t i = 0; i <= m->n_routes; i++) {
        const histogram *h = &m->counters[i].duration;
        uint64_t n = 0;
        for (size_t b = 0; b <= N_SECONDS; b++)
            n += h->counts[b];
        put_route(m, i, label, sizeof label);
        if (n > 0)
            put_histogram(out, "clipc_http_request_duration_seconds", label, h,
                          seconds, N_SECONDS);
    }
}

static void put_work(serve_metrics *m, serve_buffer *out)
{
    serve_metrics_head(out, "clipc_queue_wait_seconds", "histogram",
                       "Time of pictures and texts in the queue.");
    put_histogram(out, "clipc_queue_wait_seconds", "", &m->queue, seconds,
                  N_SECONDS);
    serve_metrics_head(out, "clipc_batch_size", "histogram",
                       "Pictures or texts of one call of the encoder.");
    put_histogram(out, "clipc_batch_size", "", &m->batch, sizes, N_SIZES);
    serve_metrics_head(out, "clipc_decode_seconds", "histogram",
                       "Reading a picture, the transfer of a URL included.");
    put_histogram(out, "clipc_decode_seconds", "", &m->decode, seconds,
                  N_SECONDS);
    serve_metrics_head(out, "clipc_encode_seconds", "histogram",
                       "Calls of the encoder.");
    put_histogram(out, "clipc_encode_seconds", "kind=\"text\"", &m->encode[0],
                  seconds, N_SECONDS);
    put_histogram(out, "clipc_encode_seconds", "kind=\"image\"", &m->encode[1],
                  seconds, N_SECONDS);
    serve_metrics_head(out, "clipc_images_total", "counter",
                       "Pictures that were read, by the library's status.");
    for (size_t i = 0; i < N_STATUSES; i++)
        if (m->images[i] || i == CLIPC_OK)
            serve_putf(out, "clipc_images_total{status=\"%s\"} %llu\n",
                       clipc_status_name((clipc_status)i),
                       (unsigned long long)m->images[i]);
    serve_metrics_head(out, "clipc_texts_total", "counter",
                       "Texts that were encoded, labels excluded.");
    serve_putf(out, "clipc_texts_total %llu\n", (unsigned long long)m->texts);
    serve_metrics_head(out, "clipc_rejected_total", "counter",
                       "Requests that were turned away before their work.");
    for (size_t i = 0; i < SERVE_REJECTIONS; i++)
        serve_putf(out, "clipc_rejected_total{reason=\"%s\"} %llu\n",
                   reasons[i], (unsigned long long)m->rejected[i]);
    serve_metrics_head(out, "clipc_upstream_requests_total", "counter",
                       "Requests passed on, by the upstream's status code.");
    for (size_t code = 0; code < N_CODES; code++)
        if (m->upstream[code])
            serve_putf(out,
                       "clipc_upstream_requests_total{code=\"%zu\"} %llu\n",
                       code + FIRST_CODE,
                       (unsigned long long)m->upstream[code]);
    if (m->upstream[N_CODES])
        serve_putf(out, "clipc_upstream_requests_total{code=\"none\"} %llu\n",
                   (unsigned long long)m->upstream[N_CODES]);
}

static void put_process(const serve_metrics *m, serve_buffer *out)
{
    const int64_t resident = tool_resident_bytes();
    struct rusage usage;

    serve_metrics_head(out, "process_start_time_seconds", "gauge",
                       "Start of the process since 1970.");
    serve_putf(out, "process_start_time_seconds %.3f\n", m->started);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        serve_metrics_head(out, "process_cpu_seconds_total", "counter",
                           "User and system time.");
        serve_putf(out, "process_cpu_seconds_total %.3f\n",
                   (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       (double)(usage.ru_utime.tv_usec +
                                usage.ru_stime.tv_usec) /
                           1e6);
    }
    if (resident > 0) {
        serve_metrics_head(out, "process_resident_memory_bytes", "gauge",
                           "Resident memory, mapped weights included.");
        serve_putf(out, "process_resident_memory_bytes %lld\n",
                   (long long)resident);
    }
}

void serve_metrics_write(serve_metrics *m, serve_buffer *out)
{
    pthread_mutex_lock(&m->mutex);
    put_requests(m, out);
    put_work(m, out);
    pthread_mutex_unlock(&m->mutex);
    put_process(m, out);
}
