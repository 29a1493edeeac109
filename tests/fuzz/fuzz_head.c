/* SPDX-License-Identifier: MIT
 *
 * fuzz_head.c - the head of a request. The input is cut into parts as
 * libmicrohttpd 0.9 does it, leniently and in place; raw_head.c must then tell
 * whether the parts are all that the head had: a head that it calls strict,
 * written again from its parts, has the bytes of the input. (Not where the
 * input has a NUL byte: at the end of a line it leaves no trace.) What guard.c
 * lets pass is compared with a second reading of the input.
 */
#include "serve/guard.h"
#include "serve/raw_head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST = SERVE_MAX_HEADERS + 1 };

typedef struct parsed {
    char *at, *end; /* what is not read yet */
    char *method, *target, *version;
    serve_field headers[MOST];
    size_t n;
} parsed;

/* The next line, its end overwritten; NULL: there is none. */
static char *next_line(parsed *p)
{
    char *line = p->at;

    for (char *c = line; c < p->end; c++) {
        if (*c != '\r' && *c != '\n')
            continue;
        p->at = c + 1;
        if (*c == '\r' && c + 1 < p->end && c[1] == '\n') {
            c[1] = '\0';
            p->at = c + 2;
        }
        *c = '\0';
        return line;
    }
    return NULL;
}

/* METHOD TARGET VERSION, with any number of blanks between. */
static bool read_line(parsed *p)
{
    do
        p->method = next_line(p);
    while (p->method && !*p->method);
    if (!p->method)
        return false;
    char *blank = strchr(p->method, ' ');
    if (!blank)
        return false;
    *blank = '\0';
    p->target = blank + 1 + strspn(blank + 1, " ");
    char *last = strrchr(p->target, ' ');
    if (!last)
        return false;
    p->version = last + 1;
    *last = '\0';
    return true;
}

/* Headers, folded ones put together in place. false: the head has no end. */
static bool read_headers(parsed *p)
{
    for (;;) {
        char *line = next_line(p);
        if (!line)
            return false;
        if (!*line)
            return true;
        char *colon = strchr(line, ':');
        if (!colon || p->n == MOST)
            return false;
        *colon = '\0';
        char *value = colon + 1 + strspn(colon + 1, " \t");
        while (p->at < p->end && (*p->at == ' ' || *p->at == '\t')) {
            char *more = next_line(p);
            if (!more)
                return false;
            more += strspn(more, " \t");
            memmove(value + strlen(value), more, strlen(more) + 1);
        }
        p->headers[p->n++] = (serve_field){ .name = line,
                                            .value = value,
                                            .name_bytes = strlen(line),
                                            .value_bytes = strlen(value) };
    }
}

static char *put(char *to, const char *s, size_t n)
{
    memcpy(to, s, n);
    return to + n;
}

/* Writes the head from its parts; the blanks before a value as they were. */
static size_t write_again(char *out, const parsed *p, const char *original,
                          const char *copy)
{
    char *to = out;

    to = put(to, p->method, strlen(p->method));
    *to++ = ' ';
    to = put(to, p->target, strlen(p->target));
    *to++ = ' ';
    to = put(to, p->version, strlen(p->version));
    to = put(to, "\r\n", 2);
    for (size_t i = 0; i < p->n; i++) {
        const serve_field *h = &p->headers[i];
        const char *blanks = h->name + h->name_bytes + 1;
        to = put(to, h->name, h->name_bytes);
        *to++ = ':';
        for (const char *c = blanks; c < h->value; c++) {
            char was = original[c - copy];
            if (was != ' ' && was != '\t')
                abort();
            *to++ = was;
        }
        to = put(to, h->value, h->value_bytes);
        to = put(to, "\r\n", 2);
    }
    to = put(to, "\r\n", 2);
    return (size_t)(to - out);
}

/* How often a header comes. */
static size_t count(const parsed *p, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        n += strcasecmp(p->headers[i].name, name) == 0;
    return n;
}

static void check_accepted(const parsed *p, const serve_request *request,
                           uint64_t body_bytes)
{
    const char *length = serve_header(request, "Content-Length");
    char digits[24];

    if (count(p, "Host") != 1 || count(p, "Content-Length") > 1 ||
        count(p, "Transfer-Encoding") || p->n > SERVE_MAX_HEADERS ||
        (strcmp(p->version, "HTTP/1.1") != 0 &&
         strcmp(p->version, "HTTP/1.0") != 0))
        abort();
    if (length) {
        snprintf(digits, sizeof digits, "%llu",
                 (unsigned long long)body_bytes);
        if (strcmp(length + strspn(length, "0"),
                   digits + strspn(digits, "0")) != 0)
            abort();
    } else if (body_bytes) {
        abort();
    }
}

static void check_guards(const serve_request *request)
{
    static const char *const allowed[] = { "a.example" };
    static const char key[] = "0123456789abcdef";
    const char *sent = serve_header(request, "Authorization");
    const char *host = serve_header(request, "Host");
    serve_refusal refusal;

    bool ours = serve_guard_host(request, allowed, 1, &refusal);
    if (ours && !strpbrk(host, "0123456789:") &&
        strcasecmp(host, "localhost") != 0 &&
        strcasecmp(host, allowed[0]) != 0)
        abort();
    if (!serve_guard_origin(request, false, &refusal) &&
        serve_guard_origin(request, true, &refusal))
        abort();
    if (serve_guard_key(request, key, &refusal) !=
        (sent && strncasecmp(sent, "Bearer ", 7) == 0 &&
         strcmp(sent + 7, key) == 0))
        abort();
}

static void try_head(const char *data, size_t n, char *copy, char *again)
{
    parsed p = { .at = copy, .end = copy + n };
    serve_request request = { .n_headers = 0 };
    serve_refusal refusal;
    uint64_t body_bytes;

    if (!read_line(&p) || !read_headers(&p))
        return;
    const char *begin = p.method;
    serve_raw_head raw = { .method = p.method,
                           .target = p.target,
                           .version = p.version,
                           .target_bytes = strlen(p.target),
                           .headers = p.headers,
                           .n_headers = p.n,
                           .bytes = (size_t)(p.at - begin) };
    bool strict = serve_raw_head_strict(&raw);
    if (strict) {
        size_t n_again = write_again(again, &p, data, copy);
        const char *from = data + (begin - copy);
        if (!memchr(from, '\0', raw.bytes) &&
            (n_again != raw.bytes || memcmp(again, from, n_again) != 0))
            abort();
    }
    serve_head head = { .method = p.method,
                        .version = p.version,
                        .headers = p.headers,
                        .n_headers = p.n,
                        .bytes = raw.bytes,
                        .loose = !strict };
    request.headers = p.headers;
    request.n_headers = p.n;
    if (serve_guard_head(&head, &body_bytes, &refusal)) {
        if (!strict)
            abort();
        check_accepted(&p, &request, body_bytes);
    } else if (!refusal.message || refusal.status < 400 ||
               !refusal.ambiguous) {
        abort();
    }
    check_guards(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *copy = malloc(n + 1), *again = malloc(2 * n + 64);

    if (copy && again) {
        memcpy(copy, data, n);
        copy[n] = '\0';
        try_head((const char *)data, n, copy, again);
    }
    free(copy);
    free(again);
    return 0;
}
