/* SPDX-License-Identifier: MIT
 *
 * test_together.c - 64 clients at once, with mixed texts, pictures and label
 * sets: every answer equals, byte for byte, the answer to the same request
 * alone. And texts that keep coming, which keep nobody else waiting.
 */
#include "support/serve_client.h"
#include "support/test.h"
#include "support/wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define HOST "Host: 127.0.0.1\r\n"
#define PICTURES "tests/data/images/pictures/"

enum { CLIENTS = 64, ROUNDS = 4 };

static serve_process server;

static void stop(void)
{
    serve_stop(&server);
}

static void start(void)
{
    static const char *const args[] = { "--model", "demo",
                                        "--quiet", "--max-queue",
                                        "64",      "--threads",
                                        "2",       "--max-label-sets",
                                        "4",       "--request-timeout",
                                        "600",     NULL };

    if (server.pid)
        return;
    serve_start(&server, args);
    atexit(stop);
}

/* ---- questions --------------------------------------------------------- */

typedef struct question {
    char *bytes; /* a whole request */
    size_t n;
    char *answer; /* to the question alone */
    size_t n_answer;
    int status;
} question;

static question ask(const char *path, const char *type, const void *body,
                    size_t n)
{
    char head[1024];
    question q = { NULL, 0, NULL, 0, 0 };
    int n_head = snprintf(head, sizeof head,
                          "POST %s HTTP/1.1\r\n" HOST
                          "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                          path, type, n);

    q.n = (size_t)n_head + n;
    q.bytes = malloc(q.n);
    CHECK(q.bytes);
    memcpy(q.bytes, head, (size_t)n_head);
    memcpy(q.bytes + n_head, body, n);
    return q;
}

static question ask_json(const char *path, const char *body)
{
    return ask(path, "application/json", body, strlen(body));
}

static question ask_picture(const char *path, const char *file)
{
    size_t n;
    char *bytes = test_read(file, &n);
    question q = ask(path, "application/octet-stream", bytes, n);

    free(bytes);
    return q;
}

static question ask_predict(const char *text)
{
    char body[1024];
    int n = snprintf(body, sizeof body,
                     "--x\r\nContent-Disposition: form-data; "
                     "name=\"entries\"\r\n\r\n{\"clip\":{\"textual\":"
                     "{\"modelName\":\"demo\"}}}\r\n--x\r\n"
                     "Content-Disposition: form-data; name=\"text\"\r\n\r\n"
                     "%s\r\n--x--\r\n",
                     text);

    return ask("/predict", "multipart/form-data; boundary=x", body, (size_t)n);
}

#define MODEL "\"model\":\"demo\""

static size_t make_questions(question *q)
{
    static const char *const files[] = {
        "weights/demo/examples/red-convertible.png",
        PICTURES "420.jpg",
        PICTURES "c6-d8.png",
        PICTURES "420-progressive.jpg",
    };
    static const char *const labels[] = {
        "red+car,blue+car",
        "a+dog,a+cat,a+horse,a+bird",
        "a,b,c",
        "%7B%7D,%22,%3Cscript%3E",
        "one,two,three,four,five,six,seven",
        "x,y",
    };
    char path[512];
    size_t n = 0;

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        q[n++] = ask_picture("/v1/classify", files[i]);
        for (size_t k = 0; k < sizeof labels / sizeof *labels; k++) {
            snprintf(path, sizeof path, "/v1/classify?labels=%s&k=%zu%s",
                     labels[k], k + 1,
                     i == 2 ? "&template=a+photo+of+a+{}." : "");
            q[n++] = ask_picture(path, files[i]);
        }
    }
    q[n++] = ask_json("/v1/embeddings", "{" MODEL ",\"input\":\"a cat\"}");
    q[n++] = ask_json("/v1/embeddings",
                      "{" MODEL ",\"input\":[\"a\",\"a red car on a road, a "
                      "much longer text\",\"\\u00e4\"],\"encoding_format\":"
                      "\"base64\"}");
    q[n++] = ask_json("/vectorize", "{\"texts\":[\"a cat\",\"a dog\"]}");
    q[n++] = ask_json("/v1/embeddings", "{" MODEL ",\"input\":[]}");
    q[n++] = ask_json("/hf", "{\"inputs\":\"aGVsbG8\",\"parameters\":"
                             "{\"candidate_labels\":[\"a\"]}}");
    q[n++] = ask_predict("a cat");
    q[n++] = ask_predict("a rather long text of a person who searches");
    q[n++] = ask_picture("/v1/classify?labels=a,b", "Makefile");
    return n;
}

/* ---- answers ----------------------------------------------------------- */

/* An answer without what differs from one to the next: its times. */
static void cut_times(http_answer *answer)
{
    char *times = answer->body ? strstr(answer->body, "\"timing_ms\":{")
                               : NULL;

    if (times) {
        char *end = strchr(times, '}');
        memmove(times, end, strlen(end) + 1);
        answer->n = strlen(answer->body);
    }
}

static http_answer put(wire *w, const question *q)
{
    bool sent = wire_send(w, q->bytes, q->n);
    http_answer answer = wire_answer(w, false);

    if (!sent)
        answer.status = 0;
    cut_times(&answer);
    return answer;
}

static question questions[64];
static size_t n_questions;
static atomic_int n_wrong, n_right;
static pthread_barrier_t barrier;

static size_t n_rounds(void)
{
    return SANITIZED || emulated() ? 1 : ROUNDS;
}

typedef struct client {
    size_t number;
    wire w;
} client;

static void *be_client(void *arg)
{
    client *c = arg;

    for (size_t round = 0; round < n_rounds(); round++) {
        const question *q =
            &questions[(c->number * 7 + round * 13) % n_questions];
        pthread_barrier_wait(&barrier);
        http_answer answer = put(&c->w, q);
        if (answer.status == 0) { /* no answer may come for the next one */
            wire_close(&c->w);
            c->w = wire_open(&server);
        }
        bool right = answer.status == q->status && answer.n == q->n_answer &&
                     memcmp(answer.body, q->answer, answer.n) == 0;
        atomic_fetch_add(right ? &n_right : &n_wrong, 1);
        if (!right)
            printf("# %.60s: status %d: %.200s\n", q->bytes, answer.status,
                   answer.body ? answer.body : "");
        http_free(&answer);
    }
    return NULL;
}

TEST(answers_of_64_clients_at_once_equal_serial_ones)
{
    client clients[CLIENTS];
    pthread_t threads[CLIENTS];

    start();
    n_questions = make_questions(questions);
    wire w = wire_open(&server);
    for (size_t i = 0; i < n_questions; i++) {
        http_answer answer = put(&w, &questions[i]);
        questions[i].status = answer.status;
        questions[i].answer = answer.body;
        questions[i].n_answer = answer.n;
        CHECK(answer.status == 200 || answer.status == 400 ||
              answer.status == 415);
        free(answer.head);
    }
    double batches = serve_metric(&server, "clipc_batch_size_count");
    double singles = serve_metric(&server,
                                  "clipc_batch_size_bucket{le=\"1\"}");
    CHECK(pthread_barrier_init(&barrier, NULL, CLIENTS) == 0);
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = (client){ .number = i, .w = wire_open(&server) };
    for (size_t i = 0; i < CLIENTS; i++)
        if (pthread_create(&threads[i], NULL, be_client, &clients[i]) != 0)
            FAIL("no thread");
    for (size_t i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        wire_close(&clients[i].w);
    }
    pthread_barrier_destroy(&barrier);
    CHECK_INT(atomic_load(&n_wrong), 0);
    CHECK_INT(atomic_load(&n_right), CLIENTS * n_rounds());
    /* They were computed together, or the test proves nothing. */
    batches = serve_metric(&server, "clipc_batch_size_count") - batches;
    singles = serve_metric(&server, "clipc_batch_size_bucket{le=\"1\"}") -
              singles;
    CHECK(batches > singles);
    /* The cache of label sets keeps its bound. */
    CHECK(serve_metric(&server, "clipc_label_sets") <= 4);
    wire_close(&w);
    for (size_t i = 0; i < n_questions; i++) {
        free(questions[i].bytes);
        free(questions[i].answer);
    }
}

/* ---- texts that keep coming -------------------------------------------- */

enum { WRITERS = 4, TEXTS = 32 };

static serve_process busy;
static atomic_bool enough;
static atomic_int n_texts, n_lost;

/* Asks for the embeddings of many texts again and again. */
static void *keep_asking(void *arg)
{
    char body[8192], *to = body;
    wire w = wire_open(&busy);

    (void)arg;
    to += sprintf(to, "{" MODEL ",\"input\":[");
    for (int i = 0; i < TEXTS; i++)
        to += sprintf(to,
                      "%s\"a text of a person who searches for number %d\"",
                      i ? "," : "", i);
    strcpy(to, "]}");
    question q = ask_json("/v1/embeddings", body);
    while (!atomic_load(&enough)) {
        http_answer answer = put(&w, &q);
        if (answer.status == 200)
            atomic_fetch_add(&n_texts, TEXTS);
        else
            atomic_fetch_add(&n_lost, 1);
        http_free(&answer);
    }
    wire_close(&w);
    free(q.bytes);
    return NULL;
}

static void await_texts(int n)
{
    while (atomic_load(&n_texts) < n && !atomic_load(&n_lost))
        pause_ms(1);
    CHECK_INT(atomic_load(&n_lost), 0);
}

/* So many texts wait at any time that a thread that took all of them first
 * would come to nothing else. */
TEST(texts_that_keep_coming_keep_nobody_waiting)
{
    static const char *const args[] = { "--model", "demo",
                                        "--quiet", "--threads",
                                        "2",       "--request-timeout",
                                        "20",      NULL };
    static const char *const paths[] = {
        "/v1/classify", "/v1/classify?labels=some,labels,of+a+new+set",
        "/v1/classify"
    };
    pthread_t threads[WRITERS];

    serve_start(&busy, args);
    for (size_t i = 0; i < WRITERS; i++)
        CHECK(pthread_create(&threads[i], NULL, keep_asking, NULL) == 0);
    await_texts(2 * WRITERS * TEXTS);
    int seen = atomic_load(&n_texts);
    wire w = wire_open(&busy);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        question q = ask_picture(paths[i], PICTURES "420.jpg");
        http_answer answer = put(&w, &q);
        if (answer.status != 200)
            FAIL("%s: status %d: %.200s", paths[i], answer.status,
                 answer.body ? answer.body : "");
        http_free(&answer);
        free(q.bytes);
    }
    /* Nor are the texts kept waiting. */
    await_texts(seen + 2 * WRITERS * TEXTS);
    atomic_store(&enough, true);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    wire_close(&w);
    CHECK_INT(serve_stop(&busy), 0);
}

TEST(the_server_ends_well)
{
    start();
    CHECK_INT(serve_stop(&server), 0);
}
