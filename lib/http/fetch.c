/* SPDX-License-Identifier: MIT
 *
 * fetch.c - one bounded HTTP GET. Server and redirects are hostile; the URL
 * itself may be.
 *
 * Each hop is a fresh libcurl handle: no connection, cookie, name lookup or
 * login is carried over. libcurl's own redirects are off, so every hop is
 * parsed and checked like the first. Whether an address may be reached is
 * decided on the sockaddr that is about to be connected, never on the text of
 * the URL: 127.1, a DNS name, a second lookup all end there. A redirect from
 * https to http is followed.
 */
#include "http/fetch.h"
#include "http/address.h"

#include "http/http.h"

#include <string.h>

#if !CLIPC_CURL

clipc_status clipc_fetch(clipc_bytes *body, const char *url,
                         const clipc_fetch_params *params, clipc_error *err)
{
    (void)params;
    *body = (clipc_bytes){ 0 };
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "cannot fetch %s: this clipc was built without libcurl; "
                      "download the picture and give its path",
                      CLIPC_QUOTE(url));
}

const char *clipc_fetch_version(void)
{
    return NULL;
}

#else

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FIRST_CAPACITY = 64 * 1024,
    LOW_SPEED_BYTES = 1000, /* a second ... */
    LOW_SPEED_SECONDS = 10  /* ... on average over so long */
};

/* Why a callback ended a transfer. */
typedef enum stop_reason {
    STOP_NONE,
    STOP_BODY,    /* larger than max_bytes */
    STOP_HEADERS,
    STOP_IGNORED,
    STOP_NOMEM,
    STOP_BLOCKED, /* the address is not public */
    STOP_SOCKET,  /* socket() failed: os_error */
    STOP_CANCELLED
} stop_reason;

/* One hop. */
typedef struct transfer {
    const clipc_fetch_params *params;
    CURL *easy;
    const char *url;
    unsigned hop;
    unsigned char *data; /* [capacity] */
    size_t n, capacity;
    size_t header_bytes, ignored_bytes;
    clipc_http_location location;
    bool connected; /* ask clipc_http_is_connected() */
    stop_reason stop;
    int os_error;
    char detail[CURL_ERROR_SIZE];
} transfer;

const char *clipc_fetch_version(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}

/* ---- what libcurl calls ------------------------------------------------ */

/* libcurl connects to the address this function is given, so nothing can
 * change between the check and the connection. */
static curl_socket_t open_socket(void *user, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    transfer *t = user;
    clipc_private_hosts allow = t->params->private_hosts;
    bool any = allow == CLIPC_PRIVATE_ALLOW ||
               (allow == CLIPC_PRIVATE_FIRST_HOP && t->hop == 0);
    bool public = false;

    /* One bad address of a name spoils the name. */
    if (t->stop == STOP_BLOCKED)
        return CURL_SOCKET_BAD;
    if (purpose == CURLSOCKTYPE_IPCXN) {
        if (address->family == AF_INET) {
            struct sockaddr_in in;
            memcpy(&in, &address->addr, sizeof in);
            public = any || clipc_address_is_public(
                                (const unsigned char *)&in.sin_addr, 4);
        } else if (address->family == AF_INET6) {
            struct sockaddr_in6 in6;
            memcpy(&in6, &address->addr, sizeof in6);
            public = any || clipc_address_is_public(in6.sin6_addr.s6_addr, 16);
        }
    }
    if (!public) {
        t->stop = STOP_BLOCKED;
        return CURL_SOCKET_BAD;
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                    address->protocol);
    if (fd < 0) {
        /* Another address may still do: a host without IPv6 answers so. */
        t->os_error = errno;
        return CURL_SOCKET_BAD;
    }
    return fd;
}

static size_t receive_header(char *line, size_t size, size_t n, void *user)
{
    transfer *t = user;

    n *= size;
    t->header_bytes += n;
    if (t->header_bytes > CLIPC_MAX_HEADER_BYTES) {
        t->stop = STOP_HEADERS;
        return 0;
    }
    clipc_http_location_read(&t->location, line, n);
    return n;
}

static long http_status(transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* Whether an answer carries the whole thing asked for. */
static bool is_success(long status)
{
    return status >= 200 && status < 300 && status != 204 && status != 205 &&
           status != 206;
}

static size_t receive_body(char *data, size_t size, size_t n, void *user)
{
    transfer *t = user;
    size_t max_bytes = t->params->max_bytes;

    n *= size;
    if (n == 0)
        return 0;
    if (!is_success(http_status(t))) {
        t->ignored_bytes += n;
        if (t->ignored_bytes <= CLIPC_MAX_IGNORED_BYTES)
            return n;
        t->stop = STOP_IGNORED;
        return 0;
    }
    if (t->n == 0) {
        curl_off_t announced = -1;
        curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                          &announced);
        if (announced > 0 && (uint64_t)announced > max_bytes) {
            t->stop = STOP_BODY;
            return 0;
        }
    }
    if (n > max_bytes - t->n) {
        t->stop = STOP_BODY;
        return 0;
    }
    /* The announced length is not trusted with an allocation. */
    if (t->n + n >= t->capacity) {
        size_t capacity = t->capacity ? t->capacity : FIRST_CAPACITY;
        while (capacity <= t->n + n)
            capacity *= 2;
        unsigned char *grown = clipc_realloc(t->data, capacity, 1);
        if (!grown) {
            t->stop = STOP_NOMEM;
            return 0;
        }
        t->data = grown;
        t->capacity = capacity;
    }
    memcpy(t->data + t->n, data, n);
    t->n += n;
    return n;
}

static int report_progress(void *user, curl_off_t total, curl_off_t done,
                           curl_off_t up_total, curl_off_t up_done)
{
    transfer *t = user;
    clipc_progress progress = { "bytes", t->n, 0 };

    (void)done, (void)up_total, (void)up_done;
    if (is_success(http_status(t)) && total > 0)
        progress.total = (uint64_t)total;
    if (!t->params->progress(t->params->progress_user, &progress))
        return 0;
    t->stop = STOP_CANCELLED;
    return 1;
}

/* ---- a hop ------------------------------------------------------------- */

/* false: libcurl ran out of memory. */
static bool set_options(transfer *t, long timeout_ms)
{
    const clipc_fetch_params *p = t->params;
    CURL *easy = t->easy;
    CURLcode code = CURLE_OK;

#define SET(option, value)                                   \
    if (code == CURLE_OK)                                    \
    code = curl_easy_setopt(easy, (option), (value))
    SET(CURLOPT_URL, t->url);
    SET(CURLOPT_ERRORBUFFER, t->detail);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_FAILONERROR, 1L);
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_PROXY, ""); /* also against http_proxy in the environment */
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_HTTP_CONTENT_DECODING, 0L); /* no gzip bombs */
    SET(CURLOPT_USERAGENT, CLIPC_USER_AGENT);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)p->connect_timeout_ms);
    SET(CURLOPT_LOW_SPEED_LIMIT, (long)LOW_SPEED_BYTES);
    SET(CURLOPT_LOW_SPEED_TIME, (long)LOW_SPEED_SECONDS);
    if (p->ca_file) {
        SET(CURLOPT_CAINFO, p->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
    if (code == CURLE_OK)
        code = clipc_http_watch_connection(easy, &t->connected);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_HEADERFUNCTION, receive_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, receive_body);
    SET(CURLOPT_WRITEDATA, t);
    if (p->progress) {
        SET(CURLOPT_NOPROGRESS, 0L);
        SET(CURLOPT_XFERINFOFUNCTION, report_progress);
        SET(CURLOPT_XFERINFODATA, t);
    }
#undef SET
    return code == CURLE_OK;
}

static clipc_status fail_hop(const transfer *t, clipc_status status,
                             const char *what, clipc_error *err)
{
    return clipc_fail(err, status, -1, "%s%s: %s",
                      t->hop ? "redirect to " : "", CLIPC_QUOTE(t->url), what);
}

static clipc_status fail_timeout(transfer *t, bool total_is_over,
                                 clipc_error *err)
{
    const char *prefix = t->hop ? "redirect to " : "";

    if (total_is_over)
        return clipc_fail(err, CLIPC_ERR_TIMEOUT, -1,
                          "%s%s: not finished after %u ms (timeout_ms)",
                          prefix, CLIPC_QUOTE(t->url), t->params->timeout_ms);
    if (!clipc_http_is_connected(t->easy, &t->connected))
        return clipc_fail(err, CLIPC_ERR_TIMEOUT, -1,
                          "%s%s: no connection after %u ms "
                          "(connect_timeout_ms)",
                          prefix, CLIPC_QUOTE(t->url),
                          t->params->connect_timeout_ms);
    return clipc_fail(err, CLIPC_ERR_TIMEOUT, -1,
                      "%s%s: slower than %d bytes/s for %d s", prefix,
                      CLIPC_QUOTE(t->url), (int)LOW_SPEED_BYTES,
                      (int)LOW_SPEED_SECONDS);
}

/* A callback ended the transfer. */
static clipc_status fail_stopped(const transfer *t, clipc_error *err)
{
    const char *prefix = t->hop ? "redirect to " : "";

    switch (t->stop) {
    case STOP_BODY:
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s%s: larger than %zu bytes (max_bytes)", prefix,
                          CLIPC_QUOTE(t->url), t->params->max_bytes);
    case STOP_HEADERS:
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s%s: the answer has more than %d bytes of headers",
                          prefix, CLIPC_QUOTE(t->url), (int)CLIPC_MAX_HEADER_BYTES);
    case STOP_IGNORED:
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s%s: a redirect with more than %d bytes of body",
                          prefix, CLIPC_QUOTE(t->url), (int)CLIPC_MAX_IGNORED_BYTES);
    case STOP_BLOCKED:
        return clipc_fail(err, CLIPC_ERR_URL_BLOCKED, -1,
                          "%s%s: the host has a private, loopback or reserved "
                          "address; %s",
                          prefix, CLIPC_QUOTE(t->url),
                          t->params->private_hosts == CLIPC_PRIVATE_FIRST_HOP
                              ? "redirects to such hosts are not followed"
                              : "set private_hosts to allow it");
    case STOP_CANCELLED:
        return fail_hop(t, CLIPC_ERR_CANCELLED, "cancelled", err);
    default:
        return clipc_fail_nomem(err, "body of an HTTP answer");
    }
}

static clipc_status fail_http(const transfer *t, long status, clipc_error *err)
{
    const char *hint = "";

    if (status == 401 || status == 403 || status == 407)
        hint = "; it may want a login, which clipc never sends";
    else if (status == 404 || status == 410)
        hint = "; check the address";
    else if (status == 204 || status == 205)
        hint = ", which has no content";
    else if (status == 206)
        hint = ", a part that was not asked for";
    else if (status == 429 || status >= 500)
        hint = "; try again later";
    return clipc_fail(err, CLIPC_ERR_HTTP, -1,
                      "%s%s: the server answered with HTTP status %ld%s",
                      t->hop ? "redirect to " : "", CLIPC_QUOTE(t->url),
                      status, hint);
}

/* Says why curl_easy_perform() failed. */
static clipc_status fail_code(transfer *t, CURLcode code, bool total_is_over,
                              clipc_error *err)
{
    if (t->stop != STOP_NONE)
        return fail_stopped(t, err);
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return fail_http(t, http_status(t), err);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return fail_timeout(t, total_is_over, err);
    return clipc_http_fail(code, t->detail, t->url, t->hop > 0, t->os_error,
                           t->params->ca_file, err);
}

/* The answer to t->url in t->data, or *next: where a redirect leads. */
static clipc_status transfer_run(transfer *t, uint64_t deadline, char **next,
                                 clipc_error *err)
{
    uint64_t now = clipc_now_ms();

    if (deadline && now >= deadline)
        return fail_timeout(t, true, err);
    if (!set_options(t, deadline ? (long)(deadline - now) : 0L))
        return clipc_fail_nomem(err, "HTTP transfer");
    CURLcode code = curl_easy_perform(t->easy);
    if (code != CURLE_OK) /* a timer may fire a moment before our clock */
        return fail_code(t, code, deadline && clipc_now_ms() + 2 >= deadline,
                         err);

    long http = http_status(t);
    if (is_success(http))
        return CLIPC_OK;
    if (!clipc_http_is_redirect(http))
        return fail_http(t, http, err);
    return clipc_http_redirect(next, &t->location, t->url, t->hop > 0, http,
                               err);
}

/* One GET with its checks. deadline 0: none. On success *next is where a
 * redirect leads (malloc'ed), or NULL and *body is filled. */
static clipc_status run_hop(clipc_bytes *body, char **next, const char *url,
                            unsigned hop, uint64_t deadline,
                            const clipc_fetch_params *params, clipc_error *err)
{
    transfer t = { .params = params, .hop = hop };
    clipc_sigpipe_guard guard;
    char *checked = NULL;
    clipc_status status;

    *next = NULL;
    CLIPC_TRY(clipc_http_check_url(&checked, url, hop > 0, err));
    t.url = checked;
    clipc_sigpipe_block(&guard);
    t.easy = curl_easy_init();
    if (t.easy)
        status = transfer_run(&t, deadline, next, err);
    else
        status = clipc_fail_nomem(err, "HTTP transfer");
    curl_easy_cleanup(t.easy);
    clipc_sigpipe_restore(&guard);
    clipc_http_location_release(&t.location);
    curl_free(checked);

    if (status == CLIPC_OK && !*next && !t.data) { /* empty, but a body */
        t.data = clipc_alloc(1, 1);
        if (!t.data)
            status = clipc_fail_nomem(err, "body of an HTTP answer");
    }
    if (status != CLIPC_OK || *next) {
        free(t.data);
        return status;
    }
    t.data[t.n] = '\0';
    *body = (clipc_bytes){ .data = t.data, .n = t.n };
    return CLIPC_OK;
}

clipc_status clipc_fetch(clipc_bytes *body, const char *url,
                         const clipc_fetch_params *params, clipc_error *err)
{
    uint64_t deadline = 0;
    char *next = NULL;
    clipc_status status;

    *body = (clipc_bytes){ 0 };
    if (!clipc_http_ready())
        return clipc_fail_nomem(err, "libcurl");
    if (params->timeout_ms)
        deadline = clipc_now_ms() + params->timeout_ms;
    status = run_hop(body, &next, url, 0, deadline, params, err);
    for (unsigned hop = 1; status == CLIPC_OK && next; hop++) {
        char *location = next;
        if (hop > params->max_redirects) {
            status = clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                                "%s: more than %u redirects (max_redirects)",
                                CLIPC_QUOTE(url), params->max_redirects);
            next = NULL;
        } else {
            status = run_hop(body, &next, location, hop, deadline, params,
                             err);
        }
        free(location);
    }
    return status;
}

#endif /* CLIPC_CURL */
