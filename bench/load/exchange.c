/* SPDX-License-Identifier: MIT
 *
 * exchange.c - one request and its answer over a connection that is kept.
 */
#include "load.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- the socket -------------------------------------------------------- */

void load_close(load_connection *con)
{
    if (con->fd >= 0)
        close(con->fd);
    con->fd = -1;
    con->n = con->at = 0;
}

static bool open_connection(load_connection *con)
{
    int one = 1;

    con->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (con->fd < 0)
        return false;
    /* A body is sent after its head at once. */
    setsockopt(con->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(con->fd, (struct sockaddr *)&con->address,
                sizeof con->address) == 0)
        return true;
    load_close(con);
    return false;
}

/* Waits until the socket is ready for events, or `end`. */
static bool ready(const load_connection *con, short events, double end)
{
    struct pollfd fd = { .fd = con->fd, .events = events };

    for (;;) {
        double left = end - load_now();
        int n = left > 0 ? poll(&fd, 1, (int)(left * 1e3) + 1) : 0;
        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

/* What stopped a step; the program goes on when it is none of these. */
typedef enum step { GOOD, ENDED, LATE, NONSENSE } step;

static step send_all(load_connection *con, const char *data, size_t n,
                     double end)
{
    while (n > 0) {
        ssize_t sent = send(con->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            data += sent;
            n -= (size_t)sent;
        } else if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (!ready(con, POLLOUT, end))
                return LATE;
        } else {
            return ENDED;
        }
    }
    return GOOD;
}

/* Receives more behind what is there; at least one byte. */
static step receive(load_connection *con, double end)
{
    if (con->at > 0) {
        memmove(con->data, con->data + con->at, con->n - con->at);
        con->n -= con->at;
        con->at = 0;
    }
    if (con->n == LOAD_READ_BYTES)
        return NONSENSE; /* a line or a head without end */
    if (!ready(con, POLLIN, end))
        return LATE;
    ssize_t got = recv(con->fd, con->data + con->n, LOAD_READ_BYTES - con->n,
                       0);
    if (got <= 0)
        return ENDED;
    con->n += (size_t)got;
    return GOOD;
}

/* ---- answers ----------------------------------------------------------- */

typedef struct answer {
    unsigned status;
    uint64_t length;
    bool has_length, chunked, close;
} answer;

/* Whether the line is the header `name`; *value is then its value. */
static bool header(const char *line, const char *name, const char **value)
{
    size_t n = strlen(name);

    if (strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    *value = line + n + 1 + strspn(line + n + 1, " \t");
    return true;
}

/* head: terminated, from the status line to the empty line. */
static step parse_head(answer *a, char *head)
{
    const char *value;
    char *rest = NULL, *line = strtok_r(head, "\r\n", &rest);

    *a = (answer){ 0 };
    if (!line || strncmp(line, "HTTP/1.", 7) != 0 ||
        !isdigit((unsigned char)line[7]) || line[8] != ' ')
        return NONSENSE;
    a->close = line[7] == '0';
    unsigned long status = strtoul(line + 9, NULL, 10);
    if (status < 100 || status >= LOAD_OUTCOMES)
        return NONSENSE;
    a->status = (unsigned)status;
    while ((line = strtok_r(NULL, "\r\n", &rest))) {
        if (header(line, "Content-Length", &value)) {
            a->has_length = true;
            a->length = strtoull(value, NULL, 10);
        } else if (header(line, "Transfer-Encoding", &value)) {
            a->chunked = strncasecmp(value, "chunked", 7) == 0;
        } else if (header(line, "Connection", &value)) {
            a->close |= strncasecmp(value, "close", 5) == 0;
        }
    }
    return GOOD;
}

static char *find(char *text, size_t n, const char *mark)
{
    const size_t length = strlen(mark);

    for (char *c; n >= length && (c = memchr(text, *mark, n - length + 1));) {
        if (memcmp(c, mark, length) == 0)
            return c;
        n -= (size_t)(c + 1 - text);
        text = c + 1;
    }
    return NULL;
}

/* Reads to the end of `mark`; *text is what is before and with it. */
static step read_to(load_connection *con, const char *mark, char **text,
                    size_t *n, double end)
{
    for (;;) {
        *text = con->data + con->at;
        char *found = find(*text, con->n - con->at, mark);
        if (found) {
            *n = (size_t)(found - *text) + strlen(mark);
            con->at += *n;
            return GOOD;
        }
        step s = receive(con, end);
        if (s != GOOD)
            return s;
    }
}

static step drop(load_connection *con, uint64_t n, double end)
{
    while (n > 0) {
        size_t here = con->n - con->at;
        if (here == 0) {
            step s = receive(con, end);
            if (s != GOOD)
                return s;
            continue;
        }
        if (here > n)
            here = (size_t)n;
        con->at += here;
        n -= here;
    }
    return GOOD;
}

static step drop_chunks(load_connection *con, double end)
{
    for (;;) {
        char *line;
        size_t n;
        step s = read_to(con, "\r\n", &line, &n, end);
        if (s != GOOD)
            return s;
        if (!isxdigit((unsigned char)*line))
            return NONSENSE;
        uint64_t bytes = strtoull(line, NULL, 16);
        s = drop(con, bytes + 2, end); /* and its CRLF; no trailers */
        if (s != GOOD || bytes == 0)
            return s;
    }
}

static step drop_all(load_connection *con, double end)
{
    step s = GOOD;

    while (s == GOOD) {
        con->at = con->n;
        s = receive(con, end);
    }
    return s == ENDED ? GOOD : s;
}

static step read_answer(load_connection *con, answer *a, double end)
{
    char *head;
    size_t n;
    step s;

    do { /* 100 Continue is not the answer */
        s = read_to(con, "\r\n\r\n", &head, &n, end);
        if (s != GOOD)
            return s;
        head[n - 1] = '\0';
        s = parse_head(a, head);
        if (s != GOOD)
            return s;
    } while (a->status < 200);
    if (a->status == 204 || a->status == 304)
        return GOOD;
    if (a->chunked)
        return drop_chunks(con, end);
    if (a->has_length)
        return drop(con, a->length, end);
    a->close = true;
    return drop_all(con, end);
}

/* ---- exchanges --------------------------------------------------------- */

static unsigned outcome_of(step s)
{
    return s == LATE       ? LOAD_TIMEOUT
           : s == NONSENSE ? LOAD_MALFORMED
                           : LOAD_CLOSED;
}

static void dawdle(load_connection *con, const char *data, size_t n,
                   double end)
{
    const struct timespec pause = { 0, 20000000 };

    for (size_t i = 0; i < n && i < 64; i++) {
        if (send_all(con, data + i, 1, end) != GOOD)
            return;
        nanosleep(&pause, NULL);
    }
}

static unsigned run(load_connection *con, const load_request *r, double end)
{
    answer a;
    const size_t n_body = r->action == LOAD_TORN ? r->body_bytes / 2
                                                 : r->body_bytes;

    if (r->action == LOAD_SLOW) {
        dawdle(con, r->head, r->head_bytes, end);
        load_close(con);
        return LOAD_CLOSED;
    }
    step s = send_all(con, r->head, r->head_bytes, end);
    if (s == GOOD)
        s = send_all(con, r->body, n_body, end);
    if (r->action == LOAD_TORN) {
        load_close(con);
        return LOAD_CLOSED;
    }
    /* A refusal may come before the body has gone. */
    if (s != LATE)
        s = read_answer(con, &a, end);
    if (s != GOOD || a.close || r->action == LOAD_RAW)
        load_close(con);
    return s == GOOD ? a.status : outcome_of(s);
}

unsigned load_exchange(load_connection *con, const load_request *request)
{
    const double end = load_now() + con->timeout;
    const bool kept = con->fd >= 0 && request->action == LOAD_ASK;

    if (!kept)
        load_close(con);
    if (!kept && !open_connection(con))
        return LOAD_REFUSED;
    unsigned outcome = run(con, request, end);
    /* The server may have closed an idle connection: once more, as every
     * client does. */
    if (kept && outcome == LOAD_CLOSED && con->fd < 0 && open_connection(con))
        outcome = run(con, request, end);
    return outcome;
}
