/* SPDX-License-Identifier: MIT
 *
 * hub_server.c - see hub_server.h.
 */
#include "support/hub_server.h"
#include "support/sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nettle/md5.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_RULES = 16, MAX_REQUEST = 16384, MAX_LOG = 1 << 20, VALUE = 512 };

typedef struct rule {
    char match[VALUE], values[VALUE];
    unsigned seen;
} rule;

typedef struct listener {
    hub_server *server;
    bool is_storage;
} listener;

struct hub_server {
    char root[1024], url[64], storage_url[64];
    int hub, storage; /* listeners */
    listener of_threads[2];
    pthread_mutex_t mutex;
    rule rules[MAX_RULES];
    size_t n_rules;
    char *log; /* [MAX_LOG] lines */
    size_t n_log;
};

typedef struct connection {
    hub_server *server;
    int fd;
    bool is_storage;
    char root[1024]; /* the server's root when the connection was made */
} connection;

/* A parsed request and the rule that applies. */
typedef struct request {
    char method[8], path[1024], authorization[512];
    bool has_range;
    size_t range;
    bool has_rule;
    char values[VALUE];
} request;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- rules ------------------------------------------------------------- */

/* Finds the value of a key in " a=1 b=2"; false: no such key. */
static bool value_of(const char *values, const char *key, char out[VALUE])
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, " %s=", key);
    const char *at = strstr(values, wanted);
    if (!at)
        return false;
    at += strlen(wanted);
    size_t n = strcspn(at, " ");
    memcpy(out, at, n);
    out[n] = '\0';
    return true;
}

static long number_of(const char *values, const char *key, long absent)
{
    char text[VALUE];
    return value_of(values, key, text) ? atol(text) : absent;
}

void hub_server_rule(hub_server *s, const char *text)
{
    const char *bar = strstr(text, " |");

    pthread_mutex_lock(&s->mutex);
    if (s->n_rules == MAX_RULES || !bar)
        die(text);
    rule *r = &s->rules[s->n_rules++];
    snprintf(r->match, sizeof r->match, "%.*s", (int)(bar - text), text);
    snprintf(r->values, sizeof r->values, "%s", bar + 2);
    r->seen = 0;
    pthread_mutex_unlock(&s->mutex);
}

void hub_server_reset(hub_server *s)
{
    pthread_mutex_lock(&s->mutex);
    s->n_rules = s->n_log = 0;
    s->log[0] = '\0';
    pthread_mutex_unlock(&s->mutex);
}

static void find_rule(hub_server *s, request *q, bool is_storage)
{
    char line[MAX_REQUEST];

    snprintf(line, sizeof line, "%s %s %s", is_storage ? "storage" : "hub",
             q->method, q->path);
    pthread_mutex_lock(&s->mutex);
    int n = snprintf(s->log + s->n_log, MAX_LOG - s->n_log,
                     "%.*s auth=%s range=", (int)strcspn(line, "?"), line,
                     q->authorization[0] ? "yes" : "no");
    s->n_log += (size_t)n;
    n = q->has_range ? snprintf(s->log + s->n_log, MAX_LOG - s->n_log, "%zu\n",
                                q->range)
                     : snprintf(s->log + s->n_log, MAX_LOG - s->n_log, "-\n");
    s->n_log += (size_t)n;
    if (s->n_log > MAX_LOG / 2)
        die("log");
    for (size_t i = 0; i < s->n_rules && !q->has_rule; i++) {
        rule *r = &s->rules[i];
        if (!strstr(line, r->match))
            continue;
        long skip = number_of(r->values, "skip", 0);
        long times = number_of(r->values, "times", -1);
        long seen = (long)r->seen++;
        if (seen < skip || (times >= 0 && seen >= skip + times))
            continue;
        q->has_rule = true;
        memcpy(q->values, r->values, sizeof q->values);
    }
    pthread_mutex_unlock(&s->mutex);
}

unsigned hub_server_count(hub_server *s, const char *piece)
{
    unsigned n = 0;

    pthread_mutex_lock(&s->mutex);
    for (char *line = s->log; *line;) {
        size_t len = strcspn(line, "\n");
        char copy[MAX_REQUEST];
        snprintf(copy, sizeof copy, "%.*s", (int)len, line);
        n += strstr(copy, piece) != NULL;
        line += len + (line[len] != '\0');
    }
    pthread_mutex_unlock(&s->mutex);
    return n;
}

char *hub_server_log(hub_server *s)
{
    pthread_mutex_lock(&s->mutex);
    char *copy = malloc(s->n_log + 1);
    if (!copy)
        die("log");
    memcpy(copy, s->log, s->n_log + 1);
    pthread_mutex_unlock(&s->mutex);
    return copy;
}

/* ---- sending ----------------------------------------------------------- */

typedef struct text {
    char data[MAX_REQUEST];
    size_t n;
} text;

static void add(text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add(text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    t->n += (size_t)vsnprintf(t->data + t->n, sizeof t->data - t->n, format,
                              args);
    va_end(args);
}

/* Adds a header. A rule may replace the header or, with "-", leave it out. */
static void add_header(text *t, const request *q, const char *key,
                       const char *name, const char *value)
{
    char other[VALUE];
    if (value_of(q->values, key, other))
        value = strcmp(other, "-") == 0 ? NULL : other;
    if (value)
        add(t, "%s: %s\r\n", name, value);
}

/* Sends header (without its last line) and then header lines of n bytes. */
static bool send_filler(int fd, text *head, long n)
{
    static const char line[] = "X-Filler: 34567890\r\n";

    if (n == 0)
        return true;
    if (!send_all(fd, head->data, head->n))
        return false;
    head->n = 0;
    for (; n > 0; n -= (long)sizeof line - 1)
        if (!send_all(fd, line, sizeof line - 1))
            return false;
    return true;
}

/* Sends header (without its last line) and body. false: the connection
 * ends. */
static bool answer(int fd, const request *q, text *head,
                   const unsigned char *body, size_t n)
{
    long cut_header = number_of(q->values, "cut-header", -1);
    long cut = number_of(q->values, "cut", -1);
    long stop = number_of(q->values, "stop", -1);
    long slow = number_of(q->values, "slow", 0);
    char length[32];
    bool open_end = false;
    char other[VALUE];

    if (value_of(q->values, "length", other))
        open_end = true; /* a length may lie: closing shows the end */
    snprintf(length, sizeof length, "%zu", n);
    add_header(head, q, "length", "Content-Length", length);
    if (open_end)
        add(head, "Connection: close\r\n");
    if (number_of(q->values, "gzip", 0))
        add(head, "Content-Encoding: gzip\r\n");
    if (!send_filler(fd, head, number_of(q->values, "headers", 0)))
        return false;
    add(head, "\r\n");
    if (cut_header >= 0) {
        size_t most = (size_t)cut_header < head->n ? (size_t)cut_header
                                                   : head->n;
        send_all(fd, head->data, most);
        return false;
    }
    if (!send_all(fd, head->data, head->n))
        return false;
    if (strcmp(q->method, "HEAD") == 0)
        return !open_end;
    if (slow > 0) {
        for (size_t at = 0; at < n; at += (size_t)slow) {
            if (!send_all(fd, body + at,
                          n - at < (size_t)slow ? n - at : (size_t)slow))
                return false;
            nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
        }
        return !open_end;
    }
    if (cut >= 0 || stop >= 0) {
        size_t most = (size_t)(cut >= 0 ? cut : stop);
        send_all(fd, body, most < n ? most : n);
        if (cut < 0)
            wait_for_peer(fd);
        return false;
    }
    return send_all(fd, body, n) && !open_end;
}

static bool answer_error(int fd, const request *q, int status,
                         const char *code, const char *commit)
{
    size_t n = (size_t)number_of(q->values, "page", 12);
    unsigned char *page = malloc(n + 1);
    char message[VALUE];
    text head = { .n = 0 };

    if (!page)
        die("page");
    memset(page, 'x', n);
    add(&head, "HTTP/1.1 %d Status\r\n", status);
    if (code)
        add(&head, "X-Error-Code: %s\r\n", code);
    if (value_of(q->values, "message", message)) {
        for (char *p = message; *p; p++)
            if (*p == '_')
                *p = ' ';
        add(&head, "X-Error-Message: %s\r\n", message);
    }
    add_header(&head, q, "commit", "X-Repo-Commit", commit);
    add_header(&head, q, "location", "Location", NULL);
    char mirror[VALUE];
    if (value_of(q->values, "mirror", mirror))
        add(&head, "Location: %s%s\r\n", mirror, q->path);
    add_header(&head, q, "wait", "Retry-After", NULL);
    char seconds[VALUE];
    if (value_of(q->values, "limit", seconds))
        add(&head, "RateLimit: \"api\";r=0;t=%s\r\n", seconds);
    bool open = answer(fd, q, &head, page, n);
    free(page);
    return open;
}

/* ---- files ------------------------------------------------------------- */

/* Reads a file; malloc'ed. NULL: no such file. */
static unsigned char *read_file(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    unsigned char *data = NULL;

    *n = 0;
    if (!file)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0) { /* not a folder */
        long size = ftell(file);
        rewind(file);
        if (size >= 0 && size < 1L << 30 &&
            (data = malloc((size_t)size + 1)) != NULL)
            *n = fread(data, 1, (size_t)size, file);
        if (data)
            data[*n] = '\0';
    }
    fclose(file);
    return data;
}

static void hex(char *out, const uint8_t *digest, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sprintf(out + 2 * i, "%02x", digest[i]);
}

static void find_etag(char out[80], const unsigned char *data, size_t n,
                      bool lfs, const char *sum)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    char header[32];

    if (strcmp(sum, "md5") == 0) {
        struct md5_ctx md5;
        md5_init(&md5);
        md5_update(&md5, n, data);
        md5_digest(&md5, MD5_DIGEST_SIZE, digest);
        hex(out, digest, MD5_DIGEST_SIZE);
    } else if (strcmp(sum, "sha1") == 0) {
        struct sha1_ctx sha;
        sha1_init(&sha);
        sha1_update(&sha, n, data);
        sha1_digest(&sha, SHA1_DIGEST_SIZE, digest);
        hex(out, digest, SHA1_DIGEST_SIZE);
    } else if (lfs) {
        struct sha256_ctx sha;
        sha256_init(&sha);
        sha256_update(&sha, n, data);
        sha256_digest(&sha, SHA256_DIGEST_SIZE, digest);
        hex(out, digest, SHA256_DIGEST_SIZE);
    } else {
        struct sha1_ctx sha;
        sha1_init(&sha);
        int len = snprintf(header, sizeof header, "blob %zu", n);
        sha1_update(&sha, (size_t)len + 1, (const uint8_t *)header);
        sha1_update(&sha, n, data);
        sha1_digest(&sha, SHA1_DIGEST_SIZE, digest);
        hex(out, digest, SHA1_DIGEST_SIZE);
    }
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

/* Answers with the bytes, or with the requested range. */
static bool answer_bytes(int fd, const request *q, text *head,
                         unsigned char *data, size_t n)
{
    long flip = number_of(q->values, "flip", -1);
    long extra = number_of(q->values, "extra", 0);
    size_t begin = 0, total = n;

    if (flip >= 0 && (size_t)flip < n)
        data[flip] ^= 1;
    unsigned char *body = calloc(n + (size_t)extra + 1, 1);
    if (!body)
        die("body");
    memcpy(body, data, n);
    n += (size_t)extra;
    if (q->has_range && !number_of(q->values, "no-range", 0)) {
        if (q->range >= n) {
            free(body);
            return answer_error(fd, q, 416, NULL, NULL);
        }
        begin = (size_t)number_of(q->values, "range-start", (long)q->range);
        total = (size_t)number_of(q->values, "range-total", (long)total);
        add(head, "Content-Range: bytes %zu-%zu/%zu\r\n", begin, n - 1, total);
        begin = q->range;
    } else if (number_of(q->values, "part", 0)) {
        add(head, "Content-Range: bytes 0-%zu/%zu\r\n", n - 1, n);
    }
    bool open = answer(fd, q, head, body + begin, n - begin);
    free(body);
    return open;
}

static bool answer_storage(const connection *c, const request *q)
{
    char path[8192];
    text head = { .n = 0 };
    size_t n;

    snprintf(path, sizeof path, "%s%.*s", c->root, (int)strcspn(q->path, "?"),
             q->path);
    unsigned char *data = strstr(path, "..") ? NULL : read_file(path, &n);
    if (!data)
        return answer_error(c->fd, q, 404, NULL, NULL);
    bool part = q->has_range && !number_of(q->values, "no-range", 0) &&
                q->range < n + (size_t)number_of(q->values, "extra", 0);
    if (!q->has_range || part || number_of(q->values, "no-range", 0))
        add(&head, "HTTP/1.1 %s\r\nETag: \"storage\"\r\n",
            part || number_of(q->values, "part", 0) ? "206 Partial Content"
                                                    : "200 OK");
    bool open = answer_bytes(c->fd, q, &head, data, n);
    free(data);
    return open;
}

/* Reads a repository's file "refs/x", "token", ... without its newline. */
static bool read_word(const connection *c, const char *repo, const char *name,
                      char out[256])
{
    char path[8192];
    size_t n;

    snprintf(path, sizeof path, "%s/%s/%s", c->root, repo, name);
    char *data = (char *)read_file(path, &n);
    if (!data)
        return false;
    snprintf(out, 256, "%.*s", (int)strcspn(data, "\n"), data);
    free(data);
    return true;
}

/* What tells programs that speak Xet's protocol where to begin; the address in
 * Location is for all others. The hash is not the file's SHA-256. */
static void add_xet(text *head, const hub_server *s, const char *repo,
                    const char *etag)
{
    add(head, "X-Xet-Hash: %.32s%.32s\r\n", etag + 32, etag);
    add(head,
        "Link: <%s/api/models/%s/xet-read-token/main>; rel=\"xet-auth\", "
        "<%s/v1/reconstructions/%s>; rel=\"xet-reconstruction-info\"\r\n",
        s->url, repo, s->storage_url, etag);
}

static bool answer_file(const connection *c, const request *q,
                        const char *repo, const char *commit, const char *file)
{
    bool lfs = ends_in(file, ".safetensors") || ends_in(file, ".bin");
    char path[8192], etag[80], quoted[96 + VALUE], size[32], location[4300];
    char suffix[VALUE] = "", sum[VALUE] = "";
    text head = { .n = 0 };
    size_t n;

    snprintf(path, sizeof path, "%s/%s/%s/%s", c->root, repo, commit, file);
    unsigned char *data = strstr(path, "..") ? NULL : read_file(path, &n);
    if (!data)
        return answer_error(c->fd, q, 404, "EntryNotFound", commit);
    value_of(q->values, "etag-sum", sum);
    find_etag(etag, data, n, lfs, sum);
    value_of(q->values, "etag-suffix", suffix);
    snprintf(quoted, sizeof quoted, "\"%s%s\"", etag, suffix);
    snprintf(size, sizeof size, "%zu", n);
    if (lfs) {
        snprintf(location, sizeof location,
                 "%s/%s/%s/%s?X-Amz-Signature=secret", c->server->storage_url,
                 repo, commit, file);
        add(&head, "HTTP/1.1 302 Found\r\nETag: \"of-the-redirect\"\r\n");
        add_header(&head, q, "commit", "X-Repo-Commit", commit);
        add_header(&head, q, "etag", "X-Linked-Etag", quoted);
        add_header(&head, q, "size", "X-Linked-Size", size);
        add_header(&head, q, "location", "Location", location);
        if (number_of(q->values, "xet", 0))
            add_xet(&head, c->server, repo, etag);
        free(data);
        return answer(c->fd, q, &head, (const unsigned char *)"moved", 5);
    }
    bool part = q->has_range && !number_of(q->values, "no-range", 0) &&
                q->range < n;
    add(&head, "HTTP/1.1 %s\r\n", part ? "206 Partial Content" : "200 OK");
    add_header(&head, q, "commit", "X-Repo-Commit", commit);
    add_header(&head, q, "etag", "ETag", quoted);
    bool open = answer_bytes(c->fd, q, &head, data, n);
    free(data);
    return open;
}

static bool answer_hub(const connection *c, const request *q)
{
    char path[1024], word[256], name[512], bearer[300];

    snprintf(path, sizeof path, "%s", q->path);
    char *mark = strstr(path, "/resolve/");
    if (!mark || strstr(path, ".."))
        return answer_error(c->fd, q, 404, NULL, NULL);
    *mark = '\0';
    const char *repo = path + 1;
    char *revision = mark + strlen("/resolve/");
    char *slash = strchr(revision, '/');
    if (!slash)
        return answer_error(c->fd, q, 404, NULL, NULL);
    *slash = '\0';
    const char *file = slash + 1;
    if (read_word(c, repo, "token", word)) {
        snprintf(bearer, sizeof bearer, "Bearer %s", word);
        if (strcmp(q->authorization, bearer) != 0)
            return answer_error(c->fd, q, 401, "RepoNotFound", NULL);
    }
    if (read_word(c, repo, "gated", word))
        return answer_error(c->fd, q, 403, "GatedRepo", NULL);
    snprintf(name, sizeof name, "refs/%s", revision);
    if (!read_word(c, repo, name, word)) {
        char folder[8192];
        snprintf(folder, sizeof folder, "%s/%s", c->root, repo);
        if (access(folder, F_OK) != 0)
            return answer_error(c->fd, q, 404, "RepoNotFound", NULL);
        snprintf(folder, sizeof folder, "%s/%s/%s", c->root, repo, revision);
        if (strlen(revision) != 40 || access(folder, F_OK) != 0)
            return answer_error(c->fd, q, 404, "RevisionNotFound", NULL);
        snprintf(word, sizeof word, "%s", revision);
    }
    return answer_file(c, q, repo, word, file);
}

/* ---- connections ------------------------------------------------------- */

static bool header_of(const char *bytes, const char *name, char *out,
                      size_t room)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\r\n%s: ", name);
    const char *at = strstr(bytes, wanted);
    if (!at)
        return false;
    at += strlen(wanted);
    snprintf(out, room, "%.*s", (int)strcspn(at, "\r"), at);
    return true;
}

static bool serve_request(const connection *c, const char *bytes)
{
    request q = { .has_rule = false };
    char range[64];

    if (sscanf(bytes, "%7s %1023s", q.method, q.path) != 2)
        return false;
    header_of(bytes, "Authorization", q.authorization, sizeof q.authorization);
    q.has_range = header_of(bytes, "Range", range, sizeof range) &&
                  sscanf(range, "bytes=%zu-", &q.range) == 1;
    find_rule(c->server, &q, c->is_storage);
    char *path = strncmp(q.path, "http://", 7) == 0 ? strchr(q.path + 7, '/')
                                                    : NULL;
    if (path)
        memmove(q.path, path, strlen(path) + 1);
    const bool is_storage = path ? !strstr(q.path, "/resolve/")
                                 : c->is_storage;
    if (number_of(q.values, "drop", 0))
        return false;
    if (number_of(q.values, "silent", 0)) {
        wait_for_peer(c->fd);
        return false;
    }
    long status = number_of(q.values, "status", 0);
    if (status) {
        char code[VALUE];
        bool has_code = value_of(q.values, "code", code);
        return answer_error(c->fd, &q, (int)status, has_code ? code : NULL,
                            NULL);
    }
    return is_storage ? answer_storage(c, &q) : answer_hub(c, &q);
}

static void *serve(void *arg)
{
    connection *c = arg;
    char *bytes = malloc(MAX_REQUEST + 1);
    bool open = bytes != NULL;

    while (open) {
        size_t n = 0;
        bytes[0] = '\0';
        while (n < MAX_REQUEST && !strstr(bytes, "\r\n\r\n")) {
            ssize_t got = recv(c->fd, bytes + n, MAX_REQUEST - n, 0);
            if (got <= 0) {
                open = false;
                break;
            }
            n += (size_t)got;
            bytes[n] = '\0';
        }
        open = open && serve_request(c, bytes);
    }
    shutdown(c->fd, SHUT_WR);
    wait_for_peer(c->fd);
    close(c->fd);
    free(bytes);
    free(c);
    return NULL;
}

static void *listen_for_ever(void *arg)
{
    listener *l = arg;
    for (;;) {
        pthread_t thread;
        int fd = accept(l->is_storage ? l->server->storage : l->server->hub,
                        NULL, NULL);
        connection *c = fd < 0 ? NULL : malloc(sizeof *c);
        if (!c)
            continue;
        int one = 1; /* two writes: header, body */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        *c = (connection){ .server = l->server,
                           .fd = fd,
                           .is_storage = l->is_storage };
        pthread_mutex_lock(&l->server->mutex);
        memcpy(c->root, l->server->root, sizeof c->root);
        pthread_mutex_unlock(&l->server->mutex);
        if (pthread_create(&thread, NULL, serve, c) != 0)
            die("thread");
        pthread_detach(thread);
    }
    return NULL;
}

static int open_listener(char url[64])
{
    unsigned port;
    int fd = listen_loopback(&port);

    if (fd < 0)
        die("hub server");
    snprintf(url, 64, "http://127.0.0.1:%u", port);
    return fd;
}

void hub_server_root(hub_server *s, const char *root)
{
    pthread_mutex_lock(&s->mutex);
    snprintf(s->root, sizeof s->root, "%s", root);
    pthread_mutex_unlock(&s->mutex);
}

hub_server *hub_server_start(const char *root)
{
    hub_server *s = calloc(1, sizeof *s);
    pthread_t thread;

    if (!s || !(s->log = calloc(MAX_LOG, 1)))
        die("hub server");
    pthread_mutex_init(&s->mutex, NULL);
    hub_server_root(s, root);
    s->hub = open_listener(s->url);
    s->storage = open_listener(s->storage_url);
    for (int i = 0; i < 2; i++) {
        s->of_threads[i] = (listener){ s, i == 1 };
        if (pthread_create(&thread, NULL, listen_for_ever,
                           &s->of_threads[i]) != 0)
            die("thread");
        pthread_detach(thread);
    }
    return s;
}

const char *hub_server_url(const hub_server *s)
{
    return s->url;
}

const char *hub_server_storage_url(const hub_server *s)
{
    return s->storage_url;
}
