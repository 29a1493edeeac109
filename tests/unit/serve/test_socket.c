/* SPDX-License-Identifier: MIT
 *
 * test_socket.c - where the running server listens: Unix sockets, IPv6, the
 * service manager's socket; and what it tells the manager.
 */
#include "support/serve_client.h"
#include "support/sockets.h"
#include "support/test.h"
#include "support/wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HOST "Host: 127.0.0.1\r\n"

static const char *const plain[] = { "--model", "tests/data/tiny", NULL };

static void check_ping(const serve_process *server)
{
    wire w = wire_open(server);

    CHECK(wire_puts(&w, "GET /ping HTTP/1.1\r\n" HOST "\r\n"));
    http_answer answer = wire_answer(&w, false);
    CHECK_STR(answer.body, "pong");
    http_free(&answer);
    wire_close(&w);
}

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* ---- Unix sockets ------------------------------------------------------ */

/* "unix:PATH" of a file in the test's folder. */
static const char *unix_where(const char *name, const char **path)
{
    static char where[256];

    *path = test_path(name);
    snprintf(where, sizeof where, "unix:%s", *path);
    return where;
}

static int unix_socket(const char *path, int type)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    CHECK(fd >= 0);
    if (bind(fd, (struct sockaddr *)&un, sizeof un) != 0)
        FAIL("bind %s", path);
    return fd;
}

TEST(a_unix_socket)
{
    const char *path;
    const serve_options options = { .args = plain,
                                    .listen = unix_where("sock", &path) };
    serve_process server;
    struct stat st;
    mode_t mask = umask(0117);

    serve_spawn(&server, &options);
    umask(mask);
    serve_await(&server, "ready: ");
    char *log = serve_log_text(&server);
    CHECK_HAS(log, options.listen);
    free(log);
    CHECK(stat(path, &st) == 0);
    CHECK(S_ISSOCK(st.st_mode));
    CHECK_INT(st.st_mode & 0777, 0660); /* as the umask says */
    check_ping(&server);
    CHECK_INT(serve_stop(&server), 0);
    CHECK(!exists(path));
}

TEST(a_socket_that_nobody_listens_on_is_replaced)
{
    const char *path;
    const serve_options options = { .args = plain,
                                    .listen = unix_where("stale", &path) };
    serve_process server;

    close(unix_socket(path, SOCK_STREAM));
    CHECK(exists(path));
    serve_spawn(&server, &options);
    serve_await(&server, "ready: ");
    check_ping(&server);
    /* And after a death that left it. */
    kill(server.pid, SIGKILL);
    CHECK_INT(serve_end(&server), 128 + SIGKILL);
    CHECK(exists(path));
    close(server.log);
    serve_spawn(&server, &options);
    serve_await(&server, "ready: ");
    check_ping(&server);
    CHECK_INT(serve_stop(&server), 0);
    CHECK(!exists(path));
}

static void check_taken(const serve_options *options, const char *says)
{
    serve_process second;

    serve_spawn(&second, options);
    CHECK_INT(serve_end(&second), 3);
    char *log = serve_log_text(&second);
    CHECK_HAS(log, says);
    free(log);
    close(second.log);
}

TEST(a_path_in_use_stays)
{
    const char *path;
    const serve_options options = { .args = plain,
                                    .listen = unix_where("used", &path) };
    serve_process server;

    serve_spawn(&server, &options);
    serve_await(&server, "ready: ");
    check_taken(&options, "choose another path");
    check_ping(&server);
    CHECK_INT(serve_stop(&server), 0);
    /* A program whose queue is full listens too. */
    int fd = unix_socket(path, SOCK_STREAM), waiting[8];
    CHECK(listen(fd, 0) == 0);
    for (size_t i = 0; i < 8; i++) {
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
        waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(waiting[i], (struct sockaddr *)&un, sizeof un);
    }
    check_taken(&options, "choose another path");
    for (size_t i = 0; i < 8; i++)
        close(waiting[i]);
    close(fd);
    /* A file that is no socket is not touched. */
    unlink(path);
    test_write(path, "precious", 8);
    check_taken(&options, "choose another path");
    char *text = test_read(path, NULL);
    CHECK_STR(text, "precious");
    free(text);
    unlink(path);
}

/* A second server has taken the path over while the first one drains. */
TEST(the_socket_of_another_is_not_removed)
{
    const char *path;
    const serve_options options = { .args = plain,
                                    .listen = unix_where("moved", &path) };
    serve_process first, second;

    serve_spawn(&first, &options);
    serve_await(&first, "ready: ");
    wire running = wire_open(&first);
    CHECK(wire_puts(&running, "POST /vectorize HTTP/1.1\r\n" HOST
                              "Content-Length: 2\r\n\r\n"));
    pause_ms(50);
    kill(first.pid, SIGTERM);
    pause_ms(300);
    serve_spawn(&second, &options);
    serve_await(&second, "ready: ");
    CHECK(wire_puts(&running, "{}"));
    http_answer answer = wire_answer(&running, false);
    CHECK_INT(answer.status, 200);
    http_free(&answer);
    CHECK_INT(serve_end(&first), 0);
    check_ping(&second);
    CHECK(exists(path));
    CHECK_INT(serve_stop(&second), 0);
    CHECK(!exists(path));
    wire_close(&running);
    close(first.log);
}

TEST(paths_and_addresses_that_cannot_be)
{
    static const struct {
        const char *where;
        int status;
        const char *says;
    } cases[] = {
        { "unix:", 2, "1 to 107 bytes" },
        { "unix:/x/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          2, "1 to 107 bytes" },
        { "unix:/nowhere/sock", 3, "no such file" },
        { "127.0.0.1", 2, "must be HOST:PORT" },
        { "127.0.0.1:", 2, "must be HOST:PORT" },
        { "127.0.0.1:65536", 2, "must be HOST:PORT" },
        { "127.0.0.1:-1", 2, "must be HOST:PORT" },
        { "127.0.0.1:80x", 2, "must be HOST:PORT" },
        { "::1:80", 2, "must be HOST:PORT" },
        { "[::1:80", 2, "must be HOST:PORT" },
        { "203.0.113.7:0", 3, "--listen" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const args[] = { "--model", "tests/data/tiny", "--listen",
                                     cases[i].where, NULL };
        const serve_options options = { .args = args };
        serve_process server;
        serve_spawn(&server, &options);
        int status = serve_end(&server);
        char *log = serve_log_text(&server);
        if (status != cases[i].status)
            FAIL("%s: exit status %d: %s", cases[i].where, status, log);
        CHECK_HAS(log, cases[i].says);
        free(log);
        close(server.log);
    }
}

TEST(a_port_in_use)
{
    char where[64];
    unsigned port;
    int fd = listen_loopback(&port);

    CHECK(fd >= 0);
    snprintf(where, sizeof where, "127.0.0.1:%u", port);
    const serve_options options = { .args = plain, .listen = where };
    check_taken(&options, "choose another port");
    close(fd);
}

TEST(ipv6)
{
    const serve_options options = { .args = plain, .listen = "[::1]:0" };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    char request[128], answer[512];
    serve_process server;

    if (fd < 0 || bind(fd, (struct sockaddr *)&in6, sizeof in6) != 0)
        SKIP("no IPv6 here");
    close(fd);
    serve_spawn(&server, &options);
    serve_await(&server, "ready: ");
    CHECK(server.port > 0);
    in6.sin6_port = htons((uint16_t)server.port);
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&in6, sizeof in6) == 0);
    snprintf(request, sizeof request,
             "GET /ping HTTP/1.1\r\nHost: [::1]:%u\r\n\r\n", server.port);
    CHECK(send_all(fd, request, strlen(request)));
    ssize_t n = recv(fd, answer, sizeof answer - 1, 0);
    CHECK(n > 0);
    answer[n] = '\0';
    CHECK_HAS(answer, "HTTP/1.1 200 OK");
    close(fd);
    CHECK_INT(serve_stop(&server), 0);
}

/* ---- the service manager ----------------------------------------------- */

TEST(socket_activation_over_two_lives)
{
    unsigned port;
    int fd = listen_loopback(&port);
    serve_options options = { .args = plain, .listen_fd = fd };
    serve_process server;

    CHECK(fd >= 0);
    serve_spawn(&server, &options);
    serve_await(&server, "ready: ");
    CHECK_INT(server.port, port);
    check_ping(&server);
    CHECK_INT(serve_stop(&server), 0);
    /* Between two lives the manager's socket takes connections. */
    server.port = port;
    wire w = wire_open(&server);
    CHECK(wire_puts(&w, "GET /ping HTTP/1.1\r\n" HOST "\r\n"));
    CHECK(wire_silent(&w, 50));
    serve_spawn(&server, &options);
    http_answer answer = wire_answer(&w, false);
    CHECK_STR(answer.body, "pong");
    http_free(&answer);
    wire_close(&w);
    serve_await(&server, "ready: ");
    CHECK_INT(serve_stop(&server), 0);
    close(fd);
}

TEST(a_unix_socket_of_the_manager_stays)
{
    const char *path = test_path("given");
    int fd = unix_socket(path, SOCK_STREAM);
    serve_options options = { .args = plain, .listen_fd = fd };
    serve_process server;

    CHECK(listen(fd, 16) == 0);
    serve_spawn(&server, &options);
    snprintf(server.path, sizeof server.path, "%s", path);
    serve_await(&server, "ready: ");
    check_ping(&server);
    CHECK_INT(serve_stop(&server), 0);
    CHECK(exists(path));
    close(fd);
}

TEST(sockets_of_the_manager_that_cannot_be_taken)
{
    const char *const twice[] = { "--model", "tests/data/tiny", "--listen",
                                  "127.0.0.1:0", NULL };
    unsigned port;
    int fd = listen_loopback(&port);
    int deaf = socket(AF_INET, SOCK_STREAM, 0);
    const serve_options two = { .args = plain,
                                .listen_fd = fd,
                                .listen_fds = "2" };
    const serve_options silent = { .args = plain, .listen_fd = deaf };
    const serve_options both = { .args = twice, .listen_fd = fd };
    serve_process server;

    CHECK(fd >= 0 && deaf >= 0);
    check_taken(&two, "one socket is taken");
    check_taken(&silent, "no socket that listens");
    check_taken(&both, "the service manager gave a socket too");
    close(fd);
    close(deaf);
    /* What was meant for another process is not looked at. */
    const char *const env[] = { "LISTEN_PID", "1", "LISTEN_FDS", "1", NULL };
    const serve_options other = { .args = plain, .env = env };
    serve_spawn(&server, &other);
    serve_await(&server, "ready: ");
    check_ping(&server);
    CHECK_INT(serve_stop(&server), 0);
}

/* The next message to the manager; "" after ten seconds. */
static const char *next_message(int fd)
{
    static char message[256];
    struct pollfd p = { .fd = fd, .events = POLLIN };
    ssize_t n = poll(&p, 1, 10000) > 0 ? recv(fd, message, 255, 0) : 0;

    message[n > 0 ? n : 0] = '\0';
    return message;
}

/* The next one that is no WATCHDOG=1; *fed counts those. */
static const char *next_other(int fd, int *fed)
{
    const char *message;

    while (strcmp(message = next_message(fd), "WATCHDOG=1") == 0)
        ++*fed;
    return message;
}

TEST(what_the_manager_is_told)
{
    const char *path = test_path("notify");
    const char *const env[] = { "NOTIFY_SOCKET", path, "WATCHDOG_USEC",
                                "100000", NULL };
    const serve_options options = { .args = plain, .env = env };
    int fd = unix_socket(path, SOCK_DGRAM), fed = 0;
    serve_process server;

    serve_spawn(&server, &options);
    CHECK_STR(next_other(fd, &fed), "READY=1");
    serve_await(&server, "ready: ");
    for (int i = 0; i < 3; i++)
        CHECK_STR(next_message(fd), "WATCHDOG=1");
    kill(server.pid, SIGHUP);
    const char *reloading = next_other(fd, &fed);
    CHECK(strncmp(reloading, "RELOADING=1\nMONOTONIC_USEC=", 27) == 0);
    CHECK(strspn(reloading + 27, "0123456789") == strlen(reloading + 27));
    CHECK_STR(next_other(fd, &fed), "READY=1");
    kill(server.pid, SIGTERM);
    CHECK_STR(next_other(fd, &fed), "STOPPING=1");
    CHECK_INT(serve_end(&server), 0);
    close(server.log);
    close(fd);
    unlink(path);
}

/* Threads of this server: the batcher's, the listener's, the first loader's;
 * the fourth, of a reload, is refused once. */
#define SHIM_FOURTH_THREAD "32:4:0" /* SHIM_THREAD, SHIM_ONCE */

TEST(a_reload_without_a_thread_ends)
{
    static const char *const args[] = { "--model", "tests/data/tiny",
                                        "--threads", "1", NULL };
    const char *path = test_path("notify"), *bin = getenv("CLIPC_BIN");
    char shim[512];

#ifndef __GLIBC__
    SKIP("a static program loads no shim");
#endif
    snprintf(shim, sizeof shim, "%s/tests/support/shim.so", bin ? bin : "");
    if (SANITIZED || access(shim, R_OK) != 0)
        SKIP("the shim that refuses a thread cannot be loaded here");
    const char *const env[] = {
        "NOTIFY_SOCKET",    path, "LD_PRELOAD", shim, "SHIM",
        SHIM_FOURTH_THREAD, NULL
    };
    const serve_options options = { .args = args, .env = env };
    int fd = unix_socket(path, SOCK_DGRAM);
    serve_process server;

    serve_spawn(&server, &options);
    CHECK_STR(next_message(fd), "READY=1");
    serve_await(&server, "ready: ");
    kill(server.pid, SIGHUP);
    CHECK(strncmp(next_message(fd), "RELOADING=1", 11) == 0);
    CHECK_STR(next_message(fd), "READY=1");
    serve_await(&server, "cannot start a thread");
    serve_await(&server, "the model before stays");
    /* The next one is loaded. */
    kill(server.pid, SIGHUP);
    CHECK(strncmp(next_message(fd), "RELOADING=1", 11) == 0);
    CHECK_STR(next_message(fd), "READY=1");
    CHECK(serve_metric(&server, "clipc_model_generation") == 2);
    CHECK_INT(serve_stop(&server), 0);
    close(fd);
    unlink(path);
}

TEST(an_abstract_socket_and_a_watchdog_of_another)
{
    char name[64], at[80];
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    serve_process server;

    snprintf(name, sizeof name, "clipc-test-%ld", (long)getpid());
    snprintf(at, sizeof at, "@%s", name);
    memcpy(un.sun_path + 1, name, strlen(name));
    CHECK(fd >= 0);
    CHECK(bind(fd, (struct sockaddr *)&un,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                           strlen(name))) == 0);
    const char *const env[] = { "NOTIFY_SOCKET",
                                at,
                                "WATCHDOG_USEC",
                                "100000",
                                "WATCHDOG_PID",
                                "1",
                                NULL };
    const serve_options options = { .args = plain, .env = env };
    serve_spawn(&server, &options);
    CHECK_STR(next_message(fd), "READY=1");
    serve_await(&server, "ready: ");
    pause_ms(200);
    kill(server.pid, SIGTERM);
    CHECK_STR(next_message(fd), "STOPPING=1"); /* and no WATCHDOG=1 */
    CHECK_INT(serve_end(&server), 0);
    close(server.log);
    close(fd);
}
