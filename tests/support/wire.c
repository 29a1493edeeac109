/* SPDX-License-Identifier: MIT
 *
 * wire.c - see wire.h.
 */
#include "support/wire.h"

#include "support/sockets.h"
#include "support/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_MS = 120000, SMALL_BYTES = 4096 };

static wire open_wire(const serve_process *server, int buffer)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)server->port) };
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    const bool is_unix = server->path[0] != '\0';
    wire w = { .fd = socket(is_unix ? AF_UNIX : AF_INET,
                            SOCK_STREAM | SOCK_CLOEXEC, 0) };

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(un.sun_path, server->path, sizeof un.sun_path);
    if (w.fd >= 0 && buffer)
        setsockopt(w.fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (w.fd < 0 ||
        connect(w.fd,
                is_unix ? (struct sockaddr *)&un : (struct sockaddr *)&in,
                is_unix ? sizeof un : sizeof in) != 0)
        FAIL("connect: %s", strerror(errno));
    return w;
}

wire wire_open(const serve_process *server)
{
    return open_wire(server, 0);
}

wire wire_open_small(const serve_process *server)
{
    return open_wire(server, SMALL_BYTES);
}

void wire_close(wire *w)
{
    if (w->fd >= 0)
        close(w->fd);
    free(w->bytes);
    *w = (wire){ .fd = -1 };
}

void wire_reset(wire *w)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    wire_close(w);
}

bool wire_send(wire *w, const void *bytes, size_t n)
{
    return send_all(w->fd, bytes, n);
}

bool wire_puts(wire *w, const char *text)
{
    return wire_send(w, text, strlen(text));
}

/* Reads what comes; false: nothing within the time, or the end. */
static bool more(wire *w, int milliseconds)
{
    struct pollfd p = { .fd = w->fd, .events = POLLIN };

    if (w->ended || poll(&p, 1, milliseconds) <= 0)
        return false;
    char *bytes = realloc(w->bytes, w->n + 65536 + 1);
    if (!bytes)
        FAIL("out of memory");
    w->bytes = bytes;
    ssize_t got = recv(w->fd, bytes + w->n, 65536, 0);
    w->ended = got == 0 || (got < 0 && errno != EINTR);
    if (got > 0)
        w->n += (size_t)got;
    bytes[w->n] = '\0';
    return !w->ended;
}

/* The length of the body that a head names. */
static size_t body_bytes(const char *head, size_t n)
{
    static const char name[] = "\r\nContent-Length: ";

    for (size_t i = 0; i + sizeof name <= n; i++)
        if (strncasecmp(head + i, name, sizeof name - 1) == 0)
            return strtoul(head + i + sizeof name - 1, NULL, 10);
    return 0;
}

http_answer wire_answer(wire *w, bool no_body)
{
    const char *end;

    while (!w->bytes || !(end = strstr(w->bytes, "\r\n\r\n")))
        if (!more(w, ANSWER_MS))
            return (http_answer){ 0, NULL, NULL, 0 };
    size_t n_head = (size_t)(end + 4 - w->bytes);
    size_t n = n_head + (no_body ? 0 : body_bytes(w->bytes, n_head));
    while (w->n < n)
        if (!more(w, ANSWER_MS))
            return (http_answer){ 0, NULL, NULL, 0 };
    char *bytes = malloc(n + 1);
    if (!bytes)
        FAIL("out of memory");
    memcpy(bytes, w->bytes, n);
    bytes[n] = '\0';
    memmove(w->bytes, w->bytes + n, w->n - n + 1);
    w->n -= n;
    return http_split(bytes, n);
}

bool wire_ends(wire *w, int milliseconds)
{
    return w->n == 0 && !more(w, milliseconds) && w->ended;
}

bool wire_drain(wire *w, int milliseconds)
{
    while (more(w, milliseconds))
        ;
    return w->ended;
}

bool wire_silent(wire *w, int milliseconds)
{
    return w->n == 0 && !more(w, milliseconds) && !w->ended;
}
