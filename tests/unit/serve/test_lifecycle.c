/* SPDX-License-Identifier: MIT
 *
 * test_lifecycle.c - start, drain and reload of the running server.
 */
#include "support/serve_client.h"
#include "support/test.h"
#include "support/wire.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#define HOST "Host: 127.0.0.1\r\n"
#define PICTURE "tests/data/images/pictures/420.jpg"

static void check_answer(const serve_process *server, const char *path,
                         int status, const char *body)
{
    http_answer answer = http_get(server->port, path, NULL);

    if (answer.status != status)
        FAIL("%s: status %d, not %d", path, answer.status, status);
    CHECK_HAS(answer.body, body);
    http_free(&answer);
}

static void check_refused(const serve_process *server, const char *code)
{
    static const char *const paths[] = { "/v1/classify", "/v1/embeddings",
                                         "/predict", "/hf", "/vectorize" };

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        http_answer answer = http_post(server->port, paths[i],
                                       "application/json", "{}", 2);
        if (answer.status != 503)
            FAIL("%s: status %d", paths[i], answer.status);
        CHECK_STR(http_header(&answer, "Retry-After"), "1");
        if (i == 0)
            CHECK_HAS(answer.body, code);
        http_free(&answer);
    }
}

/* Labels that a loading server waits for: a pipe. */
static const char *make_pipe(void)
{
    const char *path = test_path("labels");

    unlink(path);
    if (mkfifo(path, 0600) != 0)
        FAIL("mkfifo: no pipe");
    return path;
}

static void fill_pipe(const char *path, const char *labels)
{
    int fd = open(path, O_WRONLY); /* waits for the server */

    CHECK(fd >= 0);
    CHECK(write(fd, labels, strlen(labels)) == (ssize_t)strlen(labels));
    close(fd);
}

/* ---- start ------------------------------------------------------------- */

TEST(a_server_that_loads_answers_503)
{
    const char *labels = make_pipe();
    const char *const args[] = { "--model", "tests/data/tiny", "--labels",
                                 labels, NULL };
    const serve_options options = { .args = args };
    serve_process server;

    serve_spawn(&server, &options);
    serve_await(&server, "listening on ");
    check_answer(&server, "/healthz", 200, "ok");
    check_answer(&server, "/readyz", 503, "starting");
    check_answer(&server, "/.well-known/ready", 503, "");
    check_answer(&server, "/ping", 200, "pong");
    check_answer(&server, "/v1/models", 200, "\"data\":[]");
    check_answer(&server, "/v1/labels", 200, "\"default\":null");
    check_answer(&server, "/meta", 200, "clipc-serve");
    check_answer(&server, "/metrics", 200, "clipc_rejected_total");
    check_refused(&server, "\"code\":\"starting\"");
    fill_pipe(labels, "a cat\na dog\n");
    serve_await(&server, "ready: ");
    check_answer(&server, "/readyz", 200, "ready");
    check_answer(&server, "/v1/labels?list=", 200, "[\"a cat\",\"a dog\"]");
    CHECK_INT(serve_stop(&server), 0);
}

TEST(a_server_that_loads_can_be_ended)
{
    const char *labels = make_pipe();
    const char *const args[] = { "--model", "tests/data/tiny", "--labels",
                                 labels, NULL };
    const serve_options options = { .args = args };
    serve_process server;

    serve_spawn(&server, &options);
    serve_await(&server, "listening on ");
    check_answer(&server, "/readyz", 503, "starting");
    CHECK_INT(serve_stop(&server), 0);
}

TEST(starts_that_fail)
{
    const char *key = test_path("key"), *empty = test_path("empty");
    const char *const cases[][4] = {
        /* option, value, "exit status", message */
        { "--model", "/nowhere", "3", "/nowhere" },
        { "--labels", "/nowhere", "3", "/nowhere" },
        { "--labels", empty, "3", "empty" },
        { "--templates", "/nowhere", "3", "/nowhere" },
        { "--api-key", "/nowhere", "3", "/nowhere" },
        { "--api-key", key, "3", "at least 16 printable characters" },
        { "--api-key", empty, "3", "at least 16 printable characters" },
        { "--api-key", "/dev/zero", "3", "/dev/zero" },
        { "--max-queue", "0", "2", "--max-queue" },
        { "--max-batch", "257", "2", "--max-batch" },
        { "--max-body", "2G", "2", "--max-body" },
        { "--client-timeout", "x", "2", "--client-timeout" },
        { "--log-format", "xml", "2", "--log-format" },
        { "--immich-upstream", "ftp://a", "2", "--immich-upstream" },
        { "operand", NULL, "2", "no operand is taken" },
    };

    test_write(key, "short\n", 6);
    test_write(empty, "", 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const args[] = { "--model", "tests/data/tiny", cases[i][0],
                                     cases[i][1], NULL };
        const serve_options options = { .args = args };
        serve_process server;
        serve_spawn(&server, &options);
        int status = serve_end(&server);
        char *log = serve_log_text(&server);
        if (status != atoi(cases[i][2]))
            FAIL("%s: exit status %d: %s", cases[i][0], status, log);
        CHECK_HAS(log, cases[i][3]);
        free(log);
        close(server.log);
    }
}

/* ---- drain ------------------------------------------------------------- */

static const char *const plain[] = { "--model", "tests/data/tiny", NULL };

/* A request of which a part of the body has come. */
static wire begin(const serve_process *server)
{
    wire w = wire_open(server);

    CHECK(wire_puts(&w, "POST /vectorize HTTP/1.1\r\n" HOST
                        "Content-Length: 17\r\n\r\n{\"texts\""));
    serve_await_metric(server, "clipc_admitted_requests", 1);
    return w;
}

/* A connection that is open, kept by the server. */
static wire keep(const serve_process *server)
{
    wire w = wire_open(server);
    http_answer answer;

    CHECK(wire_puts(&w, "GET /ping HTTP/1.1\r\n" HOST "\r\n"));
    answer = wire_answer(&w, false);
    CHECK_INT(answer.status, 200);
    http_free(&answer);
    return w;
}

static bool can_connect(const serve_process *server)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)server->port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool good = connect(fd, (struct sockaddr *)&in, sizeof in) == 0;
    close(fd);
    return good;
}

TEST(sigterm_lets_running_requests_end)
{
    serve_process server;

    serve_start(&server, plain);
    wire running = begin(&server), idle = keep(&server);
    wire open = wire_open(&server); /* nothing was sent on this one */
    pause_ms(50);
    kill(server.pid, SIGTERM);
    CHECK(wire_ends(&idle, 5000));
    for (int tries = 0; tries < 100 && can_connect(&server); tries++)
        pause_ms(10);
    CHECK(!can_connect(&server));
    /* What comes on a connection that is open is refused, and it closes. */
    CHECK(wire_puts(&open, "POST /vectorize HTTP/1.1\r\n" HOST
                           "Content-Length: 2\r\n\r\n{}"));
    http_answer answer = wire_answer(&open, false);
    CHECK_INT(answer.status, 503);
    CHECK_STR(http_header(&answer, "Connection"), "close");
    CHECK_STR(http_header(&answer, "Retry-After"), "1");
    http_free(&answer);
    CHECK(wire_ends(&open, 5000));
    /* The one that ran is answered. */
    CHECK(wire_puts(&running, ":[\"cat\"]}"));
    answer = wire_answer(&running, false);
    CHECK_INT(answer.status, 200);
    CHECK_STR(http_header(&answer, "Connection"), "close");
    CHECK_HAS(answer.body, "textVectors");
    http_free(&answer);
    CHECK(wire_ends(&running, 5000));
    CHECK_INT(serve_end(&server), 0);
    wire_close(&running);
    wire_close(&idle);
    wire_close(&open);
    close(server.log);
}

TEST(a_second_signal_ends_at_once)
{
    serve_process server;

    serve_start(&server, plain);
    wire running = begin(&server);
    kill(server.pid, SIGTERM);
    pause_ms(300);
    kill(server.pid, SIGINT);
    CHECK_INT(serve_end(&server), 1);
    CHECK(wire_drain(&running, 5000));
    CHECK_INT(running.n, 0);
    wire_close(&running);
    close(server.log);
}

TEST(the_drain_has_an_end)
{
    static const char *const args[] = { "--model", "tests/data/tiny",
                                        "--drain-timeout", "300ms", NULL };
    serve_process server;

    serve_start(&server, args);
    wire running = begin(&server);
    kill(server.pid, SIGINT);
    CHECK_INT(serve_end(&server), 1);
    char *log = serve_log_text(&server);
    CHECK_HAS(log, "1 requests were cut short after --drain-timeout");
    free(log);
    wire_close(&running);
    close(server.log);
}

/* ---- reload ------------------------------------------------------------ */

static void copy_tiny(const char *to)
{
    char command[256];

    snprintf(command, sizeof command, "cp -r tests/data/tiny '%s'", to);
    CHECK_INT(system(command), 0);
}

static atomic_int stop_asking, n_answered, n_failed;

/* Asks over one connection until told to stop. */
static void *ask_on(void *arg)
{
    const serve_process *server = arg;
    size_t n;
    char *picture = test_read(PICTURE, &n), head[512];
    wire w = wire_open(server);

    snprintf(head, sizeof head,
             "POST /v1/classify?labels=a+cat,a+dog HTTP/1.1\r\n" HOST
             "Content-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n",
             n);
    while (!atomic_load(&stop_asking)) {
        bool sent = wire_puts(&w, head) && wire_send(&w, picture, n);
        http_answer answer = wire_answer(&w, false);
        atomic_fetch_add(sent && answer.status == 200 ? &n_answered
                                                      : &n_failed,
                         1);
        http_free(&answer);
    }
    wire_close(&w);
    free(picture);
    return NULL;
}

TEST(sighup_changes_the_model_without_a_lost_request)
{
    const char *folder = test_path("model"), *labels = test_path("names");
    char config[256];
    const char *const args[] = { "--model", folder,    "--labels",
                                 labels,    "--quiet", NULL };
    serve_process server;
    pthread_t threads[4];
    size_t n;

    copy_tiny(folder);
    test_write(labels, "one\ntwo\n", 8);
    serve_start(&server, args);
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, ask_on, &server) == 0);
    for (int i = 2; i <= 4; i++) {
        int seen = atomic_load(&n_answered);
        kill(server.pid, SIGHUP);
        serve_await_metric(&server, "clipc_model_generation", i);
        while (atomic_load(&n_answered) < seen + 8 && !atomic_load(&n_failed))
            pause_ms(5);
    }
    /* Labels are read again. */
    test_write(labels, "one\ntwo\nthree\n", 14);
    kill(server.pid, SIGHUP);
    serve_await_metric(&server, "clipc_model_generation", 5);
    check_answer(&server, "/v1/labels?list=", 200,
                 "[\"one\",\"two\",\"three\"]");
    /* A broken model: the one before stays. */
    snprintf(config, sizeof config, "%s/config.json", folder);
    char *good = test_read(config, &n);
    test_write(config, "{", 1);
    kill(server.pid, SIGHUP);
    serve_await(&server, "the model before stays");
    char *log = serve_log_text(&server);
    CHECK_HAS(log, "config.json");
    free(log);
    check_answer(&server, "/readyz", 200, "ready");
    CHECK(serve_metric(&server, "clipc_model_generation") == 5);
    test_write(config, good, n);
    free(good);
    kill(server.pid, SIGHUP);
    serve_await_metric(&server, "clipc_model_generation", 6);
    atomic_store(&stop_asking, 1);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(atomic_load(&n_failed), 0);
    CHECK(atomic_load(&n_answered) > 20);
    CHECK_INT(serve_stop(&server), 0);
}

/* The label sets of a model that is gone are forgotten. */
TEST(a_reload_empties_the_cache_of_labels)
{
    serve_process server;
    size_t n;

    serve_start(&server, plain); /* first: it may skip the test */
    char *picture = test_read(PICTURE, &n), path[64];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/v1/classify?labels=a%d,b", i);
        http_answer answer = http_post(server.port, path, "image/jpeg",
                                       picture, n);
        CHECK_INT(answer.status, 200);
        http_free(&answer);
    }
    CHECK(serve_metric(&server, "clipc_label_sets") == 3);
    kill(server.pid, SIGHUP);
    serve_await_metric(&server, "clipc_model_generation", 2);
    serve_await_metric(&server, "clipc_label_sets", 0);
    free(picture);
    CHECK_INT(serve_stop(&server), 0);
}

enum { MANY_LABELS = 20000 };

/* Asks with so many labels that making them outlasts a reload. */
static void *ask_with_many_labels(void *arg)
{
    const serve_process *server = arg;
    const size_t room = 16 * MANY_LABELS + 200;
    char *body = malloc(room);
    size_t n = 0;

    CHECK(body != NULL);
    n += (size_t)snprintf(body, room,
                          "{\"image\": {\"data\": \"data:image/png;base64,"
                          "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADU"
                          "lEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==\"},"
                          "\"labels\": [");
    for (int i = 0; i < MANY_LABELS; i++)
        n += (size_t)snprintf(body + n, room - n, "%s\"car %d\"", i ? "," : "",
                              i);
    n += (size_t)snprintf(body + n, room - n, "]}");
    http_answer *answer = malloc(sizeof *answer);
    CHECK(answer != NULL);
    *answer = http_post(server->port, "/v1/classify", "application/json", body,
                        n);
    free(body);
    return answer;
}

TEST(labels_made_for_a_model_that_is_gone_are_not_kept)
{
    const char *const args[] = { "--model", "tests/data/tiny", "--max-labels",
                                 "20000",   "--quiet",         NULL };
    serve_process server;
    pthread_t thread;
    void *answer;

    serve_start(&server, args);
    CHECK(pthread_create(&thread, NULL, ask_with_many_labels, &server) == 0);
    serve_await_metric(&server, "clipc_label_sets", 1);
    kill(server.pid, SIGHUP);
    serve_await_metric(&server, "clipc_model_generation", 2);
    pthread_join(thread, &answer);
    CHECK_INT(((http_answer *)answer)->status, 200);
    http_free(answer);
    free(answer);
    CHECK(serve_metric(&server, "clipc_label_sets") == 0);
    CHECK_INT(serve_stop(&server), 0);
}

/* Signals that come during a load are not lost, and many are one. */
TEST(sighup_during_a_load_loads_once_more)
{
    const char *labels = make_pipe();
    const char *const args[] = { "--model", "tests/data/tiny", "--labels",
                                 labels, NULL };
    const serve_options options = { .args = args };
    serve_process server;

    serve_spawn(&server, &options);
    serve_await(&server, "listening on ");
    pause_ms(150);
    for (int i = 0; i < 3; i++)
        kill(server.pid, SIGHUP);
    pause_ms(150);
    fill_pipe(labels, "a cat\na dog\n");
    serve_await(&server, "ready: ");
    check_answer(&server, "/readyz", 200, "ready");
    fill_pipe(labels, "a cat\na dog\na cow\n");
    serve_await_metric(&server, "clipc_model_generation", 2);
    check_answer(&server, "/v1/labels?list=", 200,
                 "[\"a cat\",\"a dog\",\"a cow\"]");
    CHECK_INT(serve_stop(&server), 0);
}
