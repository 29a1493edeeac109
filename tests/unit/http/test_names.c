/* SPDX-License-Identifier: MIT
 *
 * test_names.c - host names that lead to private addresses: mixed answers,
 * and answers that change between two lookups. libcurl uses this program's own
 * getaddrinfo() and connect(): nothing leaves the machine, and the public
 * address 93.184.216.34 is a server in this program.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* syscall() */
#endif
#include "http/fetch.h"
#include "support/loopback.h"
#include "support/test.h"

#if !CLIPC_CURL

TEST(names_are_checked_where_they_lead)
{
    SKIP("built without libcurl");
}

#else

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PUBLIC "93.184.216.34"
#define REFUSING "93.184.216.35" /* public as well */

/* ---- the network ------------------------------------------------------- */

static unsigned port;         /* of the server, on loopback */
static atomic_uint n_lookups; /* of rebinding.test, for IPv4 addresses */
static atomic_uint n_private; /* connections to anything but the two above */
static atomic_uint n_public;

/* The addresses of each name, commas between. rebinding.test answers
 * with its second address from the second lookup on. */
static const struct {
    const char *name;
    const char *addresses[3];
} names[] = {
    { "public.test", { PUBLIC } },
    { "private.test", { "127.0.0.1" } },
    { "metadata.test", { "169.254.169.254" } },
    { "six.test", { "::1" } },
    { "mapped.test", { "::ffff:10.0.0.1" } },
    { "mixed.test", { REFUSING, "10.0.0.1" } },
    { "mixed-last.test", { REFUSING, REFUSING, "127.0.0.1" } },
    { "rebinding.test", { PUBLIC, "127.0.0.1" } },
};

static struct addrinfo *answer(const char *address, const char *service)
{
    struct addrinfo *info = calloc(1, sizeof *info);
    struct sockaddr_in *in = calloc(1, sizeof(struct sockaddr_in6));
    struct sockaddr_in6 *in6 = (void *)in;
    const uint16_t number = htons((uint16_t)atoi(service ? service : "0"));

    if (!info || !in)
        abort();
    info->ai_socktype = SOCK_STREAM;
    info->ai_protocol = IPPROTO_TCP;
    info->ai_addr = (void *)in;
    if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
        info->ai_family = in->sin_family = AF_INET;
        info->ai_addrlen = sizeof *in;
        in->sin_port = number;
    } else if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
        info->ai_family = in6->sin6_family = AF_INET6;
        info->ai_addrlen = sizeof *in6;
        in6->sin6_port = number;
    }
    return info;
}

__attribute__((visibility("default"))) int
getaddrinfo(const char *restrict name, const char *restrict service,
            const struct addrinfo *restrict hints,
            struct addrinfo **restrict result)
{
    const int family = hints ? hints->ai_family : AF_UNSPEC;
    struct addrinfo **end = result;

    *result = NULL;
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i].name) != 0)
            continue;
        size_t first = 0, n = 3;
        if (strcmp(name, "rebinding.test") == 0 && family != AF_INET6) {
            first = atomic_fetch_add(&n_lookups, 1) != 0;
            n = first + 1;
        }
        /* libcurl asks once for both families or once for each of them,
         * by its version. */
        for (size_t j = first; j < n && names[i].addresses[j]; j++) {
            if (family != AF_UNSPEC &&
                family !=
                    (strchr(names[i].addresses[j], ':') ? AF_INET6 : AF_INET))
                continue;
            *end = answer(names[i].addresses[j], service);
            end = &(*end)->ai_next;
        }
        return *result ? 0 : EAI_NONAME;
    }
    return EAI_NONAME;
}

__attribute__((visibility("default"))) void freeaddrinfo(struct addrinfo *info)
{
    while (info) {
        struct addrinfo *next = info->ai_next;
        free(info->ai_addr);
        free(info);
        info = next;
    }
}

__attribute__((visibility("default"))) int
connect(int fd, const struct sockaddr *address, socklen_t len)
{
    struct sockaddr_in in = { .sin_family = AF_UNSPEC };
    char text[INET_ADDRSTRLEN] = "";

    if (address->sa_family == AF_INET && len == sizeof in) {
        memcpy(&in, address, sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    }
    if (strcmp(text, PUBLIC) != 0) {
        atomic_fetch_add(strcmp(text, REFUSING) == 0 ? &n_public : &n_private,
                         1);
        errno = ECONNREFUSED;
        return -1;
    }
    atomic_fetch_add(&n_public, 1);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons((uint16_t)port);
    return (int)syscall(SYS_connect, fd, &in, sizeof in);
}

/* Answers "/to?URL" with a redirect to URL and all else with "hello". */
static void *serve(void *arg)
{
    const int listener = *(int *)arg;

    for (;;) {
        char request[2048], reply[4096], *query, *end;
        int fd = accept(listener, NULL, NULL);
        size_t n = 0;

        if (fd < 0)
            return NULL;
        while (n < sizeof request - 1) {
            ssize_t got = read(fd, request + n, sizeof request - 1 - n);
            if (got <= 0)
                break;
            n += (size_t)got;
            request[n] = '\0';
            if (strstr(request, "\r\n\r\n"))
                break;
        }
        request[n] = '\0';
        query = strstr(request, "/to?");
        end = query ? strchr(query, ' ') : NULL;
        if (end) {
            *end = '\0';
            snprintf(reply, sizeof reply,
                     "HTTP/1.1 302 Found\r\nLocation: %s"
                     "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                     query + 4);
        } else {
            snprintf(reply, sizeof reply,
                     "HTTP/1.1 200 OK\r\n"
                     "Content-Length: 5\r\nConnection: close\r\n\r\nhello");
        }
        if (write(fd, reply, strlen(reply)) < 0)
            perror("test_names: write");
        close(fd);
    }
}

static void start(void)
{
    static int listener = -1;
    struct sockaddr_in in = { .sin_family = AF_INET };
    socklen_t len = sizeof in;
    pthread_t thread;

    if (!has_loopback())
        SKIP("no loopback network here");
    atomic_store(&n_lookups, 0);
    atomic_store(&n_private, 0);
    atomic_store(&n_public, 0);
    if (listener >= 0)
        return;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(listener >= 0 && bind(listener, (void *)&in, sizeof in) == 0 &&
          listen(listener, 16) == 0 &&
          getsockname(listener, (void *)&in, &len) == 0);
    port = ntohs(in.sin_port);
    CHECK_INT(pthread_create(&thread, NULL, serve, &listener), 0);
    pthread_detach(thread);
}

static clipc_status fetch(const char *url, clipc_private_hosts private_hosts,
                          clipc_bytes *body, clipc_error *err)
{
    const clipc_fetch_params params = {
        .max_bytes = 1000,
        .timeout_ms = 5000,
        .connect_timeout_ms = 2000,
        .max_redirects = 3,
        .private_hosts = private_hosts,
    };
    return clipc_fetch(body, url, &params, err);
}

static void check_blocked(const char *url, clipc_private_hosts private_hosts)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;
    clipc_status status = fetch(url, private_hosts, &body, &err);

    if (status != CLIPC_ERR_URL_BLOCKED)
        FAIL("%s gives %s (%s)", url, clipc_status_name(status), err.message);
    CHECK(body.data == NULL);
    CHECK_INT(n_private, 0);
}

/* ---- tests ------------------------------------------------------------- */

TEST(a_public_name_is_fetched)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;

    start();
    CHECK_OK(fetch("http://public.test/", CLIPC_PRIVATE_DENY, &body, &err),
             err);
    CHECK_STR((char *)body.data, "hello");
    clipc_bytes_release(&body);
    CHECK_INT(n_public, 1);
    CHECK_STATUS(fetch("http://unknown.test/", CLIPC_PRIVATE_DENY, &body,
                       &err),
                 CLIPC_ERR_NETWORK);
    CHECK_HAS(err.message, "no address found");
}

TEST(names_of_private_addresses_are_blocked)
{
    static const char *const urls[] = {
        "http://private.test/",  "http://metadata.test/latest/meta-data/",
        "http://six.test/",      "http://mapped.test/",
        "https://private.test/", "http://localhost/",
        "http://any.localhost/",
    };
    start();
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        check_blocked(urls[i], CLIPC_PRIVATE_DENY);
}

TEST(one_private_address_spoils_a_name)
{
    start();
    check_blocked("http://mixed.test/", CLIPC_PRIVATE_DENY);
    check_blocked("http://mixed-last.test/", CLIPC_PRIVATE_DENY);
    CHECK(n_public > 0); /* the fetch went on to the next address */
}

TEST(a_second_lookup_helps_nobody)
{
    start();
    /* The first hop is public; the same name is not any more. */
    check_blocked("http://rebinding.test/to?http://rebinding.test/",
                  CLIPC_PRIVATE_DENY);
    CHECK_INT(n_lookups, 2);
    CHECK_INT(n_public, 1);
}

TEST(a_public_host_may_not_lead_to_private_ones)
{
    static const char *const targets[] = {
        "http://private.test/",
        "http://mixed.test/",
        "http://six.test/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://017700000001/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.0.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://[fc00::1]/",
        "http://[fe80::1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::1]/",
        "http://[2001:0:7f00:1::]/",
        "http://224.0.0.1/",
        "http://[ff02::1]/",
        "https://127.0.0.1/",
        "//127.0.0.1/",
        "http://public.test/to?http://10.0.0.1/",
    };
    char url[200];

    start();
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        snprintf(url, sizeof url, "http://public.test/to?%s", targets[i]);
        check_blocked(url, CLIPC_PRIVATE_DENY);
        /* Allowed for the URL itself is not allowed for a redirect. */
        check_blocked(url, CLIPC_PRIVATE_FIRST_HOP);
    }
}

#endif /* CLIPC_CURL */
