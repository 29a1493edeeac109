/* SPDX-License-Identifier: MIT
 *
 * test_logs.c - the lines that the running server writes, as text and as JSON:
 * their form, and that no text of a client stands in them or in the metrics.
 */
#include "base/json.h"
#include "support/serve_client.h"
#include "support/test.h"
#include "support/wire.h"

#include <stdlib.h>
#include <unistd.h>

#define HOST "Host: 127.0.0.1\r\n"
#define PICTURE "tests/data/images/pictures/420.jpg"

/* What a hostile client writes everywhere; the log may have none of it. */
#define EVIL "e7iL"

/* Lines of the log that are not messages of the program itself; the line that
 * `from` is in is the first. Returns their number. */
static size_t request_lines(char *log, char **lines, size_t room)
{
    size_t n = 0;

    for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n"))
        if (strncmp(line, "clipc-serve: ", 13) != 0) {
            CHECK(n < room);
            lines[n++] = line;
        }
    return n;
}

/* The line of a request is written after its answer. */
static char *log_of(const serve_process *server, size_t n_lines, char **lines,
                    size_t room)
{
    for (int tries = 0; tries < 1000; tries++) {
        char *log = serve_log_text(server);
        size_t n = strlen(log); /* the last line may be there in part */
        if (n > 0 && log[n - 1] == '\n' &&
            request_lines(log, lines, room) >= n_lines)
            return log;
        free(log);
        pause_ms(10);
    }
    FAIL("fewer than %zu lines in the log", n_lines);
}

static void post_picture(const serve_process *server, char id[32])
{
    size_t n;
    char *picture = test_read(PICTURE, &n);
    http_answer answer = http_post(server->port, "/v1/classify?labels=a,b",
                                   "image/jpeg", picture, n);

    CHECK_INT(answer.status, 200);
    snprintf(id, 32, "%s", http_header(&answer, "X-Request-Id"));
    http_free(&answer);
    free(picture);
}

static void get(const serve_process *server, const char *path, int status,
                char id[32])
{
    http_answer answer = http_get(server->port, path, NULL);

    CHECK_INT(answer.status, status);
    snprintf(id, 32, "%s", http_header(&answer, "X-Request-Id"));
    http_free(&answer);
}

/* A client that leaves in mid-body. */
static void leave(const serve_process *server)
{
    wire w = wire_open(server);

    CHECK(wire_puts(&w, "POST /vectorize HTTP/1.1\r\n" HOST
                        "Content-Length: 10\r\n\r\n{"));
    serve_await_metric(server, "clipc_admitted_requests", 1);
    wire_close(&w);
    serve_await_metric(server, "clipc_admitted_requests", 0);
}

/* ---- text -------------------------------------------------------------- */

/* Whether the text is as the pattern says: 9 stands for a digit or more, with
 * or without decimals, # for hexadecimal digits, others for themselves. */
static bool matches(const char *text, const char *pattern)
{
    for (; *pattern; pattern++) {
        size_t n = strspn(text, *pattern == '9'   ? "0123456789."
                                : *pattern == '#' ? "0123456789abcdef"
                                                  : "");
        if (*pattern == '9' || *pattern == '#') {
            if (n == 0)
                return false;
            text += n;
        } else if (*text++ != *pattern) {
            return false;
        }
    }
    return *text == '\0';
}

TEST(lines_of_text)
{
    static const char *const args[] = { "--model", "tests/data/tiny", NULL };
    static const char *const patterns[] = {
        "9-9-9T9:9:9Z # 127.0.0.1 GET /healthz 200 in=0 out=3 ms=9 fetch=0.0 "
        "decode=0.0 queue=0.0 encode=0.0 images=0 texts=0",
        "9-9-9T9:9:9Z # 127.0.0.1 POST /v1/classify 200 in=1168 out=9 ms=9 "
        "fetch=0.0 decode=9 queue=9 encode=9 images=1 texts=0",
        "9-9-9T9:9:9Z # 127.0.0.1 GET - 404 in=0 out=9 ms=9 fetch=0.0 "
        "decode=0.0 queue=0.0 encode=0.0 images=0 texts=0",
    };
    serve_process server;
    char ids[3][32], *lines[8];

    serve_start(&server, args);
    get(&server, "/healthz", 200, ids[0]);
    post_picture(&server, ids[1]);
    get(&server, "/nowhere", 404, ids[2]);
    char *log = log_of(&server, 3, lines, 8);
    for (size_t i = 0; i < 3; i++) {
        if (!matches(lines[i], patterns[i]))
            FAIL("%s is not as %s", lines[i], patterns[i]);
        CHECK_HAS(lines[i], ids[i]); /* the id of the answer */
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(ids[i], ids[k]) != 0);
    }
    free(log);
    CHECK_INT(serve_stop(&server), 0);
}

TEST(lines_of_requests_without_an_answer)
{
    static const char *const args[] = { "--model", "tests/data/tiny", NULL };
    serve_process server;
    char *lines[64];

    serve_start(&server, args);
    leave(&server);
    char *log = serve_log_text(&server);
    size_t n = request_lines(log, lines, 64), n_cut = 0;
    for (size_t i = 0; i < n; i++)
        if (strstr(lines[i], "POST /vectorize ")) {
            CHECK_STR(lines[i] + strlen(lines[i]) - 4, " cut");
            CHECK_HAS(lines[i], " POST /vectorize 499 ");
            n_cut++;
        }
    CHECK_INT(n_cut, 1);
    free(log);
    CHECK_INT(serve_stop(&server), 0);
}

/* ---- JSON -------------------------------------------------------------- */

static void check_json_line(const char *line)
{
    static const char *const texts[] = { "time", "id", "client", "method",
                                         "route" };
    static const char *const numbers[] = {
        "status",    "in_bytes", "out_bytes", "ms",     "fetch_ms",
        "decode_ms", "queue_ms", "encode_ms", "images", "texts"
    };
    clipc_error err = CLIPC_ERROR_INIT;
    json_t *json;

    CHECK_OK(clipc_json_parse(&json, line, strlen(line), "line", &err), err);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!json_is_string(json_object_get(json, texts[i])))
            FAIL("no %s in %s", texts[i], line);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!json_is_number(json_object_get(json, numbers[i])))
            FAIL("no %s in %s", numbers[i], line);
    CHECK(json_is_boolean(json_object_get(json, "cut")));
    CHECK_INT(json_object_size(json), 16);
    json_decref(json);
}

TEST(lines_of_json)
{
    static const char *const args[] = { "--model", "tests/data/tiny",
                                        "--log-format", "json", NULL };
    serve_process server;
    char id[32], *lines[64] = { NULL };

    serve_start(&server, args);
    get(&server, "/healthz", 200, id);
    post_picture(&server, id);
    get(&server, "/nowhere", 404, id);
    leave(&server);
    char *log = log_of(&server, 4, lines, 64);
    size_t n = 0, n_cut = 0;
    for (; n < 64 && lines[n]; n++) {
        check_json_line(lines[n]);
        n_cut += strstr(lines[n], "\"cut\":true") != NULL;
    }
    CHECK_INT(n_cut, 1);
    CHECK(strstr(lines[1], "\"images\":1"));
    free(log);
    CHECK_INT(serve_stop(&server), 0);
}

TEST(quiet_writes_no_lines)
{
    static const char *const args[] = { "--model", "tests/data/tiny",
                                        "--quiet", NULL };
    serve_process server;
    char id[32], *lines[8];

    serve_start(&server, args);
    get(&server, "/healthz", 200, id);
    get(&server, "/nowhere", 404, id);
    CHECK(strlen(id) == 16);
    pause_ms(100);
    char *log = serve_log_text(&server);
    CHECK_HAS(log, "clipc-serve: ready: ");
    CHECK_INT(request_lines(log, lines, 8), 0);
    free(log);
    CHECK_INT(serve_stop(&server), 0);
}

/* The program's own messages are quiet about requests too, and the client of a
 * Unix socket has no address. */
TEST(the_client_of_a_unix_socket)
{
    static char where[256];
    static const char *const args[] = { "--model", "tests/data/tiny", NULL };
    const serve_options options = { .args = args, .listen = where };
    serve_process server;
    char *lines[8];

    snprintf(where, sizeof where, "unix:%s", test_path("sock"));
    serve_spawn(&server, &options);
    serve_await(&server, "ready: ");
    wire w = wire_open(&server);
    CHECK(wire_puts(&w, "GET /ping HTTP/1.1\r\n" HOST "\r\n"));
    http_answer answer = wire_answer(&w, false);
    CHECK_INT(answer.status, 200);
    http_free(&answer);
    wire_close(&w);
    char *log = log_of(&server, 1, lines, 8);
    CHECK_HAS(lines[0], " unix GET /ping 200 ");
    free(log);
    CHECK_INT(serve_stop(&server), 0);
}

/* ---- hostile text ------------------------------------------------------ */

static void send_hostile(const serve_process *server)
{
    static const char *const requests[] = {
        "GET /" EVIL " HTTP/1.1\r\n" HOST "\r\n",
        "GET /healthz?" EVIL "=" EVIL "%0A" EVIL " HTTP/1.1\r\n" HOST "\r\n",
        "GET /%0A%0D" EVIL "%22 HTTP/1.1\r\n" HOST "\r\n",
        EVIL " /healthz HTTP/1.1\r\n" HOST "\r\n",
        "GET /healthz " EVIL "/1.1\r\n" HOST "\r\n",
        "GET /healthz HTTP/1.1\r\nHost: " EVIL ".example\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n" HOST "User-Agent: " EVIL "\r\n"
        "Referer: http://" EVIL "/\r\nX-Forwarded-For: " EVIL "\r\n"
        "Forwarded: for=" EVIL "\r\nX-Request-Id: " EVIL "\r\n" EVIL ": " EVIL
        "\r\nCookie: " EVIL "\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n" HOST "Origin: http://" EVIL "\r\n\r\n",
        "GET /v1/labels?list=" EVIL " HTTP/1.1\r\n" HOST "\r\n",
        "GET /v1/models HTTP/1.1\r\n" HOST "Authorization: Bearer " EVIL
        "\r\n\r\n",
        EVIL "\r\n\r\n",
        "GET http://" EVIL "/ HTTP/1.1\r\n" HOST "\r\n",
        "POST /v1/classify HTTP/1.1\r\n" HOST "Content-Length: " EVIL
        "\r\n\r\n",
        "POST /v1/classify HTTP/1.1\r\n" HOST "Transfer-Encoding: " EVIL
        "\r\n\r\n",
        "POST /v1/classify HTTP/1.1\r\n" HOST "Expect: " EVIL "\r\n\r\n",
        "POST /v1/classify?labels=" EVIL " HTTP/1.1\r\n" HOST
        "Content-Type: " EVIL "/" EVIL "\r\nContent-Length: 4\r\n\r\n" EVIL,
        "POST /v1/classify?url=http://" EVIL ".invalid/%0A HTTP/1.1\r\n" HOST
        "Content-Length: 0\r\n\r\n",
        "POST /v1/classify?url=" EVIL " HTTP/1.1\r\n" HOST
        "Content-Length: 0\r\n\r\n",
    };
    static const struct {
        const char *path, *type, *body;
    } bodies[] = {
        { "/v1/embeddings", "application/json",
          "{\"model\":\"" EVIL "\\n\",\"input\":\"x\"}" },
        { "/v1/embeddings", "application/json",
          "{\"input\":\"" EVIL "\\n\"}" },
        { "/v1/embeddings", "application/json",
          "{\"input\":[\"data:" EVIL "\"],\"modality\":\"image\"}" },
        { "/v1/embeddings", "application/json", "{" EVIL },
        { "/hf", "application/json",
          "{\"inputs\":\"" EVIL "\",\"parameters\":{\"candidate_labels\":"
          "[\"" EVIL "\"]}}" },
        { "/vectorize", "application/json", "{\"texts\":[\"" EVIL "\"]}" },
        { "/predict", "multipart/form-data; boundary=" EVIL,
          "--" EVIL "\r\nContent-Disposition: form-data; name=\"entries\"\r\n"
          "\r\n{\"" EVIL "\":{}}\r\n--" EVIL "--\r\n" },
        { "/", "multipart/form-data; boundary=x",
          "--x\r\nContent-Disposition: form-data; name=\"" EVIL "\"; "
          "filename=\"" EVIL "\"\r\n\r\n" EVIL "\r\n--x--\r\n" },
        { "/v1/classify", "multipart/form-data; boundary=x",
          "--x\r\nContent-Disposition: form-data; name=\"image\"; "
          "filename=\"" EVIL "\"\r\nContent-Type: " EVIL "\r\n\r\n" EVIL
          "\r\n--x--\r\n" },
    };

    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        wire w = wire_open(server);
        wire_puts(&w, requests[i]);
        http_answer answer = wire_answer(&w, false);
        http_free(&answer);
        wire_close(&w);
    }
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        http_answer answer = http_post(server->port, bodies[i].path,
                                       bodies[i].type, bodies[i].body,
                                       strlen(bodies[i].body));
        CHECK(answer.status >= 200);
        http_free(&answer);
    }
}

TEST(no_text_of_a_client_in_lines_and_metrics)
{
    static const char *const forms[] = { "text", "json" };
    char *lines[128];

    for (size_t f = 0; f < 2; f++) {
        const char *const args[] = { "--model", "tests/data/tiny",
                                     "--log-format", forms[f], NULL };
        serve_process server;
        serve_start(&server, args);
        send_hostile(&server);
        http_answer metrics = http_get(server.port, "/metrics", NULL);
        CHECK_INT(metrics.status, 200);
        CHECK(!strstr(metrics.body, EVIL));
        http_free(&metrics);
        pause_ms(50);
        char *log = serve_log_text(&server);
        if (strstr(log, EVIL))
            FAIL("in the log: %.200s", strstr(log, EVIL));
        for (const char *c = log; *c; c++)
            CHECK((*c >= 0x20 && *c < 0x7F) || *c == '\n');
        size_t n = request_lines(log, lines, 128);
        CHECK(n > 20);
        for (size_t i = 0; i < n && f == 1; i++)
            check_json_line(lines[i]);
        free(log);
        CHECK_INT(serve_stop(&server), 0);
    }
}
