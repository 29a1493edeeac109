/* SPDX-License-Identifier: MIT
 *
 * fetch.c - one bounded HTTP GET. Server and redirects are hostile; the URL
 * itself may be.
 *
 * Each hop is a fresh libcurl handle: no connection, name lookup or login is
 * carried over. Cookies are: a share holds them for the hops of one chain.
 * libcurl's own redirects are off, so every hop is parsed and checked like the
 * first hop. The sockaddr about to be connected
 * decides whether an address may be reached, never the URL's text: 127.1, a
 * DNS name and a second lookup all end in a sockaddr. A redirect from https to
 * http is followed. Through a proxy the sockaddr is the proxy's, so that only
 * the text of each URL can be checked; the proxy decides about names.
 */
#include "http/fetch.h"

#include "http/address.h"
#include "http/transfer.h"

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

#include <stdlib.h>

enum {
    FIRST_CAPACITY = 64 * 1024,
    LOW_SPEED_SECONDS = 10 /* a transfer slower than CLIPC_LOW_SPEED_BYTES over
                            * this time ends */
};

/* Reasons to stop a transfer, beside transfer.h's reasons. */
enum {
    STOP_BODY = CLIPC_STOP_OWN, /* larger than max_bytes */
    STOP_NOMEM
};

/* The requests for one picture: the first and its redirects. */
typedef struct chain {
    CURLSH *cookies; /* that the hops set, for the hops after them */
    struct curl_slist *headers;
    const clipc_fetch_params *params;
    uint64_t deadline;  /* 0: none */
    clipc_origin first; /* of the URL that was asked for */
} chain;

typedef struct request {
    clipc_transfer transfer;
    const clipc_fetch_params *params;
    bool same_origin;    /* as the URL that was asked for */
    unsigned char *data; /* [capacity] */
    size_t n, capacity;
} request;

const char *clipc_fetch_version(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}

/* ---- callbacks of a transfer ------------------------------------------- */

/* Whether a proxy may be asked for this host. */
static bool may_ask_proxy(const request *r, const clipc_origin *origin)
{
    const clipc_private_hosts allow = r->params->private_hosts;

    return !origin->private || allow == CLIPC_PRIVATE_ALLOW ||
           (allow == CLIPC_PRIVATE_FIRST_HOP && r->same_origin);
}

static int check_address(void *user, const unsigned char *address, size_t n)
{
    const request *r = user;
    clipc_private_hosts allow = r->params->private_hosts;

    if (r->params->proxy || allow == CLIPC_PRIVATE_ALLOW ||
        (allow == CLIPC_PRIVATE_FIRST_HOP && r->same_origin) ||
        clipc_address_is_public(address, n))
        return CLIPC_STOP_NONE;
    return CLIPC_STOP_BLOCKED;
}

/* Whether an answer carries the whole body. */
static bool is_success(long status)
{
    return status >= 200 && status < 300 && status != 204 && status != 205 &&
           status != 206;
}

static bool keeps_body(void *user, long status)
{
    (void)user;
    return is_success(status);
}

static int take_body(void *user, const char *data, size_t n)
{
    request *r = user;
    size_t max_bytes = r->params->max_bytes;

    if (r->n == 0) {
        curl_off_t announced = -1;
        /* Of the bytes on the way, compressed perhaps. */
        curl_easy_getinfo(r->transfer.easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                          &announced);
        if (announced > 0 && (uint64_t)announced > max_bytes)
            return STOP_BODY;
    }
    if (n > max_bytes - r->n)
        return STOP_BODY;
    /* Do not allocate by the announced length: the length may be a lie. */
    if (r->n + n >= r->capacity) {
        size_t capacity = r->capacity ? r->capacity : FIRST_CAPACITY;
        while (capacity <= r->n + n)
            capacity *= 2;
        unsigned char *grown = clipc_realloc(r->data, capacity, 1);
        if (!grown)
            return STOP_NOMEM;
        r->data = grown;
        r->capacity = capacity;
    }
    memcpy(r->data + r->n, data, n);
    r->n += n;
    return CLIPC_STOP_NONE;
}

static int report_progress(void *user, uint64_t total)
{
    const request *r = user;
    clipc_progress_fn report = r->params->progress;
    clipc_progress progress = { "bytes", r->n, 0 };

    if (is_success(clipc_transfer_status(&r->transfer)))
        progress.total = total;
    return report && report(r->params->progress_user, &progress)
               ? CLIPC_STOP_CANCELLED
               : CLIPC_STOP_NONE;
}

static const clipc_transfer_calls calls = {
    .address = check_address,
    .keeps = keeps_body,
    .body = take_body,
    .progress = report_progress,
};

/* ---- a hop ------------------------------------------------------------- */

/* The body is decompressed although no compression was asked for: some servers
 * compress all they send. libcurl hands out small pieces, so max_bytes bounds
 * what is decompressed. */
static void set_options(request *r, const chain *c, long timeout_ms)
{
    clipc_transfer *t = &r->transfer;

    clipc_transfer_prepare(t);
    CLIPC_TRANSFER_SET(t, CURLOPT_HTTPHEADER, c->headers);
    CLIPC_TRANSFER_SET(t, CURLOPT_ACCEPT_ENCODING, "");
    CLIPC_TRANSFER_SET(t, CURLOPT_HTTP_CONTENT_DECODING, 1L);
    CLIPC_TRANSFER_SET(t, CURLOPT_SHARE, c->cookies);
    if (c->params->proxy) {
        CLIPC_TRANSFER_SET(t, CURLOPT_PROXY, c->params->proxy);
        /* Without it libcurl reads no_proxy of the environment. */
        CLIPC_TRANSFER_SET(t, CURLOPT_NOPROXY, "");
        CLIPC_TRANSFER_SET(t, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    }
    /* libcurl 7.88 reads a share's cookies only with a cookie file. */
    CLIPC_TRANSFER_SET(t, CURLOPT_COOKIEFILE, "");
    if (c->params->user_agent)
        CLIPC_TRANSFER_SET(t, CURLOPT_USERAGENT, c->params->user_agent);
    CLIPC_TRANSFER_SET(t, CURLOPT_FAILONERROR, 1L);
    CLIPC_TRANSFER_SET(t, CURLOPT_FRESH_CONNECT, 1L);
    CLIPC_TRANSFER_SET(t, CURLOPT_FORBID_REUSE, 1L);
    CLIPC_TRANSFER_SET(t, CURLOPT_TIMEOUT_MS, timeout_ms);
}

static clipc_status fail_timeout(const request *r, bool total_is_over,
                                 clipc_error *err)
{
    const clipc_transfer *t = &r->transfer;

    if (total_is_over)
        return clipc_transfer_fail(t, CLIPC_ERR_TIMEOUT, err,
                                   "not finished after %u ms (timeout_ms)",
                                   r->params->timeout_ms);
    if (!clipc_transfer_connected(t))
        return clipc_transfer_fail(t, CLIPC_ERR_TIMEOUT, err,
                                   "no connection after %u ms "
                                   "(connect_timeout_ms)",
                                   t->connect_timeout_ms);
    return clipc_transfer_fail(t, CLIPC_ERR_TIMEOUT, err,
                               "slower than %d bytes/s for %d s",
                               (int)CLIPC_LOW_SPEED_BYTES,
                               (int)LOW_SPEED_SECONDS);
}

static clipc_status fail_stopped(const request *r, clipc_error *err)
{
    const clipc_transfer *t = &r->transfer;

    switch (t->stop) {
    case STOP_BODY:
        return clipc_transfer_fail(t, CLIPC_ERR_LIMIT, err,
                                   "larger than %zu bytes (max_bytes)",
                                   r->params->max_bytes);
    case CLIPC_STOP_HEADERS:
        return clipc_transfer_fail(t, CLIPC_ERR_LIMIT, err,
                                   "the answer has more than %d bytes of "
                                   "headers",
                                   (int)CLIPC_MAX_HEADER_BYTES);
    case CLIPC_STOP_IGNORED:
        return clipc_transfer_fail(t, CLIPC_ERR_LIMIT, err,
                                   "a redirect with more than %d bytes of "
                                   "body",
                                   (int)CLIPC_MAX_IGNORED_BYTES);
    case CLIPC_STOP_BLOCKED:
        return clipc_transfer_fail(
            t, CLIPC_ERR_URL_BLOCKED, err,
            "the host has a private, loopback or reserved address; %s",
            r->params->private_hosts == CLIPC_PRIVATE_FIRST_HOP
                ? "redirects to such hosts are not followed"
                : "set private_hosts to allow it");
    case CLIPC_STOP_CANCELLED:
        return clipc_transfer_fail(t, CLIPC_ERR_CANCELLED, err, "cancelled");
    default: return clipc_fail_nomem(err, "body of an HTTP answer");
    }
}

static clipc_status fail_http(const request *r, long status, clipc_error *err)
{
    const char *hint = "";

    if (status == 407 && r->params->proxy)
        return clipc_transfer_fail(&r->transfer, CLIPC_ERR_HTTP, err,
                                   CLIPC_PROXY_WANTS_LOGIN);
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
    return clipc_transfer_fail(&r->transfer, CLIPC_ERR_HTTP, err,
                               "the server answered with HTTP status %ld%s",
                               status, hint);
}

static clipc_status fail_code(const request *r, CURLcode code,
                              bool total_is_over, clipc_error *err)
{
    const clipc_transfer *t = &r->transfer;

    if (t->stop != CLIPC_STOP_NONE)
        return fail_stopped(r, err);
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return fail_http(r, clipc_transfer_status(t), err);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return fail_timeout(r, total_is_over, err);
    return clipc_transfer_fail_code(t, code, err);
}

/* Gets the answer into r->data, or *next: the target of a redirect. */
static clipc_status transfer_run(request *r, const chain *c, char **next,
                                 clipc_error *err)
{
    clipc_transfer *t = &r->transfer;
    uint64_t now = clipc_now_ms(), deadline = c->deadline;

    if (deadline && now >= deadline)
        return fail_timeout(r, true, err);
    set_options(r, c, deadline ? (long)(deadline - now) : 0L);
    if (t->setup != CURLE_OK)
        return clipc_transfer_fail_setup(t, err);
    CURLcode code = clipc_transfer_run(t);
    if (code != CURLE_OK) /* a timer may fire a moment before our clock */
        return fail_code(r, code, deadline && clipc_now_ms() + 2 >= deadline,
                         err);

    long status = clipc_transfer_status(t);
    if (is_success(status))
        return CLIPC_OK;
    if (!clipc_http_is_redirect(status))
        return fail_http(r, status, err);
    return clipc_transfer_redirect(next, t, status, err);
}

/* Sends one checked GET. On success *next is the target of a redirect
 * (malloc'ed), or *next is NULL and *body is filled. */
static clipc_status run_hop(clipc_bytes *body, char **next, const char *url,
                            bool redirected, chain *c, clipc_error *err)
{
    const clipc_fetch_params *params = c->params;
    request r = { .params = params };
    clipc_origin origin;
    char *checked = NULL;
    clipc_status status;

    *next = NULL;
    CLIPC_TRY(clipc_http_check_url(&checked, url, redirected, err));
    CLIPC_TRY_GOTO(status, end, clipc_origin_find(&origin, checked, err));
    if (!redirected)
        c->first = origin;
    r.same_origin = strcmp(origin.text, c->first.text) == 0;
    r.transfer = (clipc_transfer){
        .easy = curl_easy_init(),
        .url = checked,
        .redirected = redirected,
        .ca_file = params->ca_file,
        .ca_dir = params->ca_dir,
        .connect_timeout_ms = params->connect_timeout_ms,
        .proxied = params->proxy != NULL,
        .low_speed_bytes = CLIPC_LOW_SPEED_BYTES,
        .low_speed_seconds = LOW_SPEED_SECONDS,
        .calls = &calls,
        .user = &r,
    };
    if (params->proxy && !may_ask_proxy(&r, &origin))
        r.transfer.stop = CLIPC_STOP_BLOCKED;
    status = r.transfer.stop   ? fail_stopped(&r, err)
             : r.transfer.easy ? transfer_run(&r, c, next, err)
                               : clipc_fail_nomem(err, "HTTP transfer");
    clipc_transfer_cleanup(r.transfer.easy);
    clipc_transfer_release(&r.transfer);
    if (status == CLIPC_OK && !*next && !r.data) { /* an empty body */
        r.data = clipc_alloc(1, 1);
        if (!r.data)
            status = clipc_fail_nomem(err, "body of an HTTP answer");
    }
    if (status == CLIPC_OK && !*next) {
        r.data[r.n] = '\0';
        *body = (clipc_bytes){ .data = r.data, .n = r.n };
        r.data = NULL;
    }
    free(r.data);
end:
    curl_free(checked);
    return status;
}

static clipc_status run_chain(clipc_bytes *body, const char *url, chain *c,
                              clipc_error *err)
{
    unsigned most = c->params->max_redirects;
    char *next = NULL;
    clipc_status status = run_hop(body, &next, url, false, c, err);

    for (unsigned hop = 1; status == CLIPC_OK && next; hop++) {
        char *location = next;
        if (hop > most) {
            status = clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                                "%s: more than %u redirects (max_redirects)",
                                CLIPC_QUOTE(url), most);
            next = NULL;
        } else {
            status = run_hop(body, &next, location, true, c, err);
        }
        free(location);
    }
    return status;
}

static bool is_user_agent(const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return n > 0 && n <= CLIPC_MAX_USER_AGENT;
}

clipc_status clipc_fetch(clipc_bytes *body, const char *url,
                         const clipc_fetch_params *params, clipc_error *err)
{
    chain c = { .params = params };
    clipc_status status;

    *body = (clipc_bytes){ 0 };
    if (params->user_agent && !is_user_agent(params->user_agent))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "user_agent is not 1 to %d characters of ASCII",
                          (int)CLIPC_MAX_USER_AGENT);
    if (!clipc_http_ready())
        return clipc_fail_nomem(err, "libcurl");
    if (params->proxy)
        CLIPC_TRY(clipc_http_check_proxy(params->proxy, err));
    if (params->timeout_ms)
        c.deadline = clipc_now_ms() + params->timeout_ms;
    c.cookies = curl_share_init();
    c.headers = curl_slist_append(NULL, "Accept-Encoding:"); /* is not sent */
    if (c.cookies && c.headers &&
        !curl_share_setopt(c.cookies, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE))
        status = run_chain(body, url, &c, err);
    else
        status = clipc_fail_nomem(err, "HTTP transfer");
    curl_share_cleanup(c.cookies);
    curl_slist_free_all(c.headers);
    return status;
}

#endif /* CLIPC_CURL */
