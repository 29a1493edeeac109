/* SPDX-License-Identifier: MIT
 *
 * test_http.c - the running server, endpoint by endpoint: status, media type
 * and form of every answer and every refusal; HEAD, keep-alive, pipelining,
 * Expect.
 */
#include "support/serve_client.h"
#include "support/test.h"
#include "support/wire.h"

#include <stdlib.h>
#include <strings.h>

#define PICTURE "weights/demo/examples/red-convertible.png"
#define HOST "Host: 127.0.0.1\r\n"
#define JSON "Content-Type: application/json\r\n"
#define PROBLEM "application/problem+json"

static serve_process server;

static void stop(void)
{
    serve_stop(&server);
}

static void start(void)
{
    static const char *const args[] = { "--model",    "demo", "--quiet",
                                        "--max-body", "1M",   "--no-urls",
                                        "--api-key",  NULL,   NULL };
    static const char *with_key[sizeof args / sizeof *args];

    if (server.pid)
        return;
    memcpy(with_key, args, sizeof args);
    with_key[7] = test_path("key");
    test_write(with_key[7], "0123456789abcdef\nanother line\n", 30);
    serve_start(&server, with_key);
    atexit(stop);
}

#define KEY "Authorization: Bearer 0123456789abcdef\r\n"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What every answer has. */
static void check_common(const http_answer *answer, const char *what)
{
    const char *id = http_header(answer, "X-Request-Id");

    if (!id || strlen(id) != 16 || strspn(id, "0123456789abcdef") != 16)
        FAIL("%s: X-Request-Id %s", what, id ? id : "(none)");
    static const char *const exact[][2] = {
        { "X-Content-Type-Options", "nosniff" },
        { "Cross-Origin-Resource-Policy", "same-origin" },
    };
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        const char *value = http_header(answer, exact[i][0]);
        if (!value || strcmp(value, exact[i][1]) != 0)
            FAIL("%s: %s: %s", what, exact[i][0], value ? value : "(none)");
    }
    if (!http_header(answer, "Cache-Control") ||
        !http_header(answer, "Referrer-Policy") ||
        !http_header(answer, "Date"))
        FAIL("%s: a header is missing: %s", what, answer->head);
    if (http_header(answer, "Access-Control-Allow-Origin"))
        FAIL("%s: CORS", what);
}

static void check_type(const http_answer *answer, const char *type,
                       const char *what)
{
    const char *got = http_header(answer, "Content-Type");

    if ((!got) != (!type) || (type && strcmp(got, type) != 0))
        FAIL("%s: Content-Type %s, not %s", what, got ? got : "(none)",
             type ? type : "(none)");
}

/* ---- every route ------------------------------------------------------- */

TEST(every_route_answers_get)
{
    static const struct {
        const char *path, *type, *body; /* body NULL: any */
        int status;
    } routes[] = {
        { "/", "application/json", "{\"message\":\"Immich ML\"}", 200 },
        { "/healthz", "text/plain; charset=utf-8", "ok\n", 200 },
        { "/health", "application/json", NULL, 200 },
        { "/readyz", "text/plain; charset=utf-8", "ready\n", 200 },
        { "/ping", "text/plain; charset=utf-8", "pong", 200 },
        { "/metrics", "text/plain; version=0.0.4; charset=utf-8", NULL, 200 },
        { "/openapi.json", "application/json", NULL, 200 },
        { "/v1/models", "application/json", NULL, 200 },
        { "/v1/models/demo", "application/json", NULL, 200 },
        { "/models", "application/json", NULL, 200 },
        { "/v1/labels", "application/json", NULL, 200 },
        { "/v1/labels?list=", "application/json", NULL, 200 },
        { "/meta", "application/json", NULL, 200 },
        { "/.well-known/ready", NULL, "", 204 },
        { "/.well-known/live", NULL, "", 204 },
        { "/%68ealthz?x=%00&y", "text/plain; charset=utf-8", "ok\n", 200 },
        { "/v1/labels?list=no-such", PROBLEM, NULL, 404 },
        { "/nowhere", PROBLEM, NULL, 404 },
        { "/healthz/", PROBLEM, NULL, 404 },
        { "/V1/models", PROBLEM, NULL, 404 },
        { "//healthz", PROBLEM, NULL, 404 },
        { "/v1/classify", PROBLEM, NULL, 405 },
        { "/v1/embeddings", PROBLEM, NULL, 405 },
        { "/predict", PROBLEM, NULL, 405 },
        { "/hf", PROBLEM, NULL, 405 },
        { "/vectorize", PROBLEM, NULL, 405 },
    };
    char head[512];

    start();
    wire w = wire_open(&server); /* one connection for all */
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        for (int no_body = 0; no_body < 2; no_body++) {
            snprintf(head, sizeof head, "%s %s HTTP/1.1\r\n" HOST KEY "\r\n",
                     no_body ? "HEAD" : "GET", routes[i].path);
            CHECK(wire_puts(&w, head));
            http_answer answer = wire_answer(&w, no_body);
            if (answer.status != routes[i].status)
                FAIL("%s: status %d", head, answer.status);
            check_common(&answer, head);
            check_type(&answer, routes[i].type, head);
            if (routes[i].body && !no_body)
                CHECK_STR(answer.body, routes[i].body);
            const char *length = http_header(&answer, "Content-Length");
            if (!no_body && routes[i].status != 204 &&
                (!length || (size_t)atol(length) != answer.n))
                FAIL("%s: Content-Length %s", head, length);
            if (no_body && routes[i].status != 204 &&
                (!length || !is_digit(*length)))
                FAIL("%s: no Content-Length", head);
            CHECK_STR(http_header(&answer, "Keep-Alive"), "timeout=75");
            http_free(&answer);
        }
    }
    wire_close(&w);
}

TEST(methods_that_a_path_does_not_take)
{
    static const struct {
        const char *method, *path, *allow;
    } cases[] = {
        { "POST", "/healthz", "GET, HEAD" },
        { "POST", "/v1/models", "GET, HEAD" },
        { "GET", "/v1/classify", "POST" },
        { "HEAD", "/predict", "POST" },
        { "PUT", "/", "GET, HEAD, POST" },
        { "DELETE", "/v1/labels", "GET, HEAD" },
        { "OPTIONS", "/v1/classify", "POST" },
        { "PATCH", "/metrics", "GET, HEAD" },
        { "TRACE", "/", "GET, HEAD, POST" },
        { "get", "/healthz", "GET, HEAD" },
        { "M-SEARCH", "/hf", "POST" },
    };
    char head[512];

    start();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wire w = wire_open(&server);
        snprintf(head, sizeof head, "%s %s HTTP/1.1\r\n" HOST KEY "\r\n",
                 cases[i].method, cases[i].path);
        CHECK(wire_puts(&w, head));
        http_answer answer = wire_answer(&w,
                                         strcmp(cases[i].method, "HEAD") == 0);
        if (answer.status != 405)
            FAIL("%s: status %d", head, answer.status);
        CHECK_STR(http_header(&answer, "Allow"), cases[i].allow);
        check_type(&answer, PROBLEM, head);
        http_free(&answer);
        wire_close(&w);
    }
}

/* ---- errors ------------------------------------------------------------ */

/* A problem of RFC 9457, with the status name of clipc. */
static void check_problem(http_answer answer, int status, const char *code,
                          const char *what)
{
    if (answer.status != status)
        FAIL("%s: status %d, not %d: %s", what, answer.status, status,
             answer.body ? answer.body : "");
    check_common(&answer, what);
    check_type(&answer, PROBLEM, what);
    json_t *json = http_json(answer, status);
    const char *got = json_string_value(json_object_get(json, "code"));
    if (!got || strcmp(got, code) != 0)
        FAIL("%s: code %s, not %s", what, got, code);
    CHECK_STR(json_string_value(json_object_get(json, "type")), "about:blank");
    CHECK_INT(json_integer_value(json_object_get(json, "status")), status);
    CHECK(strlen(json_string_value(json_object_get(json, "title"))) > 3);
    CHECK(strlen(json_string_value(json_object_get(json, "detail"))) > 5);
    json_decref(json);
}

static http_answer ask(const char *head, const char *body)
{
    char all[4096];

    snprintf(all, sizeof all, "%s HTTP/1.1\r\n" HOST "Connection: close\r\n%s",
             head, body);
    return http_raw(server.port, all, strlen(all));
}

TEST(every_refusal_has_its_status_and_code)
{
    static const struct {
        const char *line, *rest;
        int status;
        const char *code;
    } cases[] = {
        { "POST /v1/classify", JSON KEY "Content-Length: 1\r\n\r\n{", 400,
          "truncated" },
        { "POST /v1/classify", JSON KEY "Content-Length: 2\r\n\r\n{]", 400,
          "format" },
        { "POST /v1/classify",
          JSON KEY "Content-Length: 4\r\n\r\n\"\xFF\xFF\"", 400, "utf8" },
        { "POST /v1/classify", KEY "\r\n", 400, "format" },
        { "POST /v1/classify?k=x", KEY "Content-Length: 1\r\n\r\nx", 400,
          "argument" },
        { "POST /v1/classify?labels=a,b", KEY "Content-Length: 5\r\n\r\nhello",
          415, "unsupported" },
        { "POST /v1/classify", "\r\n", 401, "key" },
        { "POST /v1/classify",
          "Authorization: Bearer 0123456789abcdeX\r\n\r\n", 401, "key" },
        { "POST /v1/classify?url=http://93.184.216.34/a.jpg",
          KEY "Content-Length: 0\r\n\r\n", 403, "url_blocked" },
        { "GET /v1/labels", KEY "Origin: http://evil.example\r\n\r\n", 403,
          "origin" },
        { "GET /nowhere", KEY "\r\n", 404, "not_found" },
        { "PUT /healthz", KEY "\r\n", 405, "method" },
        { "POST /v1/classify",
          KEY "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411,
          "bad_request" },
        { "POST /v1/classify", KEY "Content-Length: 1048577\r\n\r\n", 413,
          "limit" },
        { "POST /v1/classify", KEY "Content-Length: 999999999999999\r\n\r\n",
          413, "limit" },
        { "POST /v1/classify",
          KEY "Content-Type: multipart/mixed; boundary=x\r\n"
              "Content-Length: 5\r\n\r\n--x--",
          415, "unsupported" },
        { "POST /v1/classify",
          KEY "Content-Type: application/json; charset=latin1\r\n"
              "Content-Length: 2\r\n\r\n{}",
          415, "unsupported" },
        { "POST /v1/classify",
          KEY "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417,
          "bad_request" },
        { "GET /healthz", "Content-Length: 1\r\n\r\nx", 400, "bad_request" },
        { "GET /healthz?a=%zz", "\r\n", 400, "bad_request" },
        { "GET /a/../healthz", "\r\n", 400, "bad_request" },
    };

    start();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char what[128];
        snprintf(what, sizeof what, "case %zu, %s", i, cases[i].line);
        http_answer answer = ask(cases[i].line, cases[i].rest);
        if (cases[i].status == 401)
            CHECK_STR(http_header(&answer, "WWW-Authenticate"), "Bearer");
        check_problem(answer, cases[i].status, cases[i].code, what);
    }
}

/* Errors in the words of other programs. */
TEST(errors_in_the_form_of_the_route)
{
    static const struct {
        const char *line, *type;
        int status;
        const char *member; /* whose presence tells the form */
    } cases[] = {
        { "POST /v1/embeddings", "application/json", 400, "error" },
        { "POST /embeddings", "application/json", 400, "error" },
        { "POST /hf", "application/json", 400, "error" },
        { "POST /vectorize", "application/json", 400, "error" },
        { "POST /predict", PROBLEM, 422, "code" },
    };

    start();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bool form = strcmp(cases[i].line, "POST /predict") == 0;
        http_answer answer =
            ask(cases[i].line,
                form ? KEY "Content-Type: multipart/form-data; boundary=x\r\n"
                           "Content-Length: 9\r\n\r\n--x--\r\n\r\n"
                     : KEY JSON "Content-Length: 2\r\n\r\n[]");
        check_type(&answer, cases[i].type, cases[i].line);
        json_t *json = http_json(answer, cases[i].status);
        CHECK(json_object_get(json, cases[i].member));
        json_decref(json);
        /* Also what the head decides. */
        answer = ask(cases[i].line, "Content-Length: 0\r\n\r\n");
        check_type(&answer, cases[i].type, cases[i].line);
        CHECK_STR(http_header(&answer, "WWW-Authenticate"), "Bearer");
        json = http_json(answer, 401);
        CHECK(json_object_get(json, cases[i].member));
        json_decref(json);
    }
    http_answer html = ask("POST /",
                           KEY "Content-Type: multipart/form-data; boundary=x"
                               "\r\nContent-Length: 7\r\n\r\n--x--\r\n");
    CHECK_INT(html.status, 400);
    check_type(&html, "text/html; charset=utf-8", "POST /");
    http_free(&html);
}

/* ---- connections ------------------------------------------------------- */

static void send_picture(wire *w, const char *headers)
{
    size_t n;
    char *bytes = test_read(PICTURE, &n), head[512];

    snprintf(head, sizeof head,
             "POST /v1/classify?labels=red+car,blue+car HTTP/1.1\r\n" HOST KEY
             "Content-Type: image/png\r\nContent-Length: %zu\r\n%s\r\n",
             n, headers);
    CHECK(wire_puts(w, head));
    CHECK(wire_send(w, bytes, n));
    free(bytes);
}

static void expect_status(wire *w, int status)
{
    http_answer answer = wire_answer(w, false);

    if (answer.status != status)
        FAIL("status %d, not %d: %s", answer.status, status,
             answer.body ? answer.body : "");
    http_free(&answer);
}

TEST(a_connection_is_kept)
{
    start();
    wire w = wire_open(&server);
    for (int i = 0; i < 3; i++) {
        send_picture(&w, "");
        expect_status(&w, 200);
        CHECK(wire_puts(&w, "GET /ping HTTP/1.1\r\n" HOST "\r\n"));
        expect_status(&w, 200);
    }
    /* A refusal whose body is short leaves the connection open. */
    CHECK(wire_puts(&w, "POST /v1/classify HTTP/1.1\r\n" HOST
                        "Content-Length: 5\r\n\r\nhello"));
    expect_status(&w, 401);
    CHECK(wire_puts(&w, "GET /ping HTTP/1.1\r\n" HOST
                        "Connection: close\r\n\r\n"));
    http_answer last = wire_answer(&w, false);
    CHECK_INT(last.status, 200);
    CHECK_STR(http_header(&last, "Connection"), "close");
    http_free(&last);
    CHECK(wire_ends(&w, 5000));
    wire_close(&w);
}

TEST(http_1_0_is_answered_and_closed)
{
    start();
    wire w = wire_open(&server);
    CHECK(wire_puts(&w, "GET /ping HTTP/1.0\r\n" HOST "\r\n"));
    expect_status(&w, 200);
    CHECK(wire_ends(&w, 5000));
    wire_close(&w);
}

TEST(pipelined_requests_are_answered_in_order)
{
    static const char three[] = "GET /ping HTTP/1.1\r\n" HOST "\r\n"
                                "GET /nowhere HTTP/1.1\r\n" HOST "\r\n"
                                "GET /healthz HTTP/1.1\r\n" HOST "\r\n";

    start();
    wire w = wire_open(&server);
    CHECK(wire_puts(&w, three));
    send_picture(&w, "");
    CHECK(wire_puts(&w, three));
    for (int i = 0; i < 2; i++) {
        http_answer answer = wire_answer(&w, false);
        CHECK_STR(answer.body, "pong");
        http_free(&answer);
        expect_status(&w, 404);
        answer = wire_answer(&w, false);
        CHECK_STR(answer.body, "ok\n");
        http_free(&answer);
        if (i == 0)
            expect_status(&w, 200);
    }
    CHECK(wire_silent(&w, 50));
    wire_close(&w);
}

/* A body that comes byte by byte, and one after a pause. */
TEST(a_body_in_pieces)
{
    static const char body[] = "{\"texts\":[\"a cat\"]}";
    char head[256];

    start();
    wire w = wire_open(&server);
    snprintf(head, sizeof head,
             "POST /vectorize HTTP/1.1\r\n" HOST KEY
             "Content-Length: %zu\r\n\r\n",
             sizeof body - 1);
    for (const char *c = head; *c; c++)
        CHECK(wire_send(&w, c, 1));
    for (const char *c = body; *c; c++) {
        CHECK(wire_send(&w, c, 1));
        if (*c == '[')
            pause_ms(100);
    }
    expect_status(&w, 200);
    wire_close(&w);
}

TEST(expect_100_continue)
{
    start();
    size_t n;
    char *bytes = test_read(PICTURE, &n), head[512];

    wire w = wire_open(&server);
    for (int i = 0; i < 2; i++) {
        snprintf(head, sizeof head,
                 "POST /v1/classify?labels=a,b HTTP/1.1\r\n" HOST KEY
                 "Expect: 100-Continue\r\nContent-Length: %zu\r\n\r\n",
                 n);
        CHECK(wire_puts(&w, head));
        expect_status(&w, 100);
        CHECK(wire_send(&w, bytes, n));
        expect_status(&w, 200);
    }
    wire_close(&w);
    /* A refusal comes instead of 100, and the body is not read. */
    static const char *const refused[] = {
        "POST /v1/classify HTTP/1.1\r\n" HOST
        "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
        "POST /v1/classify HTTP/1.1\r\n" HOST KEY
        "Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n",
        "POST /nowhere HTTP/1.1\r\n" HOST KEY
        "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
    };
    static const int status[] = { 401, 413, 404 };
    for (size_t i = 0; i < 3; i++) {
        w = wire_open(&server);
        CHECK(wire_puts(&w, refused[i]));
        expect_status(&w, status[i]);
        CHECK(wire_ends(&w, 5000));
        wire_close(&w);
    }
    free(bytes);
}

/* A refused body of a moderate size is read, so that the client sees the
 * refusal and not a reset; a large one is not. */
TEST(a_refusal_is_seen_by_a_client_that_sends_on)
{
    start();
    char *zeros = calloc(1, 1 << 20), head[256];

    CHECK(zeros);
    wire w = wire_open(&server);
    snprintf(head, sizeof head,
             "POST /v1/classify HTTP/1.1\r\n" HOST
             "Content-Length: %d\r\n\r\n",
             1 << 20);
    CHECK(wire_puts(&w, head));
    CHECK(wire_send(&w, zeros, 1 << 20));
    expect_status(&w, 401);
    CHECK(wire_puts(&w, "GET /ping HTTP/1.1\r\n" HOST "\r\n"));
    expect_status(&w, 200);
    wire_close(&w);
    w = wire_open(&server);
    CHECK(wire_puts(&w, "POST /v1/classify HTTP/1.1\r\n" HOST
                        "Content-Length: 9999999\r\n\r\n"));
    expect_status(&w, 401);
    CHECK(wire_ends(&w, 5000));
    wire_close(&w);
    free(zeros);
}

/* ---- the key ----------------------------------------------------------- */

TEST(the_key_is_taken_from_one_header_alone)
{
    static const struct {
        const char *header;
        int status;
    } cases[] = {
        { KEY, 200 },
        { "authorization: bearer 0123456789abcdef\r\n", 200 },
        { "Authorization: BEARER 0123456789abcdef\r\n", 200 },
        { "", 401 },
        { "Authorization: Bearer 0123456789abcdeF\r\n", 401 },
        { "Authorization: Bearer 0123456789abcde\r\n", 401 },
        { "Authorization: Bearer 0123456789abcdef0\r\n", 401 },
        { "Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n", 401 },
        { "Authorization: Bearer\r\n", 401 },
        { "Authorization: Bearer \r\n", 401 },
        { "Authorization: Basic MDEyMzQ1Njc4OWFiY2RlZg==\r\n", 401 },
        { "Authorization: 0123456789abcdef\r\n", 401 },
        { "Authorization: Bearer another line\r\n", 401 },
        { "X-API-Key: 0123456789abcdef\r\n", 401 },
        { "Api-Key: 0123456789abcdef\r\n", 401 },
        { "Cookie: Authorization=Bearer 0123456789abcdef\r\n", 401 },
        { "Proxy-Authorization: Bearer 0123456789abcdef\r\n", 401 },
    };

    start();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_answer answer = http_get(server.port, "/v1/models",
                                      cases[i].header);
        if (answer.status != cases[i].status)
            FAIL("%s: status %d", cases[i].header, answer.status);
        http_free(&answer);
    }
    http_answer query = http_get(server.port,
                                 "/v1/models?key=0123456789abcdef&api_key="
                                 "0123456789abcdef",
                                 NULL);
    CHECK_INT(query.status, 401);
    http_free(&query);
    /* Probes need none. */
    static const char *const open[] = { "/healthz", "/readyz", "/ping",
                                        "/metrics", "/.well-known/live" };
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        http_answer answer = http_get(server.port, open[i], NULL);
        CHECK(answer.status / 100 == 2);
        http_free(&answer);
    }
}

TEST(the_server_ends_well)
{
    start();
    CHECK_INT(serve_stop(&server), 0);
}
