/* SPDX-License-Identifier: MIT
 *
 * connections.c - see connections.h. A connection is cut by shutdown(): its
 * thread then sees the end and closes the descriptor itself.
 */
#include "serve/connections.h"

#include "serve/request.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    PIECE_BYTES = 16384, /* may take a tenth of the timeout */
    MOST_BODY_TIMEOUTS = 12,
    ANSWER_TIMEOUTS = 3
};

struct serve_connection {
    int fd;
    serve_phase phase;
    bool cut;
    int64_t since_us;
    uint64_t n_bytes;
    serve_connection *next, *previous;
    void *request;
};

struct serve_connections {
    pthread_mutex_t mutex;
    serve_connection *first;
    size_t n;
    int64_t timeout_us;
};

serve_connections *serve_connections_new(unsigned timeout_ms)
{
    serve_connections *all = calloc(1, sizeof *all);

    if (all && pthread_mutex_init(&all->mutex, NULL) != 0) {
        free(all);
        return NULL;
    }
    if (all)
        all->timeout_us = (int64_t)timeout_ms * 1000;
    return all;
}

void serve_connections_free(serve_connections *all)
{
    if (!all)
        return;
    pthread_mutex_destroy(&all->mutex);
    free(all);
}

serve_connection *serve_connection_add(serve_connections *all, int fd)
{
    serve_connection *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->fd = fd;
    c->since_us = serve_now_us();
    pthread_mutex_lock(&all->mutex);
    c->next = all->first;
    if (all->first)
        all->first->previous = c;
    all->first = c;
    all->n++;
    pthread_mutex_unlock(&all->mutex);
    return c;
}

void serve_connection_remove(serve_connections *all, serve_connection *c)
{
    pthread_mutex_lock(&all->mutex);
    if (c->previous)
        c->previous->next = c->next;
    else
        all->first = c->next;
    if (c->next)
        c->next->previous = c->previous;
    all->n--;
    pthread_mutex_unlock(&all->mutex);
    free(c);
}

void serve_connection_phase(serve_connections *all, serve_connection *c,
                            serve_phase phase, uint64_t n_bytes)
{
    pthread_mutex_lock(&all->mutex);
    c->phase = phase;
    c->since_us = serve_now_us();
    c->n_bytes = n_bytes;
    pthread_mutex_unlock(&all->mutex);
}

void serve_connection_received(serve_connections *all, serve_connection *c,
                               size_t n_bytes)
{
    pthread_mutex_lock(&all->mutex);
    c->n_bytes += n_bytes;
    pthread_mutex_unlock(&all->mutex);
}

int serve_connection_fd(const serve_connection *c)
{
    return c->fd;
}

void **serve_connection_request(serve_connection *c)
{
    return &c->request;
}

/* Microseconds that the phase may take; 0: as long as the request's own
 * deadline says. */
static int64_t allowed(const serve_connections *all, const serve_connection *c)
{
    const int64_t timeout = all->timeout_us;
    const int64_t transfer = (int64_t)(c->n_bytes / PIECE_BYTES) *
                             (timeout / 10);

    switch (c->phase) {
    case SERVE_PHASE_HEAD:
    case SERVE_PHASE_NEXT: return timeout;
    case SERVE_PHASE_IDLE: return SERVE_IDLE_SECONDS * (int64_t)1000000;
    case SERVE_PHASE_BODY:
        return timeout + transfer < MOST_BODY_TIMEOUTS * timeout
                   ? timeout + transfer
                   : MOST_BODY_TIMEOUTS * timeout;
    case SERVE_PHASE_ANSWER: return ANSWER_TIMEOUTS * timeout + transfer;
    default: return 0;
    }
}

/* Nothing else is written before the request is whole. */
static void answer_408(int fd)
{
    static const char answer[] =
        "HTTP/1.1 408 Request Timeout\r\n"
        "Content-Type: application/problem+json\r\n"
        "Content-Length: 138\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n"
        "\r\n"
        "{\"type\":\"about:blank\",\"title\":\"Request Timeout\",\"status\":408,"
        "\"detail\":\"the request comes too slowly (--client-timeout)\","
        "\"code\":\"timeout\"}\n";

    (void)send(fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool serve_connection_was_cut(serve_connections *all,
                              const serve_connection *c)
{
    pthread_mutex_lock(&all->mutex);
    bool cut = c->cut;
    pthread_mutex_unlock(&all->mutex);
    return cut;
}

size_t serve_connections_cut(serve_connections *all, bool idle)
{
    int64_t now = serve_now_us();
    size_t n = 0;

    pthread_mutex_lock(&all->mutex);
    for (serve_connection *c = all->first; c; c = c->next) {
        int64_t most = allowed(all, c);
        bool slow = most && now - c->since_us > most;
        if (c->cut || !(slow || (idle && c->phase == SERVE_PHASE_IDLE)))
            continue;
        c->cut = true;
        n += slow && c->phase != SERVE_PHASE_IDLE;
        if (c->phase == SERVE_PHASE_NEXT || c->phase == SERVE_PHASE_BODY)
            answer_408(c->fd);
        (void)shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&all->mutex);
    return n;
}

size_t serve_connections_count(serve_connections *all)
{
    pthread_mutex_lock(&all->mutex);
    size_t n = all->n;
    pthread_mutex_unlock(&all->mutex);
    return n;
}
