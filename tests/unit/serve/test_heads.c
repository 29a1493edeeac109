/* SPDX-License-Identifier: MIT
 *
 * test_heads.c - heads that two programs could read as different requests
 * (request smuggling), odd and huge ones: each is refused, the connection
 * closed, and what stands behind it is not answered.
 */
#include "serve/http.h"
#include "support/serve_client.h"
#include "support/test.h"
#include "support/wire.h"

#include <stdlib.h>

static serve_process server;

static void stop(void)
{
    serve_stop(&server);
}

static void start(void)
{
    static const char *const args[] = { "--model", "tests/data/tiny",
                                        "--quiet", NULL };

    if (server.pid)
        return;
    serve_start(&server, args);
    atexit(stop);
}

#define H "Host: 127.0.0.1\r\n"
#define GET "GET /ping HTTP/1.1\r\n"
#define POST "POST /vectorize HTTP/1.1\r\n"
#define BEHIND "GET /healthz HTTP/1.1\r\n" H "\r\n"

/* By the library, in its own words or without any. Since version 1.0 it
 * refuses more by itself. */
enum { REFUSED = 0 };

/* A head as bytes: some have a NUL. */
typedef struct head {
    const char *bytes;
    size_t n;
    int status; /* or REFUSED */
} head;
#define HEAD(bytes, status) \
    { \
        bytes, sizeof bytes - 1, status \
    }

/* Sends a head and a second request behind it. The second must not be
 * answered. */
static void check_refused(const head *h, const char *what)
{
    const bool exact = serve_http_library()[0] == '0';
    wire w = wire_open(&server);

    CHECK(wire_send(&w, h->bytes, h->n));
    wire_puts(&w, BEHIND); /* the server may have closed already */
    if (!wire_drain(&w, 5000))
        FAIL("%s: the connection stays open", what);
    int status = w.bytes ? atoi(w.bytes + strcspn(w.bytes, " ")) : 0;
    if (exact && h->status != REFUSED ? status != h->status
                                      : status && status < 400)
        FAIL("%s: status %d, not %d", what, status, h->status);
    if (w.n >= 3 && strcmp(w.bytes + w.n - 3, "ok\n") == 0)
        FAIL("%s: what stands behind it is answered", what);
    wire_close(&w);
}

static void check_all(const head *heads, size_t n)
{
    char what[160];

    start();
    for (size_t i = 0; i < n; i++) {
        snprintf(what, sizeof what, "case %zu, \"%.100s\"", i, heads[i].bytes);
        check_refused(&heads[i], what);
    }
    /* The server is well. */
    http_answer answer = http_get(server.port, "/ping", NULL);
    CHECK_STR(answer.body, "pong");
    http_free(&answer);
}
#define CHECK_ALL(heads) check_all(heads, sizeof heads / sizeof *heads)

TEST(the_length_of_a_body_is_never_in_doubt)
{
    static const head heads[] = {
        /* Both lengths. */
        HEAD(POST H "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "0\r\n\r\n",
             400),
        HEAD(POST H "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
                    "0\r\n\r\n",
             400),
        /* Two of one. */
        HEAD(POST H "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length: 4\r\ncontent-length: 0\r\n\r\nabcd", 400),
        HEAD(POST H "Transfer-Encoding: chunked\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             400),
        HEAD(POST H "Transfer-Encoding: chunked\r\n"
                    "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
             400),
        /* A number that is none. */
        HEAD(POST H "Content-Length: +4\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length: -4\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length: 4, 4\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length: 4,5\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length: 4 4\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length: 0x4\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length: 4.0\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length: 4e0\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length: four\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length:\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length: \"4\"\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length: 4;\r\n\r\nabcd", 400),
        HEAD(POST H "Content-Length: 99999999999999999999\r\n\r\nabcd", 413),
        HEAD(POST H "Content-Length: 18446744073709551620\r\n\r\nabcd", 413),
        /* Other codings. */
        HEAD(POST H "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
             411),
        HEAD(POST H "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 411),
        HEAD(POST H "Transfer-Encoding: identity\r\n\r\n", 400),
        HEAD(POST H "Transfer-Encoding: gzip\r\n\r\n", 400),
        HEAD(POST H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        HEAD(POST H "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
             400),
        HEAD(POST H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        HEAD(POST H "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400),
        HEAD(POST H "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
        HEAD(POST H "Transfer-Encoding:\vchunked\r\n\r\n0\r\n\r\n", 400),
        HEAD(POST H "Transfer-Encoding: chunked\v\r\n\r\n0\r\n\r\n", 400),
        HEAD(POST H "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
        HEAD(POST H "Transfer-Encoding: chunked\r\n\r\n"
                    "4;ext=1\r\nabcd\r\n0\r\n\r\n",
             411),
        HEAD(GET H "Content-Length: 4\r\n\r\nabcd", 400),
        HEAD(GET H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
    };

    CHECK_ALL(heads);
}

TEST(lines_are_parted_in_one_way)
{
    static const head heads[] = {
        /* Folded lines. */
        HEAD(GET H "A: b\r\n c\r\n\r\n", 400),
        HEAD(GET H "A: b\r\n\tc\r\n\r\n", 400),
        HEAD(POST H "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
        HEAD(POST H "Content-Length:\r\n 4\r\n\r\nabcd", 400),
        HEAD("GET /ping HTTP/1.1\r\n A: b\r\n" H "\r\n", 400),
        /* LF alone, CR alone. */
        HEAD("GET /ping HTTP/1.1\n" H "\r\n", 400),
        HEAD(GET "Host: 127.0.0.1\n\r\n", 400),
        HEAD(GET H "A: b\nContent-Length: 0\r\n\r\n", 400),
        HEAD(GET H "A: b\rContent-Length: 0\r\n\r\n", 400),
        HEAD(GET H "A: b\r\r\n\r\n", 400),
        /* NUL bytes. */
        HEAD(GET H "A: b\0c\r\n\r\n", 400),
        HEAD(GET H "A\0B: c\r\n\r\n", 400),
        HEAD("GET /ping\0/x HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET\0 /ping HTTP/1.1\r\n" H "\r\n", 400),
        HEAD(GET "Host: 127.0.0.1\0evil\r\n\r\n", 400),
        /* Blanks about the colon, names that are none. */
        HEAD(GET H "A : b\r\n\r\n", 400),
        HEAD(POST H "Content-Length : 4\r\n\r\nabcd", 400),
        HEAD(POST H "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        HEAD(POST H " Content-Length: 4\r\n\r\nabcd", 400),
        HEAD(POST H "Content-\tLength: 4\r\n\r\nabcd", 400),
        HEAD(GET H ": b\r\n\r\n", 400),
        HEAD(GET H "no colon\r\n\r\n", 400),
        HEAD(GET H "A(b): c\r\n\r\n", 400),
        HEAD(GET H "\xC3\xA4: c\r\n\r\n", 400),
        /* Control bytes. */
        HEAD(GET H "A: b\x01\r\n\r\n", 400),
        HEAD(GET H "A: \x7F\r\n\r\n", 400),
        HEAD(GET H "A: b\x0C\r\n\r\n", 400),
        /* The request line. */
        HEAD("GET  /ping HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET /ping  HTTP/1.1\r\n" H "\r\n", REFUSED),
        HEAD("GET\t/ping\tHTTP/1.1\r\n" H "\r\n", REFUSED),
        HEAD("GET /ping HTTP/1.1 \r\n" H "\r\n", 400),
        HEAD(" GET /ping HTTP/1.1\r\n" H "\r\n", REFUSED),
        HEAD("G{T /ping HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET /pi ng HTTP/1.1\r\n" H "\r\n", REFUSED),
    };

    CHECK_ALL(heads);
}

TEST(versions_and_targets)
{
    static const head heads[] = {
        HEAD("GET /ping HTTP/0.9\r\n" H "\r\n", 505),
        HEAD("GET /ping HTTP/1.2\r\n" H "\r\n", 505),
        HEAD("GET /ping HTTP/2.0\r\n" H "\r\n", 505),
        HEAD("GET /ping HTTP/1.1x\r\n" H "\r\n", REFUSED),
        HEAD("GET /ping http/1.1\r\n" H "\r\n", REFUSED),
        HEAD("GET /ping HTTP/1\r\n" H "\r\n", REFUSED),
        HEAD("GET /ping HTTP/11\r\n" H "\r\n", REFUSED),
        HEAD("GET /ping ICY/1.1\r\n" H "\r\n", REFUSED),
        HEAD("GET /ping\r\n" H "\r\n", REFUSED),
        HEAD("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        HEAD("GET http://127.0.0.1/ping HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET http://evil.example/ping HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET ping HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET * HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("OPTIONS * HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("CONNECT 127.0.0.1:80 HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET /ping#x HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET /p\xC3\xA4 HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET /ping%00 HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET /ping%0 HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET /ping%g0 HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET /../ping HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET /v1/%2e%2e/ping HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET /./ping HTTP/1.1\r\n" H "\r\n", 400),
        HEAD("GET /ping/.. HTTP/1.1\r\n" H "\r\n", 400),
        /* Host. */
        HEAD(GET "\r\n", 400),
        HEAD("GET /ping HTTP/1.0\r\n\r\n", 400),
        HEAD(GET H H "\r\n", 400),
        HEAD(GET H "host: evil.example\r\n\r\n", 400),
    };

    CHECK_ALL(heads);
}

/* Headers that a proxy and this program could choose among. */
TEST(headers_that_may_come_once)
{
    static const head heads[] = {
        HEAD(GET H
             "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
             400),
        HEAD(GET H "Origin: http://127.0.0.1\r\nOrigin: http://a\r\n\r\n",
             400),
        HEAD(POST H "Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n", 400),
        HEAD(POST H "Expect: 100-continue\r\nExpect: x\r\n\r\n", 400),
        HEAD(GET H "Sec-Fetch-Site: none\r\nSec-Fetch-Site: same-origin\r\n"
                   "\r\n",
             400),
    };

    CHECK_ALL(heads);
}

/* ---- large ones -------------------------------------------------------- */

/* A head of a request line, n filling headers of `each` bytes, and Host. */
static http_answer ask_large(size_t n, size_t each, size_t target)
{
    char *all = malloc(n * (each + 32) + target + 256), *to = all;

    CHECK(all);
    to += sprintf(to, "GET /ping?");
    memset(to, 'a', target);
    to += target;
    to += sprintf(to, " HTTP/1.1\r\n" H "Connection: close\r\n");
    for (size_t i = 0; i < n; i++) {
        to += sprintf(to, "X-%zu: ", i);
        memset(to, 'b', each);
        to += each;
        to += sprintf(to, "\r\n");
    }
    to += sprintf(to, "\r\n");
    http_answer answer = http_raw(server.port, all, (size_t)(to - all));
    free(all);
    return answer;
}

TEST(huge_heads_are_refused)
{
    static const struct {
        size_t n, each, target;
        int status;
    } cases[] = {
        { 0, 0, 0, 200 },        { 98, 1, 0, 200 },    { 99, 1, 0, 431 },
        { 200, 1, 0, 431 },      { 5000, 1, 0, 431 },  { 1, 16000, 0, 200 },
        { 1, 16384, 0, 431 },    { 0, 0, 16000, 200 }, { 0, 0, 16384, 431 },
        { 1, 60000, 0, 431 },    { 50, 1000, 0, 431 }, { 1, 200000, 0, 431 },
        { 20, 1000000, 0, 431 },
    };

    start();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_answer answer = ask_large(cases[i].n, cases[i].each,
                                       cases[i].target);
        if (answer.status != cases[i].status)
            FAIL("%zu headers of %zu bytes, a target of %zu: status %d",
                 cases[i].n, cases[i].each, cases[i].target, answer.status);
        http_free(&answer);
    }
}

TEST(a_target_without_end_is_refused)
{
    start();
    wire w = wire_open(&server);
    char *piece = malloc(1 << 18);
    CHECK(piece);
    memset(piece, 'a', 1 << 18);
    memcpy(piece, "GET /", 5);
    wire_send(&w, piece, 1 << 18);
    http_answer answer = wire_answer(&w, false);
    CHECK_INT(answer.status, 414);
    http_free(&answer);
    CHECK(wire_ends(&w, 5000));
    wire_close(&w);
    free(piece);
}

/* What is no HTTP at all. */
TEST(other_protocols_are_hung_up)
{
    static const char tls[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
                              "\r\n\r\n\r\n";
    static const char *const texts[] = { "hello\r\n\r\n", "\r\n\r\n\r\n",
                                         "SSH-2.0-x\r\n\r\n",
                                         "EHLO mail.example\r\n\r\n" };

    start();
    wire w = wire_open(&server);
    CHECK(wire_send(&w, tls, sizeof tls - 1));
    http_answer answer = wire_answer(&w, false);
    CHECK(answer.status == 0 || answer.status >= 400);
    http_free(&answer);
    wire_close(&w);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        w = wire_open(&server);
        CHECK(wire_puts(&w, texts[i]));
        pause_ms(20);
        CHECK(wire_puts(&w, BEHIND));
        answer = wire_answer(&w, false);
        /* Empty lines before a request are allowed (RFC 9112, 2.2). */
        if (i == 1 ? answer.status > 0 && answer.status != 200 &&
                         answer.status != 400
                   : answer.status > 0 && answer.status < 400)
            FAIL("%s: status %d", texts[i], answer.status);
        http_free(&answer);
        wire_close(&w);
    }
}

/* ---- host and origin --------------------------------------------------- */

TEST(hosts_that_are_not_ours)
{
    static const struct {
        const char *host;
        int status;
    } cases[] = {
        { "127.0.0.1", 200 },
        { "127.0.0.1:8000", 200 },
        { "10.1.2.3:80", 200 },
        { "localhost", 200 },
        { "LocalHost:65535", 200 },
        { "[::1]", 200 },
        { "[::1]:8000", 200 },
        { "[fe80::1]:8000", 200 },
        { "allowed.example", 200 },
        { "ALLOWED.example:1", 200 },
        { "evil.example", 421 },
        { "evil.example:8000", 421 },
        { "127.0.0.1.evil.example", 421 },
        { "localhost.evil.example", 421 },
        { "xallowed.example", 421 },
        { "allowed.example.evil", 421 },
        { "127.1", 421 },
        { "2130706433", 421 },
        { "0x7f000001", 421 },
        { "127.0.0.1:99999999", 400 },
        { "127.0.0.1:80:80", 400 },
        { "127.0.0.1:x", 400 },
        { "127.0.0.1:-1", 400 },
        { "user@127.0.0.1", 421 },
        { "127.0.0.1/x", 421 },
        { "127.0.0.1 evil", 421 },
        { "127.0.0.1, evil", 421 },
        { "[::1", 400 },
        { "[::1]x", 400 },
        { "[evil.example]", 421 },
        { "[]", 421 },
        { "::1", 400 },
        { ":80", 400 },
        { "", 400 },
    };
    static const char *const args[] = { "--model",         "tests/data/tiny",
                                        "--quiet",         "--allow-host",
                                        "allowed.example", NULL };
    serve_process other;
    char request[512];

    serve_start(&other, args);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(request, sizeof request,
                 "GET /ping HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                 cases[i].host);
        http_answer answer = http_raw(other.port, request, strlen(request));
        if (answer.status != cases[i].status)
            FAIL("Host: %s: status %d", cases[i].host, answer.status);
        http_free(&answer);
    }
    CHECK_INT(serve_stop(&other), 0);
}

TEST(pages_of_other_origins_are_refused)
{
    /* path: "" for POST /vectorize, which works; GET otherwise. */
    static const struct {
        const char *line, *headers;
        int status;
    } cases[] = {
        { "POST /vectorize", "", 400 },
        { "POST /vectorize", "Origin: http://127.0.0.1:1\r\n", 400 },
        { "POST /vectorize", "Origin: https://127.0.0.1:1\r\n", 400 },
        { "POST /vectorize", "Origin: null\r\n", 403 },
        { "POST /vectorize", "Origin:\r\n", 403 },
        { "POST /vectorize", "Origin: http://127.0.0.1\r\n", 403 },
        { "POST /vectorize", "Origin: http://127.0.0.1:2\r\n", 403 },
        { "POST /vectorize", "Origin: http://localhost:1\r\n", 403 },
        { "POST /vectorize", "Origin: http://evil.example\r\n", 403 },
        { "POST /vectorize", "Origin: http://127.0.0.1:1.evil.example\r\n",
          403 },
        { "POST /vectorize", "Origin: http://evil.example/127.0.0.1:1\r\n",
          403 },
        { "POST /vectorize", "Origin: 127.0.0.1:1\r\n", 403 },
        { "POST /vectorize", "Origin: chrome-extension://abcdef\r\n", 403 },
        { "POST /vectorize", "Origin: file://\r\n", 403 },
        { "POST /vectorize", "Sec-Fetch-Site: cross-site\r\n", 403 },
        { "POST /vectorize", "Sec-Fetch-Site: same-site\r\n", 403 },
        { "POST /vectorize", "Sec-Fetch-Site: same-origin\r\n", 400 },
        { "POST /vectorize", "Sec-Fetch-Site: none\r\n", 400 },
        { "POST /vectorize",
          "Origin: http://127.0.0.1:1\r\nSec-Fetch-Site: cross-site\r\n",
          403 },
        { "POST /predict", "Origin: http://evil.example\r\n", 403 },
        { "POST /v1/classify", "Origin: http://evil.example\r\n", 403 },
        { "POST /v1/embeddings", "Origin: http://evil.example\r\n", 403 },
        { "POST /hf", "Origin: http://evil.example\r\n", 403 },
        { "POST /", "Origin: http://evil.example\r\n", 403 },
        { "GET /v1/models", "Origin: http://evil.example\r\n", 403 },
        { "GET /metrics", "Origin: http://evil.example\r\n", 403 },
        { "GET /ping", "Origin: http://127.0.0.1:1\r\n", 200 },
        /* A link on another page may open the page. */
        { "GET /", "Sec-Fetch-Site: cross-site\r\n", 200 },
    };
    char request[512];

    start();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(request, sizeof request,
                 "%s HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n"
                 "%s\r\n",
                 cases[i].line, cases[i].headers);
        http_answer answer = http_raw(server.port, request, strlen(request));
        if (answer.status != cases[i].status)
            FAIL("%s, %s: status %d", cases[i].line, cases[i].headers,
                 answer.status);
        if (answer.head && strstr(answer.head, "Access-Control"))
            FAIL("%s, %s: CORS", cases[i].line, cases[i].headers);
        http_free(&answer);
    }
    /* A default port may be left out on one side. */
    static const char *const same[] = {
        "Host: localhost\r\nOrigin: http://localhost:80\r\n",
        "Host: localhost:80\r\nOrigin: http://localhost\r\n",
        "Host: localhost:443\r\nOrigin: https://localhost\r\n",
        "Host: [::1]:80\r\nOrigin: http://[::1]\r\n",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        snprintf(request, sizeof request,
                 "GET /ping HTTP/1.1\r\nConnection: close\r\n%s\r\n", same[i]);
        http_answer answer = http_raw(server.port, request, strlen(request));
        if (answer.status != 200)
            FAIL("%s: status %d", same[i], answer.status);
        http_free(&answer);
    }
}

TEST(the_server_ends_well)
{
    start();
    CHECK_INT(serve_stop(&server), 0);
}
