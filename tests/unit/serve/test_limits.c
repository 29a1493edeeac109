/* SPDX-License-Identifier: MIT
 *
 * test_limits.c - the bounds of the running server: bodies, requests at once,
 * batches, inputs, labels, connections, seconds; gates and budgets by
 * themselves.
 */
#include "serve/gate.h"
#include "support/serve_client.h"
#include "support/sockets.h"
#include "support/test.h"
#include "support/wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PICTURE "tests/data/images/pictures/420.jpg"
#define HOST "Host: 127.0.0.1\r\n"

enum { QUEUE = 6, BODY = 65536 };

static serve_process server;

static void stop(void)
{
    serve_stop(&server);
}

static void start(void)
{
    static const char *const args[] = {
        "--model", "tests/data/tiny",   "--quiet", "--max-queue",
        "6",       "--max-body",        "64K",     "--max-inputs",
        "3",       "--max-labels",      "4",       "--max-batch",
        "2",       "--request-timeout", "1",       "--allow-private",
        NULL
    };

    if (server.pid)
        return;
    serve_start(&server, args);
    atexit(stop);
}

static int status_of(wire *w)
{
    http_answer answer = wire_answer(w, false);
    int status = answer.status;

    http_free(&answer);
    return status;
}

/* ---- places ------------------------------------------------------------ */

#define ADMITTED "clipc_admitted_requests"

/* A request whose body does not come holds a place. */
static wire hold(size_t bytes)
{
    char head[256];
    wire w = wire_open(&server);

    snprintf(head, sizeof head,
             "POST /v1/classify HTTP/1.1\r\n" HOST
             "Content-Length: %zu\r\n\r\n",
             bytes);
    CHECK(wire_puts(&w, head));
    return w;
}

static http_answer post_small(const char *path)
{
    return http_post(server.port, path, "application/json", "[]", 2);
}

TEST(more_requests_than_max_queue_get_429)
{
    static const char *const paths[] = { "/v1/classify", "/v1/embeddings",
                                         "/embeddings",  "/hf",
                                         "/vectorize",   "/" };
    wire held[QUEUE];

    start();
    double before = serve_metric(&server,
                                 "clipc_rejected_total{reason=\"busy\"}");
    for (size_t i = 0; i < QUEUE; i++)
        held[i] = hold(10);
    serve_await_metric(&server, ADMITTED, QUEUE);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        http_answer answer = post_small(paths[i]);
        if (answer.status != 429)
            FAIL("%s: status %d", paths[i], answer.status);
        CHECK_STR(http_header(&answer, "Retry-After"), "1");
        http_free(&answer);
    }
    CHECK(serve_metric(&server, "clipc_rejected_total{reason=\"busy\"}") ==
          before + sizeof paths / sizeof *paths);
    /* What needs no place is answered. */
    http_answer answer = http_get(server.port, "/readyz", NULL);
    CHECK_INT(answer.status, 200);
    http_free(&answer);
    /* One place is free: by an answer, and by a client that left. */
    CHECK(wire_puts(&held[0], "0123456789"));
    CHECK_INT(status_of(&held[0]), 415);
    answer = post_small("/v1/classify");
    CHECK_INT(answer.status, 400);
    http_free(&answer);
    wire_close(&held[0]);
    held[0] = hold(10);
    serve_await_metric(&server, ADMITTED, QUEUE);
    wire_close(&held[1]);
    serve_await_metric(&server, ADMITTED, QUEUE - 1);
    for (size_t i = 0; i < QUEUE; i++)
        wire_reset(&held[i]);
    serve_await_metric(&server, ADMITTED, 0);
}

#define BODY_BYTES "clipc_body_bytes"

/* Requests whose bodies lack a byte; together they have `n` bytes for each. */
static void hold_bytes(wire *held, size_t n_held, size_t n)
{
    char *zeros = calloc(1, n);

    CHECK(zeros);
    for (size_t i = 0; i < n_held; i++) {
        held[i] = hold(n + 1);
        CHECK(wire_send(&held[i], zeros, n));
    }
    serve_await_metric(&server, BODY_BYTES, (double)(n_held * n));
    free(zeros);
}

/* What is announced is no byte yet. */
TEST(bodies_that_do_not_come_take_no_bytes)
{
    wire held[4];

    start();
    for (size_t i = 0; i < 4; i++)
        held[i] = hold(BODY);
    serve_await_metric(&server, ADMITTED, 4);
    http_answer answer = post_small("/v1/classify");
    CHECK_INT(answer.status, 400);
    http_free(&answer);
    CHECK(serve_metric(&server, BODY_BYTES) == 0);
    for (size_t i = 0; i < 4; i++)
        wire_close(&held[i]);
    serve_await_metric(&server, ADMITTED, 0);
}

/* Four times --max-body is all that bodies may take together. */
TEST(the_bytes_of_bodies_are_bounded_too)
{
    static const char large[1000];
    wire held[4];

    start();
    hold_bytes(held, 4, BODY - 1);
    for (int i = 0; i < 2; i++) {
        http_answer answer = http_post(server.port, "/v1/classify",
                                       "image/png", large, sizeof large);
        CHECK_INT(answer.status, 429);
        CHECK_HAS(answer.body, "--max-body");
        CHECK_STR(http_header(&answer, "Retry-After"), "1");
        http_free(&answer);
    }
    serve_await_metric(&server, BODY_BYTES, 4 * (BODY - 1));
    /* What there is room for is taken. */
    http_answer answer = post_small("/v1/classify");
    CHECK_INT(answer.status, 400);
    http_free(&answer);
    CHECK(wire_puts(&held[0], "0"));
    CHECK_INT(status_of(&held[0]), 415);
    answer = http_post(server.port, "/v1/classify", "image/png", large,
                       sizeof large);
    CHECK_INT(answer.status, 415);
    http_free(&answer);
    for (size_t i = 0; i < 4; i++)
        wire_close(&held[i]);
    serve_await_metric(&server, BODY_BYTES, 0);
    serve_await_metric(&server, ADMITTED, 0);
}

#define ENTRIES \
    "--x\r\nContent-Disposition: form-data; name=\"entries\"\r\n\r\n" \
    "{\"clip\":{\"textual\":{\"modelName\":\"tiny\"}}}\r\n" \
    "--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\ncat\r\n" \
    "--x--\r\n"

static void send_predict(wire *w)
{
    char head[512];

    snprintf(head, sizeof head,
             "POST /predict HTTP/1.1\r\n" HOST
             "Content-Type: multipart/form-data; boundary=x\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             sizeof ENTRIES - 1, ENTRIES);
    CHECK(wire_puts(w, head));
}

TEST(predict_waits_for_a_place)
{
    wire held[QUEUE], waiting[3];

    start();
    for (size_t i = 0; i < QUEUE; i++)
        held[i] = hold(10);
    serve_await_metric(&server, ADMITTED, QUEUE);
    for (size_t i = 0; i < 3; i++) {
        waiting[i] = wire_open(&server);
        send_predict(&waiting[i]);
    }
    CHECK(wire_silent(&waiting[0], 100));
    /* One that waits leaves; the others are answered. */
    wire_close(&waiting[1]);
    wire_close(&held[0]);
    CHECK_INT(status_of(&waiting[0]), 200);
    CHECK_INT(status_of(&waiting[2]), 200);
    /* The wait has an end. */
    held[0] = hold(10);
    serve_await_metric(&server, ADMITTED, QUEUE);
    send_predict(&waiting[0]);
    CHECK_INT(status_of(&waiting[0]), 504);
    wire_close(&waiting[0]);
    wire_close(&waiting[2]);
    for (size_t i = 0; i < QUEUE; i++)
        wire_close(&held[i]);
    serve_await_metric(&server, ADMITTED, 0);
}

TEST(predict_waits_for_room_for_its_body)
{
    wire held[4], waiting = { .fd = -1 };

    start();
    hold_bytes(held, 4, BODY - 1);
    waiting = wire_open(&server);
    send_predict(&waiting);
    CHECK(wire_silent(&waiting, 100));
    wire_close(&held[0]);
    CHECK_INT(status_of(&waiting), 200);
    /* The wait has an end. */
    held[0] = hold(BODY);
    char *zeros = calloc(1, BODY - 1);
    CHECK(zeros && wire_send(&held[0], zeros, BODY - 1));
    free(zeros);
    serve_await_metric(&server, BODY_BYTES, 4 * (BODY - 1));
    send_predict(&waiting);
    CHECK_INT(status_of(&waiting), 504);
    wire_close(&waiting);
    for (size_t i = 0; i < 4; i++)
        wire_close(&held[i]);
    serve_await_metric(&server, ADMITTED, 0);
}

/* ---- sizes ------------------------------------------------------------- */

TEST(a_body_may_have_max_body_bytes)
{
    start();
    char *zeros = calloc(1, BODY + 1);

    CHECK(zeros);
    http_answer answer = http_post(server.port, "/v1/classify", "image/png",
                                   zeros, BODY);
    CHECK_INT(answer.status, 415);
    http_free(&answer);
    answer = http_post(server.port, "/v1/classify", "image/png", zeros,
                       BODY + 1);
    CHECK_INT(answer.status, 413);
    CHECK_HAS(answer.body, "--max-body allows 65536");
    http_free(&answer);
    free(zeros);
}

TEST(inputs_labels_and_templates_are_counted)
{
    start();
    static const struct {
        const char *path, *body;
        int status;
        const char *says;
    } cases[] = {
        { "/v1/embeddings", "{\"input\":[\"a\",\"b\",\"c\"]}", 200, "" },
        { "/v1/embeddings", "{\"input\":[\"a\",\"b\",\"c\",\"d\"]}", 413,
          "--max-inputs" },
        { "/vectorize", "{\"texts\":[\"a\",\"b\"],\"images\":[\"x\",\"y\"]}",
          413, "--max-inputs" },
    };
    char *body = malloc(BODY), *to = body;
    size_t n;

    CHECK(body);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_answer answer = http_post(server.port, cases[i].path,
                                       "application/json", cases[i].body,
                                       strlen(cases[i].body));
        if (answer.status != cases[i].status)
            FAIL("%s: status %d: %s", cases[i].body, answer.status,
                 answer.body);
        CHECK_HAS(answer.body, cases[i].says);
        http_free(&answer);
    }
    char *picture = test_read(PICTURE, &n);
    static const struct {
        const char *path;
        int status;
    } queries[] = {
        { "/v1/classify?labels=a,b,c,d", 200 },
        { "/v1/classify?labels=a,b,c,d,e", 413 },
        { "/v1/classify?labels=car-labels", 413 },
        { "/v1/classify?label=a&label=b&label=c&label=d&label=e", 413 },
        { "/v1/classify?labels=a,b&k=1000000", 200 },
    };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        http_answer answer = http_post(server.port, queries[i].path,
                                       "image/jpeg", picture, n);
        if (answer.status != queries[i].status)
            FAIL("%s: status %d: %s", queries[i].path, answer.status,
                 answer.body);
        if (answer.status == 413)
            CHECK_HAS(answer.body, "--max-labels allows 4");
        http_free(&answer);
    }
    /* 101 templates. */
    to += sprintf(to, "/v1/classify?labels=a,b");
    for (int i = 0; i < 101; i++)
        to += sprintf(to, "&template={}%d", i);
    http_answer answer = http_post(server.port, body, "image/jpeg", picture,
                                   n);
    CHECK_INT(answer.status, 413);
    http_free(&answer);
    free(picture);
    free(body);
}

/* ---- batches ----------------------------------------------------------- */

TEST(a_picture_may_have_max_bytes)
{
    static const char *const args[] = { "--model",     "demo", "--quiet",
                                        "--max-bytes", "1000", NULL };
    serve_process strict;
    size_t n;

    serve_start(&strict, args); /* first: it may skip the test */
    char *bytes = test_read("weights/demo/examples/red-convertible.png", &n);
    CHECK(n > 1000);
    json_t *answer = http_json(http_post(strict.port, "/v1/classify",
                                         "image/png", bytes, n),
                               413);
    CHECK_STR(json_string_value(json_object_get(answer, "code")), "limit");
    CHECK_STR(json_string_value(json_object_get(answer, "detail")),
              "14384 bytes, over the limit of 1000 (max_bytes)");
    json_decref(answer);
    /* A smaller one is read, and is no picture. */
    json_decref(http_json(http_post(strict.port, "/v1/classify", "image/png",
                                    bytes, 999),
                          400));
    free(bytes);
    CHECK_INT(serve_stop(&strict), 0);
}

TEST(a_batch_has_at_most_max_batch)
{
    start();
    char *head = malloc(1024), *picture;
    wire w[QUEUE];
    size_t n;

    CHECK(head);
    picture = test_read(PICTURE, &n);
    snprintf(head, 1024,
             "POST /v1/classify?labels=a,b HTTP/1.1\r\n" HOST
             "Content-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n",
             n);
    for (size_t i = 0; i < QUEUE; i++) {
        w[i] = wire_open(&server);
        CHECK(wire_puts(&w[i], head));
    }
    serve_await_metric(&server, ADMITTED, QUEUE);
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < QUEUE; i++)
            CHECK(wire_send(&w[i], picture, n));
        for (size_t i = 0; i < QUEUE; i++)
            CHECK_INT(status_of(&w[i]), 200);
        for (size_t i = 0; i < QUEUE && round < 9; i++)
            CHECK(wire_puts(&w[i], head));
    }
    for (size_t i = 0; i < QUEUE; i++)
        wire_close(&w[i]);
    double all = serve_metric(&server, "clipc_batch_size_count");
    CHECK(all >= 10);
    CHECK(serve_metric(&server, "clipc_batch_size_bucket{le=\"2\"}") == all);
    free(head);
    free(picture);
}

/* ---- connections ------------------------------------------------------- */

TEST(connections_are_bounded)
{
    static const char *const args[] = { "--model", "tests/data/tiny",
                                        "--quiet", "--max-connections",
                                        "4",       NULL };
    static const char ping[] = "GET /ping HTTP/1.1\r\n" HOST "\r\n";
    serve_process few;
    wire w[4];

    serve_start(&few, args);
    for (size_t i = 0; i < 4; i++) {
        w[i] = wire_open(&few);
        CHECK(wire_puts(&w[i], ping));
        CHECK_INT(status_of(&w[i]), 200);
    }
    /* One more waits in the queue of the system, or is closed. */
    wire more = wire_open(&few);
    wire_puts(&more, ping);
    CHECK(!wire_drain(&more, 100) || more.n == 0);
    wire_close(&more);
    wire_close(&w[0]);
    int status = 0;
    for (int tries = 0; tries < 100 && status != 200; tries++) {
        w[0] = wire_open(&few);
        wire_puts(&w[0], ping);
        status = status_of(&w[0]);
        wire_close(&w[0]);
        pause_ms(10);
    }
    CHECK_INT(status, 200);
    for (size_t i = 1; i < 4; i++) {
        CHECK(wire_puts(&w[i], ping));
        CHECK_INT(status_of(&w[i]), 200);
        wire_close(&w[i]);
    }
    CHECK_INT(serve_stop(&few), 0);
}

/* ---- seconds ----------------------------------------------------------- */

TEST(a_request_that_takes_too_long_is_answered_504)
{
    char path[128];
    unsigned port;

    if (!CLIPC_CURL)
        SKIP("built without libcurl");
    start();
    int fd = listen_loopback(&port); /* nobody accepts */
    CHECK(fd >= 0);
    snprintf(path, sizeof path, "/v1/classify?url=http://127.0.0.1:%u/a.jpg",
             port);
    http_answer answer = http_post(server.port, path, NULL, "", 0);
    CHECK_INT(answer.status, 504);
    CHECK_HAS(answer.body, "\"code\":\"timeout\"");
    http_free(&answer);
    close(fd);
}

TEST(the_server_ends_well)
{
    start();
    CHECK_INT(serve_stop(&server), 0);
}

/* ---- gates ------------------------------------------------------------- */

static serve_gate gate;
static atomic_int inside, most, done;
static int ends[2]; /* the connection of all requests */

static void *pass(void *arg)
{
    serve_request request = { .fd = ends[0],
                              .deadline_us = serve_now_us() + 60000000 };
    clipc_error err = CLIPC_ERROR_INIT;

    (void)arg;
    for (int i = 0; i < 50; i++) {
        if (serve_gate_enter(&gate, &request, &err) != CLIPC_OK)
            return NULL;
        int now = atomic_fetch_add(&inside, 1) + 1, before;
        while (now > (before = atomic_load(&most)) &&
               !atomic_compare_exchange_weak(&most, &before, now))
            ;
        if (i % 10 == 0)
            pause_ms(1);
        atomic_fetch_sub(&inside, 1);
        serve_gate_leave(&gate);
    }
    atomic_fetch_add(&done, 1);
    return NULL;
}

/* Decoding and fetching are bounded by such a gate. */
TEST(a_gate_lets_so_many_in)
{
    pthread_t threads[16];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(serve_gate_start(&gate, 3));
    for (size_t i = 0; i < 16; i++)
        CHECK(pthread_create(&threads[i], NULL, pass, NULL) == 0);
    for (size_t i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(atomic_load(&done), 16);
    CHECK_INT(atomic_load(&most), 3);
    CHECK_INT(serve_gate_taken(&gate), 0);
    serve_gate_end(&gate);
}

/* Whose time is over, or whose client has left, waits no longer. */
TEST(a_gate_is_not_waited_at_for_ever)
{
    serve_request request = { .fd = ends[0] };
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK(serve_gate_start(&gate, 1));
    CHECK(serve_gate_try(&gate));
    CHECK(!serve_gate_try(&gate));
    CHECK_STATUS(serve_gate_enter(&gate, &request, &err), CLIPC_ERR_TIMEOUT);
    close(ends[1]);
    CHECK_STATUS(serve_gate_enter(&gate, &request, &err), CLIPC_ERR_CANCELLED);
    serve_gate_leave(&gate);
    CHECK(serve_gate_try(&gate));
    serve_gate_leave(&gate);
    serve_gate_end(&gate);
    close(ends[0]);
}

/* ---- budgets ----------------------------------------------------------- */

static serve_budget budget;

TEST(a_budget_has_so_many_bytes)
{
    CHECK(serve_budget_start(&budget, 4, 25));
    CHECK(serve_budget_try(&budget, 60));
    CHECK(!serve_budget_try(&budget, 41));
    CHECK(!serve_budget_try(&budget, SIZE_MAX));
    CHECK(serve_budget_try(&budget, 40));
    CHECK(serve_budget_try(&budget, 0));
    CHECK(!serve_budget_try(&budget, 1));
    CHECK_INT(serve_budget_taken(&budget), 100);
    serve_budget_give(&budget, 60);
    CHECK(serve_budget_try(&budget, 1));
    serve_budget_give(&budget, 41);
    CHECK_INT(serve_budget_taken(&budget), 0);
    serve_budget_end(&budget);
}

/* As 4 GiB are where a size_t has 32 bits. */
TEST(a_budget_of_more_than_a_size_holds)
{
    CHECK(serve_budget_start(&budget, 4, SIZE_MAX / 4 + 1));
    CHECK(serve_budget_try(&budget, SIZE_MAX / 4 + 1));
    CHECK(serve_budget_try(&budget, SIZE_MAX / 2));
    serve_budget_end(&budget);
}

static clipc_status take_more(size_t n, size_t held, int64_t seconds)
{
    int fds[2];
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    serve_request request = {
        .fd = fds[0], .deadline_us = serve_now_us() + seconds * 1000000
    };
    clipc_status status = serve_budget_take(&budget, n, held, &request, &err);
    close(fds[0]);
    close(fds[1]);
    return status;
}

static void *wait_with_60(void *status)
{
    *(clipc_status *)status = take_more(10, 60, 60);
    return NULL;
}

static size_t stuck(void)
{
    pthread_mutex_lock(&budget.mutex);
    size_t n = budget.stuck;
    pthread_mutex_unlock(&budget.mutex);
    return n;
}

/* Two that hold all bytes and want more would wait for each other. */
TEST(of_those_who_wait_for_each_other_one_gives_up)
{
    clipc_status status = CLIPC_ERR_INTERNAL;
    pthread_t thread;

    CHECK(serve_budget_start(&budget, 1, 100));
    CHECK(serve_budget_try(&budget, 60));
    CHECK(serve_budget_try(&budget, 40));
    CHECK_STATUS(take_more(10, 60, 0), CLIPC_ERR_TIMEOUT);
    CHECK(pthread_create(&thread, NULL, wait_with_60, &status) == 0);
    while (stuck() == 0)
        pause_ms(1);
    CHECK_STATUS(take_more(10, 40, 60), CLIPC_ERR_NOMEM);
    serve_budget_give(&budget, 40);
    pthread_join(thread, NULL);
    CHECK_STATUS(status, CLIPC_OK);
    CHECK_INT(serve_budget_taken(&budget), 70);
    CHECK_INT(stuck(), 0);
    serve_budget_end(&budget);
}
