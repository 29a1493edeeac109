/* SPDX-License-Identifier: MIT
 *
 * test_torn.c - clients of the running server that vanish or are slow: their
 * places are given back, nothing stays open, and others are served.
 */
#include "support/serve_client.h"
#include "support/sockets.h"
#include "support/test.h"
#include "support/wire.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HOST "Host: 127.0.0.1\r\n"
#define PICTURE "tests/data/images/pictures/420.jpg"
#define ADMITTED "clipc_admitted_requests"
#define SLOW "clipc_rejected_total{reason=\"slow\"}"

static serve_process server;
static char *picture;
static size_t n_picture, idle_descriptors;

static size_t n_descriptors(void)
{
    char path[64];
    size_t n = 0;

    snprintf(path, sizeof path, "/proc/%ld/fd", (long)server.pid);
    DIR *folder = opendir(path);
    if (!folder)
        SKIP("no %s", path);
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

static long resident_kilobytes(void)
{
    char path[64], text[4096];
    size_t n;

    snprintf(path, sizeof path, "/proc/%ld/status", (long)server.pid);
    FILE *file = fopen(path, "r");
    CHECK(file);
    n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *line = strstr(text, "VmRSS:");
    CHECK(line);
    return atol(line + 6);
}

static void stop(void)
{
    serve_stop(&server);
}

static void start(void)
{
    static const char *const args[] = { "--model",
                                        "tests/data/tiny",
                                        "--quiet",
                                        "--allow-private",
                                        "--client-timeout",
                                        "1",
                                        NULL };

    if (server.pid)
        return;
    serve_start(&server, args);
    picture = test_read(PICTURE, &n_picture);
    idle_descriptors = n_descriptors();
    atexit(stop);
}

/* Threads of connections end after their clients. */
static void check_descriptors(void)
{
    size_t n = 0;

    for (int tries = 0; tries < 500; tries++) {
        n = n_descriptors();
        if (n == idle_descriptors)
            return;
        pause_ms(10);
    }
    FAIL("%zu descriptors, not %zu", n, idle_descriptors);
}

static void send_picture(wire *w)
{
    char head[512];

    snprintf(head, sizeof head,
             "POST /v1/classify?labels=a,b HTTP/1.1\r\n" HOST
             "Content-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n",
             n_picture);
    CHECK(wire_puts(w, head));
    CHECK(wire_send(w, picture, n_picture));
}

static int status_of(wire *w)
{
    http_answer answer = wire_answer(w, false);
    int status = answer.status;

    http_free(&answer);
    return status;
}

static void check_well(void)
{
    wire w = wire_open(&server);

    send_picture(&w);
    CHECK_INT(status_of(&w), 200);
    wire_close(&w);
}

/* ---- vanishing --------------------------------------------------------- */

/* The places where a client may vanish. */
typedef enum place {
    CONNECTED,
    IN_LINE,
    IN_HEAD,
    BEFORE_BODY,
    IN_BODY,
    WAITING,
    IN_ANSWER,
    BETWEEN,
    N_PLACES
} place;

static void vanish(place where, bool reset)
{
    wire w = where == IN_ANSWER ? wire_open_small(&server)
                                : wire_open(&server);

    switch (where) {
    case CONNECTED: break;
    case IN_LINE: wire_puts(&w, "POST /v1/cla"); break;
    case IN_HEAD:
        wire_puts(&w, "POST /v1/classify HTTP/1.1\r\nHost: 1");
        break;
    case BEFORE_BODY:
        wire_puts(&w, "POST /v1/classify HTTP/1.1\r\n" HOST
                      "Content-Length: 1000\r\n\r\n");
        break;
    case IN_BODY:
        wire_puts(&w, "POST /v1/classify HTTP/1.1\r\n" HOST
                      "Content-Length: 1000\r\n\r\nabc");
        break;
    case WAITING: send_picture(&w); break;
    case IN_ANSWER:
        for (int i = 0; i < 40; i++)
            wire_puts(&w, "GET /metrics HTTP/1.1\r\n" HOST "\r\n");
        break;
    default: send_picture(&w); CHECK_INT(status_of(&w), 200);
    }
    if (reset)
        wire_reset(&w);
    else
        wire_close(&w);
}

TEST(clients_that_vanish_leave_nothing_behind)
{
    start();
    check_well();
    long memory = 0;
    for (int round = 0; round < 30; round++) {
        for (int where = 0; where < N_PLACES; where++) {
            vanish((place)where, false);
            vanish((place)where, true);
        }
        if (round == 9) { /* stacks and arenas are there now */
            check_descriptors();
            memory = resident_kilobytes();
        }
    }
    check_descriptors();
    serve_await_metric(&server, ADMITTED, 0);
    check_well();
    check_descriptors();
    if (!SANITIZED && !emulated())
        CHECK(resident_kilobytes() < memory + 4096);
}

/* The work of a client that left while its URL is fetched is dropped long
 * before the deadline of a minute. */
TEST(a_client_that_leaves_while_waiting_is_noticed)
{
    unsigned port;
    char line[256];

    if (!CLIPC_CURL)
        SKIP("built without libcurl");
    start();
    int fd = listen_loopback(&port);
    CHECK(fd >= 0);
    wire w = wire_open(&server);
    snprintf(
        line, sizeof line,
        "POST /v1/classify?url=http://127.0.0.1:%u/a.jpg HTTP/1.1\r\n" HOST
        "Content-Length: 0\r\n\r\n",
        port);
    CHECK(wire_puts(&w, line));
    serve_await_metric(&server, ADMITTED, 1);
    wire_close(&w);
    serve_await_metric(&server, ADMITTED, 0); /* within ten seconds */
    close(fd);
}

/* ---- slowness ---------------------------------------------------------- */

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Who has begun a request learns why it ends. */
static void check_408(wire *w, bool begun)
{
    CHECK(wire_drain(w, 5000));
    CHECK(!begun || w->n > 0);
    CHECK(begun || w->n == 0);
    if (!begun)
        return;
    http_answer answer = wire_answer(w, false);
    CHECK_INT(answer.status, 408);
    CHECK_STR(http_header(&answer, "Connection"), "close");
    CHECK_STR(http_header(&answer, "Content-Type"),
              "application/problem+json");
    json_t *json = http_json(answer, 408);
    CHECK_STR(json_string_value(json_object_get(json, "code")), "timeout");
    json_decref(json);
    CHECK_INT(w->n, 0);
}

/* A slow head, a slow second head, a slow body, the body of a refused request,
 * which would be read for nothing, and a client that sends nothing at all: each
 * is cut after a second, though bytes keep coming. */
TEST(slow_senders_are_cut)
{
    static const char *const begins[] = {
        "GET /ping HTTP/1.1\r\n" HOST "X: ",
        "GET /ping HTTP/1.1\r\n" HOST "\r\nGET /ping HTTP/1.1\r\n" HOST "X: ",
        "POST /v1/classify HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n",
        "POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n",
        "",
    };
    enum { N = sizeof begins / sizeof *begins, SECOND_HEAD = 1, SILENT = 4 };
    double took[N] = { 0 };
    size_t n_left = N;
    wire w[N];

    start();
    double before = serve_metric(&server, SLOW), begun = seconds_now();
    for (size_t i = 0; i < N; i++) {
        w[i] = wire_open(&server);
        CHECK(wire_puts(&w[i], begins[i]));
    }
    CHECK_INT(status_of(&w[SECOND_HEAD]), 200);
    while (n_left > 0 && seconds_now() - begun < 30) {
        for (size_t i = 0; i < N; i++) {
            if (took[i] > 0)
                continue;
            if ((i == SILENT || wire_send(&w[i], "a", 1)) &&
                wire_silent(&w[i], 20))
                continue;
            took[i] = seconds_now() - begun;
            n_left--;
            check_408(&w[i], i != SILENT);
        }
    }
    for (size_t i = 0; i < N; i++) {
        if (took[i] < 0.7 || took[i] > 15)
            FAIL("case %zu: cut after %.1f s", i, took[i]);
        wire_close(&w[i]);
    }
    serve_await_metric(&server, SLOW, before + N);
    serve_await_metric(&server, ADMITTED, 0);
    check_well();
}

/* A body that is slow but steady passes: it may take a tenth of a second more
 * for every 16 KiB. */
TEST(a_steady_body_is_not_cut)
{
    start();
    enum { PIECE = 65536, PIECES = 12 };
    char head[256], *zeros = calloc(1, PIECE);

    CHECK(zeros);
    wire w = wire_open(&server);
    snprintf(head, sizeof head,
             "POST /v1/classify HTTP/1.1\r\n" HOST
             "Content-Length: %d\r\n\r\n",
             PIECE * PIECES);
    CHECK(wire_puts(&w, head));
    for (int i = 0; i < PIECES; i++) {
        CHECK(wire_send(&w, zeros, PIECE));
        pause_ms(150);
    }
    CHECK_INT(status_of(&w), 415);
    wire_close(&w);
    free(zeros);
}

/* A client that does not read its answers is cut, and its thread ends. The
 * answers are more than the buffers of both sides hold. */
TEST(a_client_that_does_not_read_is_cut)
{
    static const char ask[] =
        "GET /v1/labels?list=car-labels HTTP/1.1\r\n" HOST "\r\n";

    start();
    double slow = serve_metric(&server, SLOW);
    wire w = wire_open_small(&server);
    for (int i = 0; i < 3000; i++)
        if (!wire_puts(&w, ask))
            FAIL("closed at once");
    serve_await_metric(&server, SLOW, slow + 1);
    wire_close(&w);
    check_descriptors();
    check_well();
}

TEST(the_server_ends_well)
{
    start();
    free(picture);
    CHECK_INT(serve_stop(&server), 0);
}
