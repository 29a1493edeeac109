/* SPDX-License-Identifier: MIT
 *
 * listen.c - see listen.h.
 */
#include "serve/listen.h"

#include "common/tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 512,
    FIRST_FD = 3, /* of socket activation */
    WHERE_BYTES = 256
};

/* What went wrong, and what to do about it. */
static const char *reason_of(const char *where, int error)
{
    const bool path = strncmp(where, "unix:", 5) == 0;

    switch (error) {
    case EADDRINUSE:
        return path ? "a program listens there, or the path is a file that is "
                      "no socket: choose another path"
                    : "another program listens there: choose another port, or "
                      "port 0 for one that is free";
    case EADDRNOTAVAIL:
        return "this machine does not have the address: 0.0.0.0 is all that "
               "it has";
    case EACCES:
        return path ? tool_errno(error)
                    : "permission denied: choose a port from 1024 on";
    default: return tool_errno(error);
    }
}

static bool fail(serve_listener *listener, const char *where, int error)
{
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
    tool_say("--listen %s: %s", tool_shown_name(where).text,
             reason_of(where, error));
    return false;
}

/* Fills `shown` from the address that the socket has. */
static void describe(serve_listener *listener)
{
    struct sockaddr_storage address;
    socklen_t n = sizeof address;
    char host[64] = "", *end = listener->shown;
    size_t room = sizeof listener->shown;

    memset(&address, 0, sizeof address);
    if (getsockname(listener->fd, (struct sockaddr *)&address, &n) != 0)
        return;
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)&address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(end, room, "http://%s:%u", host, ntohs(in->sin_port));
        listener->open_to_network = ntohl(in->sin_addr.s_addr) >> 24 != 127;
    } else if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)&address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(end, room, "http://[%s]:%u", host, ntohs(in6->sin6_port));
        listener->open_to_network = memcmp(&in6->sin6_addr, &in6addr_loopback,
                                           sizeof in6addr_loopback) != 0;
    } else if (address.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const void *)&address;
        snprintf(end, room, "unix:%.*s", (int)sizeof un->sun_path,
                 n > offsetof(struct sockaddr_un, sun_path) ? un->sun_path
                                                            : "");
    }
}

/* ---- HOST:PORT --------------------------------------------------------- */

/* Splits "host:port", "[v6]:port" and ":port" in place; false: no such
 * form. */
static bool split(char *where, char **host, char **port)
{
    char *colon = strrchr(where, ':');

    if (!colon || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        !colon[1] || strlen(colon + 1) > 5 || atol(colon + 1) > 65535)
        return false;
    *colon = '\0';
    *port = colon + 1;
    *host = where;
    if (where[0] == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        *host = where + 1;
        return true;
    }
    return !strchr(where, ':') && !strchr(where, '[');
}

static bool listen_network(serve_listener *listener, const char *where)
{
    struct addrinfo hints, *found = NULL;
    char copy[WHERE_BYTES], *host, *port;
    int on = 1;

    snprintf(copy, sizeof copy, "%s", where);
    if (!split(copy, &host, &port))
        return fail(listener, where, EINVAL);
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    int status = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (status != 0) {
        tool_say("--listen %s: %s", tool_shown_name(where).text,
                 gai_strerror(status));
        return false;
    }
    listener->fd = socket(found->ai_family, SOCK_STREAM, 0);
    bool good = listener->fd >= 0 &&
                setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on,
                           sizeof on) == 0 &&
                bind(listener->fd, found->ai_addr, found->ai_addrlen) == 0 &&
                listen(listener->fd, BACKLOG) == 0;
    int error = errno;
    freeaddrinfo(found);
    return good || fail(listener, where, error);
}

/* ---- unix:PATH --------------------------------------------------------- */

/* Removes a socket that no program listens on any more; what is not a socket,
 * or is in use, stays and lets bind() fail. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat st;

    if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    /* A program that is alive may have a full queue: do not wait. */
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
        connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        (void)unlink(address->sun_path);
    close(fd);
}

static bool listen_unix(serve_listener *listener, const char *where)
{
    const char *path = where + strlen("unix:");
    struct sockaddr_un address;

    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    remove_stale(&address);
    listener->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listener->fd < 0 ||
        bind(listener->fd, (struct sockaddr *)&address, sizeof address) != 0)
        return fail(listener, where, errno);
    struct stat st;
    if (lstat(path, &st) == 0) {
        listener->unlinked = path;
        listener->device = st.st_dev;
        listener->inode = st.st_ino;
    }
    return listen(listener->fd, BACKLOG) == 0 || fail(listener, where, errno);
}

/* ---- the manager's socket ---------------------------------------------- */

/* The number of an environment variable, -1 without one. */
static long number_of(const char *name)
{
    const char *text = getenv(name);
    char *end;
    long n = text && *text ? strtol(text, &end, 10) : -1;

    return n >= 0 && *end == '\0' ? n : -1;
}

/* Whether the service manager passed sockets to this very process. */
static long n_given(void)
{
    long n = number_of("LISTEN_PID") == (long)getpid()
                 ? number_of("LISTEN_FDS")
                 : 0;

    /* Not for a child. */
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return n > 0 ? n : 0;
}

static bool take_given(serve_listener *listener, long n)
{
    int listening = 0;
    socklen_t size = sizeof listening;

    if (n > 1) {
        tool_say("LISTEN_FDS is %ld: one socket is taken, not several", n);
        return false;
    }
    listener->fd = FIRST_FD;
    listener->given = true;
    if (getsockopt(FIRST_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) !=
            0 ||
        !listening) {
        tool_say("LISTEN_FDS: descriptor %d is no socket that listens",
                 FIRST_FD);
        return false;
    }
    return true;
}

const char *serve_listen_wrong(const char *where)
{
    char copy[WHERE_BYTES], *host, *port;

    if (strncmp(where, "unix:", 5) == 0)
        return where[5] && strlen(where + 5) <
                               sizeof((struct sockaddr_un *)0)->sun_path
                   ? NULL
                   : "the path must have 1 to 107 bytes";
    snprintf(copy, sizeof copy, "%s", where);
    return strlen(where) < sizeof copy && split(copy, &host, &port)
               ? NULL
               : "must be HOST:PORT, [ADDRESS]:PORT or unix:PATH";
}

bool serve_listen(serve_listener *listener, const char *where)
{
    long given = n_given();
    bool good;

    memset(listener, 0, sizeof *listener);
    listener->fd = -1;
    if (given && where) {
        tool_say("--listen %s: the service manager gave a socket too; leave "
                 "one of them out",
                 tool_shown_name(where).text);
        return false;
    }
    if (!where)
        where = SERVE_DEFAULT_LISTEN;
    if (given)
        good = take_given(listener, given);
    else if (strncmp(where, "unix:", 5) == 0)
        good = listen_unix(listener, where);
    else
        good = listen_network(listener, where);
    if (!good)
        return false;
    (void)fcntl(listener->fd, F_SETFD, FD_CLOEXEC);
    describe(listener);
    return true;
}

void serve_listener_close(serve_listener *listener)
{
    struct stat st;

    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
    if (listener->unlinked && lstat(listener->unlinked, &st) == 0 &&
        st.st_dev == listener->device && st.st_ino == listener->inode)
        (void)unlink(listener->unlinked);
    listener->unlinked = NULL;
}
