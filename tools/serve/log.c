/* SPDX-License-Identifier: MIT
 *
 * log.c - see log.h.
 */
#include "serve/log.h"

#include "serve/route.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void serve_log_name(serve_request *request)
{
    static atomic_ullong counter;
    static atomic_ullong start;
    unsigned long long none = 0;
    struct timespec now;

    if (atomic_load(&start) == 0) {
        clock_gettime(CLOCK_REALTIME, &now);
        unsigned long long seed = (unsigned long long)now.tv_sec * 1000003u ^
                                  (unsigned long long)now.tv_nsec << 20 ^
                                  (unsigned long long)getpid();
        atomic_compare_exchange_strong(&start, &none, seed | 1);
    }
    /* An odd factor and a shift that can be undone: no number comes twice. */
    unsigned long long n = atomic_fetch_add(&counter, 1) + atomic_load(&start);
    n *= 0x9E3779B97F4A7C15u;
    n ^= n >> 32;
    snprintf(request->id, sizeof request->id, "%016llx", n);
}

static double ms(int64_t us)
{
    return (double)us / 1000;
}

void serve_log(const serve_settings *settings, const serve_log_entry *entry)
{
    const serve_request *r = entry->request;
    const serve_timing *t = &r->timing;
    bool json = settings->log_format == SERVE_LOG_JSON;
    struct timespec now;
    struct tm utc;
    char time[32], line[640];

    if (settings->common.quiet)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &utc);
    int n = snprintf(
        line, sizeof line,
        json ? "{\"time\":\"%s.%03ldZ\",\"id\":\"%s\",\"client\":\"%s\","
               "\"method\":\"%s\",\"route\":\"%s\",\"status\":%u,"
               "\"in_bytes\":%zu,\"out_bytes\":%zu,\"ms\":%.1f,"
               "\"fetch_ms\":%.1f,\"decode_ms\":%.1f,\"queue_ms\":%.1f,"
               "\"encode_ms\":%.1f,\"images\":%zu,\"texts\":%zu,"
               "\"cut\":%s}\n"
             : "%s.%03ldZ %s %s %s %s %u in=%zu out=%zu ms=%.1f fetch=%.1f "
               "decode=%.1f queue=%.1f encode=%.1f images=%zu texts=%zu%s\n",
        time, now.tv_nsec / 1000000, r->id, entry->client,
        r->method == SERVE_GET    ? "GET"
        : r->method == SERVE_POST ? "POST"
                                  : "-",
        r->route ? r->route->path : "-", entry->status, r->body_bytes,
        entry->out_bytes, ms(serve_now_us() - r->started_us), ms(t->fetch),
        ms(t->decode), ms(t->queue), ms(t->encode), r->n_images, r->n_texts,
        json ? (entry->cut ? "true" : "false") : (entry->cut ? " cut" : ""));
    /* One write: lines of several threads do not mix. */
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
        return;
}
