/* SPDX-License-Identifier: MIT
 *
 * torture_serve.c - every allocation, read, open, thread start and network
 * call of clipc-serve fails in turn while it answers a request.
 *
 *     LD_PRELOAD=BUILD/tests/support/shim.so BUILD/tests/stress/torture_serve
 *                                        [--quick] [--at N] [SCENARIO...]
 *
 * from the repository root; `make torture` runs this program. The server's
 * parts are linked in, so that the shim's counters are at hand. For n = 1, 2,
 * ... until no call is left to fail: the n-th call of a class (shim.h) of the
 * server misbehaves while it answers the scenario's request, and
 *   - the answer is that of the undisturbed request, or an error of 5xx (or of
 *     the upstream's kind), or the connection ends without one;
 *   - the same request over a new connection is answered as undisturbed;
 *   - no allocation and no descriptor is left when the connection has ended,
 *     and no place at the gates is taken.
 * The scenario "reload" opens the model anew instead: the server goes on.
 * Each sweep prints a line: "ok - ..." with counts, or "not ok - ..." with the
 * n of the failure. --quick tries some sixteen n of each class.
 *
 * The client of this file makes system calls by their numbers: the shim does
 * not see it.
 */
#define _GNU_SOURCE /* syscall */
#include "common/tool.h"
#include "serve/http.h"
#include "serve/options.h"
#include "serve/routes.h"
#include "serve/upstream.h"
#include "support/faults.h"
#include "support/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PICTURE "tests/data/images/pictures/420.jpg"

enum {
    MAX_BYTES = 1 << 18, /* of a request, and of an answer */
    ANSWER_MS = 20000,
    SETTLE_MS = 3000, /* for threads of connections to end */
    SECONDS = 3000    /* the program ends after this time */
};

/* ---- the server -------------------------------------------------------- */

static serve_server server;
static serve_http *http;
static unsigned port;

static bool start_server(const serve_settings *settings)
{
    int fd = listen_loopback(&port);

    if (fd < 0 ||
        !serve_server_start(&server, settings, serve_routes, serve_n_routes))
        return false;
    http = serve_http_start(&server, fd);
    if (!http || !serve_models_load(server.models))
        return false;
    atomic_store(&server.state, SERVE_READY);
    return true;
}

/* ---- the client -------------------------------------------------------- */

typedef struct answer {
    int status; /* 0: the connection ended without one */
    size_t n;
    char bytes[MAX_BYTES];
} answer;

static void fatal(const char *what)
{
    printf("not ok - torture serve %s: %s\n", fault_current, what);
    exit(1);
}

/* Leaves out what differs from one answer to the next: the head, which has an
 * id and a date, and times: the JSON member, or "1.2 ms" of the page, and
 * what follows in its line. */
static void cut(answer *a)
{
    char *body = strstr(a->bytes, "\r\n\r\n"), *times;

    a->n = 0;
    if (!body)
        return;
    times = strstr(body, "\"timing_ms\":{");
    if (times)
        *times = '\0';
    for (char *at = body; (at = strstr(at, " ms")); at++) {
        char *end = at + strcspn(at, "<");
        while (at > body && strchr("0123456789.", at[-1]))
            at--;
        memmove(at, end, strlen(end) + 1);
    }
    a->n = strlen(body);
    memmove(a->bytes, body, a->n + 1);
}

/* Sends a request with Connection: close and reads to the end. */
static void ask(const char *request, size_t n_request, answer *a)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port) };
    size_t n_sent = 0;

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a->status = 0;
    a->n = 0;
    long fd = syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || syscall(SYS_connect, fd, &in, sizeof in) != 0)
        fatal("cannot connect");
    while (n_sent < n_request) {
        long n = syscall(SYS_sendto, fd, request + n_sent, n_request - n_sent,
                         MSG_NOSIGNAL, NULL, 0);
        if (n <= 0)
            break; /* a refusal may come before the end */
        n_sent += (size_t)n;
    }
    for (;;) {
        struct pollfd p = { .fd = (int)fd, .events = POLLIN };
        if (poll(&p, 1, ANSWER_MS) <= 0)
            fatal("no answer and no end: it hangs");
        long n = syscall(SYS_recvfrom, fd, a->bytes + a->n,
                         MAX_BYTES - 1 - a->n, 0, NULL, NULL);
        if (n <= 0)
            break;
        a->n += (size_t)n;
    }
    syscall(SYS_close, fd);
    a->bytes[a->n] = '\0';
    if (a->n > 12 && strncmp(a->bytes, "HTTP/1.1 ", 9) == 0)
        a->status = atoi(a->bytes + 9);
    cut(a);
}

/* ---- another server ---------------------------------------------------- */

static char picture[MAX_BYTES / 2];
static size_t n_picture;

#if CLIPC_CURL
static int site_fd;
static unsigned site_port;

/* Answers every request, whose end it does not look for, with the picture. */
static void *be_site(void *arg)
{
    static char bytes[MAX_BYTES];
    int n_head = snprintf(bytes, sizeof bytes,
                          "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n"
                          "Connection: close\r\n\r\n",
                          n_picture);
    size_t n = (size_t)n_head + n_picture;

    memcpy(bytes + n_head, picture, n_picture);
    for (;;) {
        static char sink[65536];
        long fd = syscall(SYS_accept4, site_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return arg;
        if (syscall(SYS_recvfrom, fd, sink, sizeof sink, 0, NULL, NULL) > 0)
            syscall(SYS_sendto, fd, bytes, n, MSG_NOSIGNAL, NULL, 0);
        syscall(SYS_shutdown, fd, SHUT_WR);
        while (syscall(SYS_recvfrom, fd, sink, sizeof sink, 0, NULL, NULL) > 0)
            ;
        syscall(SYS_close, fd);
    }
}

static bool start_site(void)
{
    pthread_t thread;

    site_fd = listen_loopback(&site_port);
    return site_fd >= 0 && pthread_create(&thread, NULL, be_site, NULL) == 0;
}
#endif

/* ---- scenarios --------------------------------------------------------- */

#define PART(name) \
    "--x\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"

static const struct scenario {
    const char *name, *line, *type;
    const char *before; /* of the body */
    bool picture;       /* in its middle */
    const char *after;
    unsigned classes; /* besides SHIM_ALLOC */
} scenarios[] = {
    { "classify", "POST /v1/classify", "image/jpeg", "", true, "",
      SHIM_THREAD | SHIM_NETWORK },
    { "classify-labels",
      "POST /v1/classify?labels=a+cat,a+dog&template=a+{}&crop=1",
      "image/jpeg", "", true, "", 0 },
    { "classify-parts", "POST /v1/classify", "multipart/form-data; boundary=x",
      PART("labels") "a cat, a dog\r\n" PART("image"), true, "\r\n--x--\r\n",
      SHIM_NETWORK },
    { "classify-json", "POST /v1/classify", "application/json",
      "{\"labels\":[\"a cat\",\"a dog\"],\"image\":{\"url\":\"ftp://a/\"}}",
      false, "", 0 },
    { "embeddings", "POST /v1/embeddings", "application/json",
      "{\"input\":[\"a cat\",\"a dog\",\"\\u00e4\"],\"encoding_format\":"
      "\"base64\"}",
      false, "", 0 },
    { "zero-shot-refused", "POST /hf", "application/json",
      "{\"inputs\":\"aGVsbG8\",\"parameters\":{\"candidate_labels\":[\"a\"]}}",
      false, "", 0 },
    { "vectorize", "POST /vectorize", "application/json",
      "{\"texts\":[\"a cat\"],\"images\":null}", false, "", 0 },
    { "predict-text", "POST /predict", "multipart/form-data; boundary=x",
      PART("entries") "{\"clip\":{\"textual\":{\"modelName\":\"tiny\"}}}\r\n" PART(
          "text"),
      false, "a cat\r\n--x--\r\n", 0 },
    { "predict-image", "POST /predict", "multipart/form-data; boundary=x",
      PART("entries") "{\"clip\":{\"visual\":{\"modelName\":\"tiny\"}}}\r\n" PART(
          "image"),
      true, "\r\n--x--\r\n", 0 },
#if CLIPC_CURL
    /* %u: the port of the other server. */
    { "url", "POST /v1/classify?url=http://127.0.0.1:%u/a.jpg", "image/jpeg",
      "", false, "", SHIM_THREAD | SHIM_NETWORK },
    { "upstream", "POST /predict", "multipart/form-data; boundary=x",
      PART("entries") "{\"clip\":{\"textual\":{\"modelName\":\"other\"}}}\r\n" PART(
          "text"),
      false, "a cat\r\n--x--\r\n", SHIM_THREAD | SHIM_NETWORK },
#endif
    { "form", "POST /", "multipart/form-data; boundary=x",
      PART("labels") "a cat\r\na dog\r\n" PART("image"), true, "\r\n--x--\r\n",
      0 },
    { "labels", "GET /v1/labels?list=car-labels", NULL, "", false, "", 0 },
    { "models", "GET /v1/models", NULL, "", false, "", 0 },
    { "page", "GET /", NULL, "", false, "", 0 },
    { "ping", "GET /ping?a=b%20c", NULL, "", false, "",
      SHIM_THREAD | SHIM_NETWORK },
    { "nowhere", "GET /nowhere", NULL, "", false, "", 0 },
    { "odd-head", "GET /ping\r\nX : y", NULL, "", false, "", 0 },
};

static size_t make_request(const struct scenario *s, char *out)
{
    size_t n_body = strlen(s->before) + strlen(s->after) +
                    (s->picture ? n_picture : 0);
    char line[256], *to = out;

#if CLIPC_CURL
    const char *place = strstr(s->line, "%u");
    if (place)
        snprintf(line, sizeof line, "%.*s%u%s", (int)(place - s->line),
                 s->line, site_port, place + 2);
    else
#endif
        snprintf(line, sizeof line, "%s", s->line);
    char *header = strstr(line, "\r\n");
    if (header)
        *header = '\0';
    to += sprintf(to, "%s HTTP/1.1\r\n%s%s", line, header ? header + 2 : "",
                  header ? "\r\n" : "");
    to += sprintf(to, "Host: 127.0.0.1\r\nAccept: text/html\r\n"
                      "Connection: close\r\n");
    if (s->type)
        to += sprintf(to, "Content-Type: %s\r\nContent-Length: %zu\r\n",
                      s->type, n_body);
    to += sprintf(to, "\r\n%s", s->before);
    if (s->picture) {
        memcpy(to, picture, n_picture);
        to += n_picture;
    }
    to += sprintf(to, "%s", s->after);
    return (size_t)(to - out);
}

/* ---- one sweep --------------------------------------------------------- */

static long only; /* --at */

static void pause_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

/* Waits until the threads of connections have ended and the allocations are
 * as many as before; returns the difference. */
static long settle(long before)
{
    long left = 0;

    for (int ms = 0; ms < SETTLE_MS; ms++) {
        serve_label_cache_forget(server.label_cache, UINT64_MAX);
        left = live() - before;
        if (left <= 0 && serve_http_connections(http) == 0 &&
            atomic_load(&server.n_requests) == 0)
            return 0;
        /* Threads that are cached by the C library keep something. */
        if (left > 0 && ms > 200 && serve_http_connections(http) == 0)
            break;
        pause_ms(ms < 20 ? 0 : 1);
    }
    if (serve_http_connections(http) || atomic_load(&server.n_requests))
        fault_report("%s is left", serve_http_connections(http)
                                       ? "a connection"
                                       : "a request");
    return left;
}

static char request[MAX_BYTES];
static size_t n_request;
static answer reference, got;
static unsigned idle_descriptors; /* when no request is under way */

static bool same_answer(void)
{
    return got.status == reference.status && got.n == reference.n &&
           memcmp(got.bytes, reference.bytes, got.n) == 0;
}

/* No more than before? The other server of this process may be about to close
 * one. */
static void check_descriptors(unsigned before)
{
    for (int ms = 0; open_descriptors() > before && ms < 1000; ms++)
        pause_ms(1);
    if (open_descriptors() > before)
        fault_report("%s", "a descriptor is left open");
}

typedef struct tally {
    long refused, closed, absorbed, kept;
} tally;

/* Returns false if call n was not made: the sweep is over. */
static bool disturb(unsigned class, unsigned how, long n, tally *t)
{
    long before = live();

    arm(class, n, how);
    ask(request, n_request, &got);
    disarm();
    bool hit = fired() > 0;
    if (got.status == 0)
        t->closed++;
    else if (same_answer())
        t->absorbed++;
    /* 499: a call on the connection itself failed. */
    else if ((got.status >= 500 && got.status < 600) ||
             (got.status == 499 && class == SHIM_NETWORK))
        t->refused++;
    else if (hit)
        fault_report("an unexpected answer: %.60s", got.n ? got.bytes : "");
    if (!hit && !same_answer())
        fault_report("%s", "another answer without a fault");
    ask(request, n_request, &got);
    if (!same_answer()) {
        printf("# status %d: %.200s\n", got.status, got.bytes);
        fault_report("%s", "the next request has another answer");
    }
    t->kept = settle(before);
    if (serve_gate_taken(&server.admitted) ||
        serve_gate_taken(&server.decoding) ||
        serve_gate_taken(&server.fetching))
        fault_report("%s", "a place at a gate is not given back");
    if (serve_budget_taken(&server.bodies))
        fault_report("%s", "bytes of the budget are not given back");
    check_descriptors(idle_descriptors);
    return hit;
}

static void sweep(const struct scenario *s, size_t c, unsigned how, bool quick)
{
    unsigned failed_before = n_fault_reports;
    tally t = { 0 };
    long n;

    (void)settle(live());
    arm(fault_classes[c].class, LONG_MAX, SHIM_ONCE);
    ask(request, n_request, &got);
    long total = disarm();
    (void)settle(live());
    for (n = only ? only : 1;;
         n = only ? LONG_MAX : fault_next(n, total, quick)) {
        snprintf(fault_current, sizeof fault_current, "%s %s %s n=%ld",
                 s->name, fault_classes[c].name, fault_modes[how], n);
        bool hit = disturb(fault_classes[c].class, how, n, &t);
        /* A leak grows with every repetition; a library's own cache does
         * not. */
        for (int i = 0; i < 3 && t.kept > 0; i++)
            disturb(fault_classes[c].class, how, n, &t);
        if (t.kept > 0)
            fault_report("%s", "an allocation is not freed");
        if (!hit || n_fault_reports > failed_before + 5)
            break;
    }
    if (n_fault_reports == failed_before)
        printf("ok - torture serve %s %s %s: %ld calls, %ld refused, %ld "
               "closed, %ld absorbed\n",
               s->name, fault_classes[c].name, fault_modes[how], total,
               t.refused, t.closed, t.absorbed);
    fflush(stdout);
}

/* Asks undisturbed, three times: libraries then have the memory and the
 * descriptors that they keep. */
static bool warm_up(const struct scenario *s)
{
    snprintf(fault_current, sizeof fault_current, "%s", s->name);
    n_request = make_request(s, request);
    for (int i = 0; i < 3; i++) {
        ask(request, n_request, &reference);
        (void)settle(live());
    }
    for (int ms = 0, same = 0; same < 100 && ms < 2000; ms++, same++) {
        if (open_descriptors() != idle_descriptors)
            same = 0;
        idle_descriptors = open_descriptors();
        pause_ms(1);
    }
    if (reference.status != 0)
        return true;
    fault_report("%s", "undisturbed: no answer");
    return false;
}

/* Opens the model anew under faults: the new one or the one before answers. A
 * helper that had no memory may lose the few names in its hands. */
static void sweep_reload(size_t c, unsigned how, bool quick)
{
    enum { NAMES = 8 };
    unsigned failed_before = n_fault_reports;
    long total, n_refused = 0;

    arm(fault_classes[c].class, LONG_MAX, SHIM_ONCE);
    (void)serve_models_load(server.models);
    total = disarm();
    for (long n = only ? only : 1; n <= total;
         n = fault_next(n, total, quick)) {
        unsigned descriptors = open_descriptors();
        long before = live();
        snprintf(fault_current, sizeof fault_current, "reload %s %s n=%ld",
                 fault_classes[c].name, fault_modes[how], n);
        arm(fault_classes[c].class, n, how);
        bool good = serve_models_load(server.models);
        disarm();
        if (fired() == 0 && !good)
            fault_report("%s", "fails without a fault");
        n_refused += !good;
        check_descriptors(descriptors);
        if (live() - before > NAMES)
            fault_report("%s", "allocations are not freed");
        ask(request, n_request, &got);
        if (!same_answer())
            fault_report("%s", "the next request has another answer");
        (void)settle(live());
        if (only || n_fault_reports > failed_before + 5)
            break;
    }
    if (n_fault_reports == failed_before)
        printf("ok - torture serve reload %s %s: %ld calls, %ld refused\n",
               fault_classes[c].name, fault_modes[how], total, n_refused);
    fflush(stdout);
}

static void torture_reload(bool quick)
{
    const unsigned all = SHIM_ALLOC | SHIM_READ | SHIM_OPEN | SHIM_MMAP |
                         SHIM_THREAD;

    if (!warm_up(&scenarios[0]))
        return;
    for (size_t c = 0; c < FAULT_CLASSES; c++)
        for (unsigned how = 0; how < FAULT_MODES; how++)
            if ((all & fault_classes[c].class) &&
                (fault_classes[c].modes >> how & 1))
                sweep_reload(c, how, quick);
}

static void torture(int argc, char **argv, int first, bool quick)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        const struct scenario *s = &scenarios[i];
        if (!fault_wanted(s->name, argc, argv, first) || !warm_up(s))
            continue;
        for (size_t c = 0; c < FAULT_CLASSES; c++)
            for (unsigned how = 0; how < FAULT_MODES; how++)
                if (((s->classes | SHIM_ALLOC) & fault_classes[c].class) &&
                    (fault_classes[c].modes >> how & 1))
                    sweep(s, c, how, quick);
    }
}

int main(int argc, char **argv)
{
    serve_settings settings = serve_settings_default();
    bool quick = false;
    int first = 1;

    for (; first < argc && strncmp(argv[first], "--", 2) == 0; first++) {
        if (strcmp(argv[first], "--quick") == 0)
            quick = true;
        else if (strcmp(argv[first], "--at") == 0 && first + 1 < argc)
            only = atol(argv[++first]);
        else
            return 2;
    }
    if (!faults_start("torture serve", SECONDS))
        return 2;
    tool_start("torture_serve", &argc, &argv);
    /* Of thousands of failures on purpose. */
    if (!getenv("SHIM_TRACE"))
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
    setenv("XDG_CACHE_HOME", "/dev/null/none", 1);
    FILE *file = fopen(PICTURE, "rb");
    n_picture = file ? fread(picture, 1, sizeof picture, file) : 0;
    if (!n_picture) {
        perror(PICTURE);
        return 2;
    }
    fclose(file);
    settings.common.data_dir = "weights";
    settings.common.model = "tests/data/tiny";
    settings.common.ctx.gemm = CLIPC_GEMM_NATIVE;
    settings.common.ctx.threads = 1;
    settings.common.quiet = true;
    settings.labels = "car-labels";
    settings.allow_private = true;
#if CLIPC_CURL
    static char upstream[64];
    const char *why;
    if (!start_site())
        return 2;
    snprintf(upstream, sizeof upstream, "http://127.0.0.1:%u", site_port);
    settings.immich_upstream = upstream;
    if (!serve_upstream_start(upstream, &why))
        return 2;
#endif
    if (!start_server(&settings)) {
        printf("not ok - torture serve: no server\n");
        return 1;
    }
    torture(argc, argv, first, quick);
    if (fault_wanted("reload", argc, argv, first))
        torture_reload(quick);
    atomic_store(&server.state, SERVE_DRAINING);
    serve_http_stop(http);
    serve_server_stop(&server);
    return n_fault_reports != 0;
}
