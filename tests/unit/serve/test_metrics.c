/* SPDX-License-Identifier: MIT
 *
 * test_metrics.c - /metrics of the running server: that it is Prometheus' text
 * format 0.0.4, by a strict reader, and counts what happened.
 */
#include "support/serve_client.h"
#include "support/test.h"
#include "support/wire.h"

#include <ctype.h>
#include <stdlib.h>

#define HOST "Host: 127.0.0.1\r\n"
#define PICTURE "tests/data/images/pictures/420.jpg"

/* ---- a strict reader --------------------------------------------------- */

enum { NAME = 128, MAX_FAMILIES = 64, MAX_SAMPLES = 4096 };

typedef struct family {
    char name[NAME], type[16];
    size_t n_samples;
} family;

static family families[MAX_FAMILIES];
static size_t n_families;
static char seen[MAX_SAMPLES][256]; /* samples: none may come twice */
static size_t n_seen;

static size_t name_bytes(const char *s)
{
    size_t n = 0;

    while (isalpha((unsigned char)s[n]) || s[n] == '_' || s[n] == ':' ||
           (n > 0 && isdigit((unsigned char)s[n])))
        n++;
    return n;
}

static family *find_family(const char *name)
{
    for (size_t i = 0; i < n_families; i++)
        if (strcmp(families[i].name, name) == 0)
            return &families[i];
    return NULL;
}

/* # HELP name text, then # TYPE name type. */
static void read_comment(const char *line)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };
    char name[NAME];
    bool known = false;

    if (strncmp(line, "# HELP ", 7) == 0) {
        size_t n = name_bytes(line + 7);
        if (n == 0 || n >= NAME || line[7 + n] != ' ' || !line[8 + n])
            FAIL("HELP: %s", line);
        snprintf(name, sizeof name, "%.*s", (int)n, line + 7);
        if (find_family(name))
            FAIL("two HELPs: %s", line);
        CHECK(n_families < MAX_FAMILIES);
        memcpy(families[n_families].name, name, NAME);
        families[n_families].type[0] = '\0';
        families[n_families++].n_samples = 0;
        return;
    }
    if (strncmp(line, "# TYPE ", 7) != 0 || n_families == 0)
        FAIL("a comment: %s", line);
    family *f = &families[n_families - 1];
    size_t n = strlen(f->name);
    if (strncmp(line + 7, f->name, n) != 0 || line[7 + n] != ' ' || f->type[0])
        FAIL("TYPE: %s", line);
    for (size_t i = 0; i < 3; i++)
        known |= strcmp(line + 8 + n, types[i]) == 0;
    if (!known)
        FAIL("TYPE: %s", line);
    snprintf(f->type, sizeof f->type, "%s", line + 8 + n);
    n = strlen(f->name);
    if (strcmp(f->type, "counter") == 0 &&
        strcmp(f->name + n - 6, "_total") != 0)
        FAIL("a counter is called NAME_total: %s", line);
}

/* {name="value",...}; values escape \, " and line feed. */
static const char *read_labels(const char *at, const char *line)
{
    if (*at != '{')
        return at;
    do {
        size_t n = name_bytes(++at);
        if (n == 0 || at[n] != '=' || at[n + 1] != '"')
            FAIL("labels: %s", line);
        for (at += n + 2; *at != '"'; at++) {
            if ((unsigned char)*at < 0x20)
                FAIL("a control byte: %s", line);
            if (*at == '\\' && !strchr("\\\"n", *++at))
                FAIL("an escape: %s", line);
        }
        at++;
    } while (*at == ',');
    if (*at != '}')
        FAIL("labels: %s", line);
    return at + 1;
}

/* Buckets of a histogram rise, and end with +Inf, which is _count. */
static struct {
    char series[256]; /* name and labels before le */
    double value, bound;
    bool ended;
} bucket;

static void read_bucket(const char *line, double value)
{
    const char *le = strstr(line, "le=\"");
    char series[256];

    if (!le)
        FAIL("a bucket without le: %s", line);
    snprintf(series, sizeof series, "%.*s", (int)(le - line), line);
    bool first = strcmp(series, bucket.series) != 0;
    if (first && bucket.series[0] && !bucket.ended)
        FAIL("%s has no +Inf", bucket.series);
    char *end;
    bool infinite = strncmp(le + 4, "+Inf\"", 5) == 0;
    double bound = infinite ? INFINITY : strtod(le + 4, &end);
    if (!infinite && *end != '"')
        FAIL("le: %s", line);
    if (!first &&
        (bucket.ended || bound <= bucket.bound || value < bucket.value))
        FAIL("buckets must rise: %s", line);
    memcpy(bucket.series, series, sizeof series);
    bucket.value = value;
    bucket.bound = bound;
    bucket.ended = infinite;
}

static void read_sample(const char *line)
{
    family *f = n_families ? &families[n_families - 1] : NULL;
    const char *at = line + name_bytes(line);
    size_t n = (size_t)(at - line);
    const char *suffix = "";
    char *end;

    if (!f || !f->type[0])
        FAIL("a sample before its TYPE: %s", line);
    size_t n_family = strlen(f->name);
    if (n < n_family || strncmp(line, f->name, n_family) != 0)
        FAIL("a sample of another metric: %s", line);
    suffix = line + n_family;
    at = read_labels(at, line);
    if (*at != ' ')
        FAIL("no value: %s", line);
    size_t n_sample = (size_t)(at - line);
    double value = strtod(at + 1, &end);
    if (end == at + 1 || *end)
        FAIL("a value: %s", line);
    CHECK(n_seen < MAX_SAMPLES && n_sample < sizeof seen[0]);
    snprintf(seen[n_seen], sizeof seen[0], "%.*s", (int)n_sample, line);
    for (size_t i = 0; i < n_seen; i++)
        if (strcmp(seen[i], seen[n_seen]) == 0)
            FAIL("twice: %s", line);
    n_seen++;
    f->n_samples++;
    if (strcmp(f->type, "histogram") == 0) {
        if (strncmp(suffix, "_bucket{", 8) == 0)
            read_bucket(line, value);
        else if (strncmp(suffix, "_count", 6) == 0) {
            if (!bucket.ended || value != bucket.value)
                FAIL("_count is not the +Inf bucket: %s", line);
        } else if (strncmp(suffix, "_sum", 4) != 0 || value < 0) {
            FAIL("a sample of a histogram: %s", line);
        }
    } else if (n != n_family || value < 0) {
        FAIL("a sample: %s", line);
    }
}

static void read_metrics(const serve_process *server)
{
    http_answer answer = http_get(server->port, "/metrics", NULL);
    char *rest;

    CHECK_INT(answer.status, 200);
    CHECK_STR(http_header(&answer, "Content-Type"),
              "text/plain; version=0.0.4; charset=utf-8");
    CHECK(answer.n > 0 && answer.body[answer.n - 1] == '\n');
    CHECK_INT(strlen(answer.body), answer.n);
    CHECK(!strstr(answer.body, "\n\n"));
    n_families = n_seen = 0;
    memset(&bucket, 0, sizeof bucket);
    for (char *line = strtok_r(answer.body, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        if (*line == '#')
            read_comment(line);
        else
            read_sample(line);
    }
    CHECK(bucket.ended);
    http_free(&answer);
}

/* ---- what is counted --------------------------------------------------- */

static serve_process server;

static void stop(void)
{
    serve_stop(&server);
}

static void start(void)
{
    static const char *args[] = { "--model",
                                  "tests/data/tiny",
                                  "--quiet",
                                  "--max-body",
                                  "4K",
                                  "--api-key",
                                  NULL,
                                  "--served-name",
                                  "we\"ird\\na\nme",
                                  "--no-urls",
                                  NULL };

    if (server.pid)
        return;
    args[6] = test_path("key");
    test_write(args[6], "0123456789abcdef", 16);
    serve_start(&server, args);
    atexit(stop);
}

#define KEY "Authorization: Bearer 0123456789abcdef\r\n"

static http_answer raw(const char *request)
{
    return http_raw(server.port, request, strlen(request));
}

static int post_picture(const void *picture, size_t n)
{
    char head[512];
    wire w = wire_open(&server);

    snprintf(head, sizeof head,
             "POST /v1/classify?labels=a,b HTTP/1.1\r\n" HOST KEY
             "Content-Length: %zu\r\n\r\n",
             n);
    CHECK(wire_puts(&w, head));
    CHECK(wire_send(&w, picture, n));
    http_answer answer = wire_answer(&w, false);
    int status = answer.status;
    http_free(&answer);
    wire_close(&w);
    return status;
}

TEST(the_format_of_prometheus)
{
    static const char *const wanted[] = {
        "clipc_http_requests_total",
        "clipc_http_request_duration_seconds",
        "clipc_queue_depth",
        "clipc_queue_wait_seconds",
        "clipc_batch_size",
        "clipc_decode_seconds",
        "clipc_encode_seconds",
        "clipc_images_total",
        "clipc_texts_total",
        "clipc_rejected_total",
        "clipc_upstream_requests_total",
        "clipc_model_info",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_start_time_seconds",
    };
    size_t n;

    start();
    read_metrics(&server); /* before any work */
    char *picture = test_read(PICTURE, &n);
    CHECK_INT(post_picture(picture, n), 200);
    CHECK_INT(post_picture("hello", 5), 415);
    free(picture);
    http_answer answer = http_get(server.port, "/nowhere", NULL);
    http_free(&answer);
    read_metrics(&server);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!find_family(wanted[i]))
            FAIL("no %s", wanted[i]);
}

TEST(what_happened_is_counted)
{
    static const struct {
        const char *request, *sample;
    } cases[] = {
        { "GET /healthz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
          "clipc_http_requests_total{route=\"/healthz\",method=\"GET\","
          "code=\"200\"}" },
        { "HEAD /healthz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
          "clipc_http_requests_total{route=\"/healthz\",method=\"GET\","
          "code=\"200\"}" },
        { "GET /x HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
          "clipc_http_requests_total{route=\"other\",method=\"any\","
          "code=\"404\"}" },
        { "PUT /ping HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
          "clipc_http_requests_total{route=\"other\",method=\"any\","
          "code=\"405\"}" },
        { "POST /hf HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
          "clipc_rejected_total{reason=\"key\"}" },
        { "GET /ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
          "clipc_rejected_total{reason=\"host\"}" },
        { "GET /ping HTTP/1.1\r\n" HOST "Origin: null\r\n"
          "Connection: close\r\n\r\n",
          "clipc_rejected_total{reason=\"origin\"}" },
        { "GET /ping HTTP/1.1\r\n" HOST HOST "\r\n",
          "clipc_rejected_total{reason=\"head\"}" },
        { "GET /%zz HTTP/1.1\r\n" HOST "\r\n",
          "clipc_rejected_total{reason=\"head\"}" },
        { "POST /hf HTTP/1.1\r\n" HOST KEY "Content-Length: 5000\r\n"
          "Connection: close\r\nExpect: 100-continue\r\n\r\n",
          "clipc_rejected_total{reason=\"size\"}" },
        { "POST /v1/classify HTTP/1.1\r\n" HOST KEY
          "Connection: close\r\nContent-Length: 5\r\n\r\nhello",
          "clipc_images_total{status=\"unsupported\"}" },
        { "POST /vectorize HTTP/1.1\r\n" HOST KEY
          "Connection: close\r\nContent-Length: 15\r\n\r\n{\"texts\":[\"a\"]}",
          "clipc_texts_total" },
    };

    start();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double before = serve_metric(&server, cases[i].sample);
        http_answer answer = raw(cases[i].request);
        if (answer.status == 0)
            FAIL("%s: no answer", cases[i].request);
        http_free(&answer);
        serve_await_metric(&server, cases[i].sample,
                           before < 0 ? 1 : before + 1);
    }
    read_metrics(&server);
}

/* The operator's words are escaped. */
TEST(the_name_of_the_model_is_a_label)
{
    start();
    CHECK(serve_metric(&server, "clipc_model_info{model=\"we\\\"ird\\\\name\","
                                "precision=\"f32\"}") == 1);
}

TEST(the_server_ends_well)
{
    start();
    CHECK_INT(serve_stop(&server), 0);
}
