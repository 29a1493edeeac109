/* SPDX-License-Identifier: MIT
 *
 * upstream.c - see upstream.h. The operator names the upstream, so its address
 * may be a private one; redirects are not followed.
 */
#include "serve/upstream.h"

#include "serve/encode.h"
#include "serve/server.h"

#include <string.h>
#if CLIPC_CURL
#include <curl/curl.h>
#include <stdlib.h>
#endif

bool serve_upstream_start(const char *url, const char **why)
{
    const char *host = strstr(url, "://");

    *why = NULL;
    if (!CLIPC_CURL)
        *why = "this program is built without libcurl";
    else if (strncmp(url, "http://", 7) != 0 &&
             strncmp(url, "https://", 8) != 0)
        *why = "not an http or https URL";
    else if (host[3] == '\0' || host[3] == '/' || host[3] == ':')
        *why = "the URL has no host";
    else if (strpbrk(host, "@?#"))
        *why = "the URL has a user, a query or a fragment";
    else if (strlen(url) > 1024)
        *why = "the URL is longer than 1024 bytes";
#if CLIPC_CURL
    if (!*why && curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
        *why = "libcurl cannot be started";
#endif
    return !*why;
}

#if CLIPC_CURL

enum {
    MAX_ANSWER_BYTES = 64 << 20,
    CONNECT_TIMEOUT_MS = 5000,
    MAX_FORWARDS = 64 /* requests that wait for the upstream at once */
};

static atomic_uint n_forwards;

typedef struct transfer {
    serve_request *request;
    serve_buffer *body; /* of the answer */
    bool too_large, no_room;
} transfer;

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
    transfer *t = user;
    serve_budget *bodies = &t->request->server->bodies;

    (void)size; /* always 1 */
    t->too_large = n > MAX_ANSWER_BYTES - t->body->n;
    t->no_room = !t->too_large && !serve_budget_try(bodies, n);
    if (t->too_large || t->no_room)
        return 0;
    t->request->answer_taken += n;
    serve_put(t->body, data, n);
    return t->body->failed ? 0 : n;
}

static int on_progress(void *user, curl_off_t down_total, curl_off_t down,
                       curl_off_t up_total, curl_off_t up)
{
    transfer *t = user;
    clipc_error err = CLIPC_ERROR_INIT;

    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return serve_request_over(t->request, &err) != CLIPC_OK;
}

/* "BASE/path", without a second slash; free(). */
static char *join(const char *base, const char *path)
{
    size_t n = strlen(base), n_path = strlen(path);

    while (n > 0 && base[n - 1] == '/')
        n--;
    char *url = malloc(n + n_path + 1);
    if (url) {
        memcpy(url, base, n);
        memcpy(url + n, path, n_path + 1);
    }
    return url;
}

static char *content_type_line(const serve_request *request)
{
    static const char name[] = "Content-Type: ";
    size_t n = strlen(request->content_type);
    char *line = malloc(sizeof name + n);

    if (line) {
        memcpy(line, name, sizeof name - 1);
        memcpy(line + sizeof name - 1, request->content_type, n + 1);
    }
    return line;
}

static bool set_options(CURL *easy, transfer *t, const char *url,
                        struct curl_slist *headers)
{
    const serve_request *r = t->request;
    CURLcode failed = CURLE_OK;

#define SET(option, value) \
    do { \
        CURLcode code_ = curl_easy_setopt(easy, option, value); \
        if (code_ != CURLE_OK) \
            failed = code_; \
    } while (0)
    SET(CURLOPT_URL, url);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_bytes);
    SET(CURLOPT_POSTFIELDS, r->body ? r->body : "");
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, t);
    SET(CURLOPT_NOPROGRESS, 0L);
#undef SET
    return failed == CURLE_OK;
}

/* Why there is no answer. */
static void fail(const transfer *t, CURLcode code, serve_response *response)
{
    clipc_error err = CLIPC_ERROR_INIT;

    if (t->body->failed)
        return; /* the core says so */
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        if (serve_request_over(t->request, &err) == CLIPC_OK)
            (void)serve_refuse(&err, CLIPC_ERR_TIMEOUT,
                               "the upstream server took too long");
        serve_fail_error(t->request, response, &err);
    } else if (t->too_large) {
        serve_fail(t->request, response, 502, "limit",
                   "the upstream server's answer has more than %d MiB",
                   MAX_ANSWER_BYTES >> 20);
    } else if (t->no_room) {
        serve_fail(t->request, response, 503, "overloaded",
                   "no room for the upstream server's answer: bodies and "
                   "answers have at most four times the bytes of --max-body");
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        serve_fail(t->request, response, 504, "timeout",
                   "the upstream server cannot be reached in time");
    } else {
        serve_fail(t->request, response, 502, "network",
                   "no whole answer of the upstream server: %s",
                   curl_easy_strerror(code));
    }
}

/* Static texts for the media types that the upstream's API has. */
static const char *known_type(const char *type)
{
    static const char *const types[] = { "application/json", "text/plain" };

    for (size_t i = 0; type && i < sizeof types / sizeof *types; i++)
        if (strncmp(type, types[i], strlen(types[i])) == 0)
            return types[i];
    return "application/octet-stream";
}

static void run(transfer *t, CURL *easy, const char *url,
                struct curl_slist *headers, serve_response *response)
{
    char *type = NULL;
    long status = 0;

    if (!set_options(easy, t, url, headers)) {
        serve_fail(t->request, response, 503, "nomem", "out of memory");
        return;
    }
    CURLcode code = curl_easy_perform(easy);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && (status < 200 || status > 599))
        code = CURLE_WEIRD_SERVER_REPLY;
    serve_metrics_upstream(t->request->server->metrics,
                           code == CURLE_OK ? (unsigned)status : 0);
    if (code != CURLE_OK) {
        fail(t, code, response);
        return;
    }
    (void)curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    response->status = (unsigned)status;
    response->content_type = known_type(type);
}

static void forward(serve_request *request, const char *path,
                    serve_response *response)
{
    transfer t = { .request = request, .body = &response->body };
    char *url = join(request->server->settings->immich_upstream, path);
    char *line = content_type_line(request);
    struct curl_slist *headers = line ? curl_slist_append(NULL, line) : NULL;
    /* Without "Expect:" libcurl waits a second for servers that do not know
     * the header. */
    struct curl_slist *all = headers ? curl_slist_append(headers, "Expect:")
                                     : NULL;
    CURL *easy = url && all ? curl_easy_init() : NULL;

    if (easy)
        run(&t, easy, url, all, response);
    else
        serve_fail(request, response, 503, "nomem", "out of memory");
    if (easy)
        curl_easy_cleanup(easy);
    curl_slist_free_all(all ? all : headers);
    free(line);
    free(url);
}

void serve_upstream_forward(serve_request *request, const char *path,
                            serve_response *response)
{
    if (atomic_fetch_add(&n_forwards, 1) < MAX_FORWARDS) {
        serve_leave(request);
        forward(request, path, response);
    } else {
        serve_fail(request, response, 503, "overloaded",
                   "too many requests wait for the upstream server");
    }
    atomic_fetch_sub(&n_forwards, 1);
}

#else

void serve_upstream_forward(serve_request *request, const char *path,
                            serve_response *response)
{
    (void)path;
    serve_fail(request, response, 501, "unsupported",
               "this program is built without libcurl");
}

#endif
