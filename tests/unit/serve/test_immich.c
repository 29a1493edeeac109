/* SPDX-License-Identifier: MIT
 *
 * test_immich.c - POST /predict, and what is passed on to the upstream server:
 * a stub that records requests, answers, closes in mid-answer, or hangs.
 */
#include "serve/immich.h"
#include "support/serve_client.h"
#include "support/sockets.h"
#include "support/test.h"

#include <pthread.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PICTURE "weights/demo/examples/red-convertible.png"
#define BOUNDARY "----formdata-undici-043812345678"
#define MULTIPART "multipart/form-data; boundary=" BOUNDARY

/* ---- the upstream ------------------------------------------------------ */

typedef enum stub_mode {
    ANSWER,
    REFUSE,
    CUT,
    CLOSE,
    GARBAGE,
    HANG,
    LARGE
} stub_mode;

enum { LARGE_BYTES = 300000 };

static struct {
    int fd;
    unsigned port;
    atomic_int mode, n_requests, n_left;
    char request[1 << 18]; /* the last one */
    size_t n_request;
    pthread_mutex_t mutex;
} stub = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static const char faces[] =
    "{\"facial-recognition\":[],\"imageHeight\":360,\"imageWidth\":480}";

static void answer_as(int fd, stub_mode mode)
{
    char text[512];

    if (mode == ANSWER || mode == REFUSE) {
        snprintf(text, sizeof text,
                 "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                 mode == ANSWER ? "200 OK" : "500 Internal Server Error",
                 sizeof faces - 1, faces);
        send_all(fd, text, strlen(text));
    } else if (mode == CUT) {
        static const char cut[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n"
                                  "\r\n{\"facial";
        send_all(fd, cut, sizeof cut - 1);
    } else if (mode == GARBAGE) {
        send_all(fd, "hello\r\n\r\n", 9);
    } else if (mode == LARGE) {
        static const char zeros[LARGE_BYTES];
        snprintf(text, sizeof text,
                 "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", LARGE_BYTES);
        (void)(send_all(fd, text, strlen(text)) &&
               send_all(fd, zeros, sizeof zeros));
    } else if (mode == HANG) {
        wait_for_peer(fd);
        atomic_fetch_add(&stub.n_left, 1);
    }
}

/* Reads a request with a Content-Length, whole. */
static void *serve_one(void *arg)
{
    int fd = (int)(intptr_t)arg;
    static _Thread_local char bytes[1 << 18];
    size_t n = 0, want = SIZE_MAX;

    while (n < want && n < sizeof bytes - 1) {
        ssize_t got = recv(fd, bytes + n, sizeof bytes - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        bytes[n] = '\0';
        const char *end = strstr(bytes, "\r\n\r\n");
        const char *length = strstr(bytes, "Content-Length: ");
        if (end && length)
            want = (size_t)(end + 4 - bytes) + strtoul(length + 16, NULL, 10);
    }
    pthread_mutex_lock(&stub.mutex);
    memcpy(stub.request, bytes, n + 1);
    stub.n_request = n;
    pthread_mutex_unlock(&stub.mutex);
    atomic_fetch_add(&stub.n_requests, 1);
    answer_as(fd, (stub_mode)atomic_load(&stub.mode));
    close(fd);
    return NULL;
}

static void *serve_all(void *arg)
{
    (void)arg;
    for (;;) {
        pthread_t thread;
        int fd = accept(stub.fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd))
            close(fd);
        else
            pthread_detach(thread);
    }
}

static void start_stub(void)
{
    pthread_t thread;

    stub.fd = listen_loopback(&stub.port);
    if (stub.fd < 0 || pthread_create(&thread, NULL, serve_all, NULL))
        FAIL("the stub cannot be started");
    pthread_detach(thread);
}

/* ---- the server -------------------------------------------------------- */

static serve_process server;

static void stop(void)
{
    serve_stop(&server);
}

/* One place among the admitted: a request that waits for the upstream must not
 * hold it. */
static void start(void)
{
    char url[64];
    const char *args[] = { "--model",
                           "demo",
                           "--served-name",
                           "openai/clip-vit-base-patch32",
                           "--max-queue",
                           "1",
                           "--request-timeout",
                           "2",
                           "--quiet",
                           "--immich-upstream",
                           url,
                           NULL };

    if (server.pid)
        return;
    if (!CLIPC_CURL)
        args[sizeof args / sizeof *args - 3] = NULL;
    if (!stub.port)
        start_stub();
    snprintf(url, sizeof url, "http://127.0.0.1:%u/ml/", stub.port);
    serve_start(&server, args);
    atexit(stop);
}

static void start_with_upstream(void)
{
    if (!CLIPC_CURL)
        SKIP("built without libcurl");
    start();
}

/* ---- requests ---------------------------------------------------------- */

/* A body as undici writes FormData; free(). image and text may be NULL. */
static char *form(size_t *n, const char *entries, const char *image,
                  size_t n_image, const char *text)
{
    char *body = malloc(n_image + 4096 + (text ? strlen(text) : 0));
    size_t used = 0;

    CHECK(body);
    if (entries)
        used += (size_t)sprintf(body + used,
                                "--" BOUNDARY
                                "\r\nContent-Disposition: form-data; "
                                "name=\"entries\"\r\n\r\n%s\r\n",
                                entries);
    if (image) {
        used += (size_t)sprintf(body + used,
                                "--" BOUNDARY
                                "\r\nContent-Disposition: form-data; "
                                "name=\"image\"; filename=\"blob\"\r\n"
                                "Content-Type: application/octet-stream\r\n"
                                "\r\n");
        memcpy(body + used, image, n_image);
        used += n_image;
        used += (size_t)sprintf(body + used, "\r\n");
    }
    if (text)
        used += (size_t)sprintf(body + used,
                                "--" BOUNDARY
                                "\r\nContent-Disposition: form-data; "
                                "name=\"text\"\r\n\r\n%s\r\n",
                                text);
    used += (size_t)sprintf(body + used, "--" BOUNDARY "--\r\n");
    *n = used;
    return body;
}

static http_answer predict(const char *entries, const char *image,
                           size_t n_image, const char *text)
{
    size_t n;
    char *body = form(&n, entries, image, n_image, text);
    http_answer answer = http_post(server.port, "/predict", MULTIPART, body,
                                   n);

    free(body);
    return answer;
}

static http_answer predict_picture(const char *entries)
{
    size_t n;
    char *picture = test_read(PICTURE, &n);
    http_answer answer = predict(entries, picture, n, NULL);

    free(picture);
    return answer;
}

#define VISUAL(name) "{\"clip\":{\"visual\":{\"modelName\":\"" name "\"}}}"
#define TEXTUAL(name) \
    "{\"clip\":{\"textual\":{\"modelName\":\"" name "\"," \
    "\"options\":{\"language\":\"en-null\"}}}}"
#define FACES \
    "{\"facial-recognition\":{\"detection\":{\"modelName\":\"buffalo_l\"," \
    "\"options\":{\"minScore\":0.7}},\"recognition\":{\"modelName\":" \
    "\"buffalo_l\"}}}"

/* The demo model's own vectors. */
static void expect(float *vector, const char *text)
{
    static clipc_model *model;
    static clipc_ctx *ctx;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_params params = clipc_model_params_default();
    clipc_ctx_params native = clipc_ctx_params_default();
    clipc_image_params fit = clipc_image_params_default();
    clipc_image *image;
    clipc_text t = clipc_text_from(text);

    params.data_dir = "weights";
    native.gemm = CLIPC_GEMM_NATIVE;
    CHECK_OK(clipc_model_open(&model, "demo", &params, &err), err);
    CHECK_OK(clipc_ctx_create(&ctx, model, &native, &err), err);
    fit.fit = model;
    if (text) {
        CHECK_OK(clipc_encode_texts(ctx, &t, 1, vector, CLIPC_TEXT_TRUNCATE,
                                    &err),
                 err);
    } else {
        CHECK_OK(clipc_image_read_file(&image, PICTURE, &fit, &err), err);
        CHECK_OK(clipc_encode_images(ctx, &image, 1, vector, 0, &err), err);
        clipc_image_free(image);
    }
    clipc_ctx_free(ctx);
    clipc_model_free(model);
}

/* "clip" is a string with the JSON of the vector, bit for bit. */
static void check_clip(const json_t *answer, const float *want)
{
    const char *text = json_string_value(json_object_get(answer, "clip"));
    json_t *vector = text ? json_loads(text, 0, NULL) : NULL;
    double length = 0;

    CHECK(vector);
    CHECK_INT(json_array_size(vector), 128);
    CHECK(!strpbrk(text, " \n"));
    for (size_t i = 0; i < 128; i++) {
        double value = json_number_value(json_array_get(vector, i));
        float got = (float)value;
        CHECK_BYTES(&got, &want[i], sizeof got);
        length += value * value;
    }
    CHECK_NEAR(length, 1, 1e-6);
    json_decref(vector);
}

TEST(names_of_models)
{
    static const struct {
        const char *name, *id;
        bool same;
    } cases[] = {
        { "ViT-B-32__openai", "openai/clip-vit-base-patch32", true },
        { "immich-app/ViT-B-32__openai", "openai/clip-vit-base-patch32",
          true },
        { "ViT-B-32:_openai", "openai/clip-vit-base-patch32", true },
        { "ViT-B-32__openai", "openai/clip-vit-base-patch16", false },
        { "ViT-B-32__openai", "clip-vit-base-patch32", false },
        { "ViT-B-32__laion400m_e32", "openai/clip-vit-base-patch32", false },
        { "ViT-L-14-336__openai", "openai/clip-vit-large-patch14-336", true },
        { "ViT-L-14__openai", "openai/clip-vit-large-patch14-336", false },
        { "ViT-H-14-378-quickgelu__dfn5b", "apple/DFN5B-CLIP-ViT-H-14-378",
          true },
        { "ViT-H-14-quickgelu__dfn5b", "apple/DFN5B-CLIP-ViT-H-14-378",
          false },
        { "my-model", "my-model", true },
        { "", "", false },
        { "x/", "x", false },
        { "vit-b-32__openai", "openai/clip-vit-base-patch32", false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (serve_immich_model_is(cases[i].id,
                                  clipc_text_from(cases[i].name)) !=
            cases[i].same)
            FAIL("%s and %s", cases[i].name, cases[i].id);
}

TEST(a_picture)
{
    float want[1024];

    start();
    expect(want, NULL);
    http_answer answer = predict_picture(VISUAL("ViT-B-32__openai"));
    CHECK_STR(http_header(&answer, "Content-Type"), "application/json");
    CHECK_STR(http_header(&answer, "Connection"), "close");
    json_t *json = http_json(answer, 200);
    check_clip(json, want);
    CHECK_INT(json_integer_value(json_object_get(json, "imageHeight")), 360);
    CHECK_INT(json_integer_value(json_object_get(json, "imageWidth")), 480);
    CHECK_INT(json_object_size(json), 3);
    json_decref(json);
}

TEST(texts_are_joined_and_cut)
{
    float want[1024];
    char longer[2048] = "red ";

    start();
    expect(want, "a red car");
    json_t *json =
        http_json(predict(TEXTUAL("ViT-B-32__openai"), NULL, 0,
                          " a\t red \xE2\x80\x83\x1F car\xC2\xA0\r\n"),
                  200);
    check_clip(json, want);
    CHECK_INT(json_object_size(json), 1);
    json_decref(json);

    for (int i = 0; i < 200; i++)
        strcat(longer, "car ");
    expect(want, longer);
    json = http_json(predict(TEXTUAL("ViT-B-32__openai"), NULL, 0, longer),
                     200);
    check_clip(json, want);
    json_decref(json);
}

TEST(wrong_requests_are_refused)
{
    static const struct {
        const char *entries, *image, *text;
        int status;
    } cases[] = {
        { NULL, NULL, "a", 422 },
        { "", NULL, "a", 422 },
        { "{", NULL, "a", 422 },
        { "[]", NULL, "a", 422 },
        { "{}", NULL, "a", 422 },
        { "{\"clip\":{}}", NULL, "a", 422 },
        { "{\"clip\":{\"visual\":{}}}", "x", NULL, 422 },
        { "{\"clip\":{\"visual\":{\"modelName\":5}}}", "x", NULL, 422 },
        { "{\"clip\":{\"visual\":{\"modelName\":\"a\"},\"textual\":"
          "{\"modelName\":\"a\"}}}",
          "x", "x", 422 },
        { VISUAL("ViT-B-32__openai"), NULL, NULL, 400 },
        { VISUAL("ViT-B-32__openai"), NULL, "a", 400 },
        { TEXTUAL("ViT-B-32__openai"), "x", NULL, 400 },
        { VISUAL("ViT-B-32__openai"), "", NULL, 422 },
        { VISUAL("ViT-B-32__openai"), "\xFF\xD8\xFF\xE0garbage", NULL, 422 },
        { VISUAL("ViT-B-32__openai"), "\x89PNG\r\n\x1A\n", NULL, 422 },
        { VISUAL("ViT-B-32__openai"), "no picture", NULL, 415 },
        { TEXTUAL("ViT-B-32__openai"), NULL, "a\xFF", 422 },
    };

    start();
    atomic_store(&stub.mode, ANSWER);
    int before = atomic_load(&stub.n_requests);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_answer answer = predict(cases[i].entries, cases[i].image,
                                     cases[i].image ? strlen(cases[i].image)
                                                    : 0,
                                     cases[i].text);
        if (answer.status != cases[i].status)
            FAIL("case %zu: status %d: %s", i, answer.status, answer.body);
        CHECK_STR(http_header(&answer, "Content-Type"),
                  "application/problem+json");
        http_free(&answer);
    }
    http_answer answer = http_post(server.port, "/predict", "application/json",
                                   "{}", 2);
    CHECK_INT(answer.status, 415);
    http_free(&answer);
    CHECK_INT(atomic_load(&stub.n_requests), before);
}

/* Other tasks and other models reach the upstream byte for byte. */
TEST(what_is_not_ours_is_passed_on)
{
    static const char *const entries[] = {
        FACES, VISUAL("ViT-B-16__openai"),
        TEXTUAL("nllb-clip-base-siglip__v1"), "{\"ocr\":{}}"
    };
    size_t n_picture, n;

    start_with_upstream();
    atomic_store(&stub.mode, ANSWER);
    char *picture = test_read(PICTURE, &n_picture);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        char *body = form(&n, entries[i], picture, n_picture, NULL);
        http_answer answer = http_post(server.port, "/predict", MULTIPART,
                                       body, n);
        CHECK_INT(answer.status, 200);
        CHECK_STR(http_header(&answer, "Content-Type"), "application/json");
        CHECK_STR(answer.body, faces);
        http_free(&answer);
        pthread_mutex_lock(&stub.mutex);
        CHECK(strncmp(stub.request, "POST /ml/predict HTTP/1.1\r\n", 27) == 0);
        CHECK(strstr(stub.request, "\r\nContent-Type: " MULTIPART "\r\n"));
        CHECK(!strstr(stub.request, "Expect:"));
        CHECK(stub.n_request > n);
        CHECK_BYTES(stub.request + stub.n_request - n, body, n);
        pthread_mutex_unlock(&stub.mutex);
        free(body);
    }
    free(picture);
}

TEST(the_upstreams_errors)
{
    static const struct {
        stub_mode mode;
        int status;
        const char *message;
    } cases[] = {
        { REFUSE, 500, "facial-recognition" },
        { CUT, 502, "no whole answer of the upstream server" },
        { CLOSE, 502, "no whole answer of the upstream server" },
        { GARBAGE, 502, "no whole answer of the upstream server" },
        { HANG, 504, "--request-timeout" },
    };

    start_with_upstream();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        atomic_store(&stub.mode, cases[i].mode);
        http_answer answer = predict_picture(FACES);
        if (answer.status != cases[i].status)
            FAIL("case %zu: status %d: %s", i, answer.status, answer.body);
        CHECK_HAS(answer.body, cases[i].message);
        http_free(&answer);
    }
    http_answer answer = http_get(server.port, "/metrics", NULL);
    CHECK_HAS(answer.body, "clipc_upstream_requests_total{code=\"500\"} 1");
    http_free(&answer);
}

static void *ask_faces(void *arg)
{
    (void)arg;
    http_answer answer = predict_picture(FACES);
    http_free(&answer);
    return NULL;
}

static void wait_for(atomic_int *counter, int value)
{
    for (int i = 0; i < 1000 && atomic_load(counter) < value; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    CHECK_INT(atomic_load(counter), value);
}

/* The server has one place for work. A hung upstream takes none. */
TEST(a_hung_upstream_holds_nobody_up)
{
    pthread_t threads[4];
    float want[1024];

    start_with_upstream();
    expect(want, NULL);
    atomic_store(&stub.mode, HANG);
    int before = atomic_load(&stub.n_requests);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, ask_faces, NULL) == 0);
    wait_for(&stub.n_requests, before + 4);
    json_t *json = http_json(predict_picture(VISUAL("ViT-B-32__openai")), 200);
    check_clip(json, want);
    json_decref(json);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* When the client leaves, the transfer to the upstream ends. */
TEST(a_client_that_leaves_is_noticed)
{
    size_t n;

    start_with_upstream();
    atomic_store(&stub.mode, HANG);
    int before = atomic_load(&stub.n_requests);
    int left = atomic_load(&stub.n_left);
    char *body = form(&n, FACES, "x", 1, NULL), head[512];
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)server.port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0 &&
          connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    snprintf(
        head, sizeof head,
        "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: " MULTIPART
        "\r\nContent-Length: %zu\r\n\r\n",
        n);
    CHECK(send_all(fd, head, strlen(head)) && send_all(fd, body, n));
    wait_for(&stub.n_requests, before + 1);
    struct timespec begun, ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    close(fd);
    wait_for(&stub.n_left, left + 1);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    if (!emulated())
        CHECK(ended.tv_sec - begun.tv_sec < 2);
    free(body);
}

/* ---- bytes that are passed on ------------------------------------------- */

static void start_small(serve_process *small)
{
    char url[64];
    const char *const args[] = {
        "--model",           "demo", "--quiet",           "--max-body", "64K",
        "--request-timeout", "3",    "--immich-upstream", url,          NULL
    };

    if (!CLIPC_CURL)
        SKIP("built without libcurl");
    if (!stub.port)
        start_stub();
    snprintf(url, sizeof url, "http://127.0.0.1:%u", stub.port);
    serve_start(small, args);
}

enum { PASSED_ON = 60000 };

static void *pass_on(void *arg)
{
    const serve_process *small = arg;
    char *zeros = calloc(1, PASSED_ON);
    size_t n;

    CHECK(zeros);
    char *body = form(&n, FACES, zeros, PASSED_ON, NULL);
    http_answer answer = http_post(small->port, "/predict", MULTIPART, body,
                                   n);
    http_free(&answer);
    free(body);
    free(zeros);
    return NULL;
}

/* 256 KiB are all that bodies may take together: four that wait for the
 * upstream leave no room for another one. */
TEST(bodies_that_are_passed_on_stay_counted)
{
    static const char zeros[30000];
    pthread_t threads[4];
    serve_process small;

    start_small(&small);
    atomic_store(&stub.mode, HANG);
    int before = atomic_load(&stub.n_requests);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, pass_on, &small) == 0);
    wait_for(&stub.n_requests, before + 4);
    serve_await_metric(&small, "clipc_admitted_requests", 0);
    CHECK(serve_metric(&small, "clipc_body_bytes") > 4 * PASSED_ON);
    http_answer answer = http_post(small.port, "/v1/classify", "image/png",
                                   zeros, sizeof zeros);
    CHECK_INT(answer.status, 429);
    CHECK_HAS(answer.body, "--max-body");
    http_free(&answer);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    serve_await_metric(&small, "clipc_body_bytes", 0);
    answer = http_post(small.port, "/v1/classify", "image/png", zeros,
                       sizeof zeros);
    CHECK_INT(answer.status, 415);
    http_free(&answer);
    CHECK_INT(serve_stop(&small), 0);
}

static http_answer ask_small(const serve_process *small)
{
    size_t n;
    char *body = form(&n, FACES, "x", 1, NULL);
    http_answer answer = http_post(small->port, "/predict", MULTIPART, body,
                                   n);

    free(body);
    return answer;
}

TEST(answers_that_are_passed_back_are_counted)
{
    serve_process small;

    start_small(&small);
    atomic_store(&stub.mode, LARGE);
    http_answer answer = ask_small(&small);
    CHECK_INT(answer.status, 503);
    CHECK_HAS(answer.body, "no room for the upstream server's answer");
    http_free(&answer);
    serve_await_metric(&small, "clipc_body_bytes", 0);
    atomic_store(&stub.mode, ANSWER);
    answer = ask_small(&small);
    CHECK_INT(answer.status, 200);
    CHECK_STR(answer.body, faces);
    http_free(&answer);
    serve_await_metric(&small, "clipc_body_bytes", 0);
    CHECK_INT(serve_stop(&small), 0);
}

TEST(without_an_upstream_others_are_refused)
{
    static const char *const args[] = { "--model",       "demo",
                                        "--served-name", "ViT-B-32__openai",
                                        "--quiet",       NULL };
    serve_process with = server;

    server.pid = 0;
    serve_start(&server, args);
    http_answer answer = predict_picture(VISUAL("ViT-B-32__openai"));
    CHECK_INT(answer.status, 200);
    http_free(&answer);
    answer = predict_picture(VISUAL("ViT-B-16__openai"));
    CHECK_INT(answer.status, 409);
    CHECK_HAS(answer.body, "another model is served here: ViT-B-32__openai");
    http_free(&answer);
    answer = predict_picture(FACES);
    CHECK_INT(answer.status, 501);
    http_free(&answer);
    CHECK_INT(serve_stop(&server), 0);
    server = with;
}

TEST(the_server_ends_well)
{
    start();
    CHECK_INT(serve_stop(&server), 0);
}
