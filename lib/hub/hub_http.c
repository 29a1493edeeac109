/* SPDX-License-Identifier: MIT
 *
 * hub_http.c - requests to a hub and its storage hosts. The servers are
 * hostile, and the token is worth stealing:
 *
 *  - One libcurl handle speaks to the endpoint's own origin (scheme, host and
 *    port), another handle to every other host. Only the first handle ever has
 *    the token in its headers. A redirect that leads back to the origin is
 *    followed without the token.
 *  - The token goes over https, or over http to an address of this machine.
 *    The address is checked on the socket.
 *  - Redirects are followed by hand, never from https to http. Redirects of a
 *    public endpoint must lead to public addresses, by the socket. Behind a
 *    proxy the socket is the proxy's: there no host that is written as a
 *    private address is asked for, and the proxy decides about names.
 *  - Only bodies of 200 and 206 are kept. Bytes are written as they come, and
 *    never more bytes than announced.
 *
 * Messages show URLs without their query: a query may be a signature.
 */
#include "hub/hub_http.h"

#include "base/file.h"
#include "http/address.h"
#include "http/transfer.h"
#include "hub/hub_headers.h"

#include <stdlib.h>
#include <string.h>

void clipc_hub_answer_release(clipc_hub_answer *answer)
{
    free(answer->url);
    *answer = (clipc_hub_answer){ 0 };
}

#if CLIPC_CURL

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
    MAX_REDIRECTS = 10,
    MAX_TOKEN = 4096, /* bytes */
    MAX_IO = 1 << 30  /* bytes in one system call */
};

#define DEFAULT_ENDPOINT "https://huggingface.co"

struct clipc_hub_session {
    const clipc_hub_params *params;
    char *endpoint;
    clipc_origin origin;
    CURL *hub, *storage;
    struct curl_slist *plain, *with_token;
    /* By the endpoint's last socket; behind a proxy, unless its text says
     * otherwise. */
    bool endpoint_is_public;
    bool connected; /* at least once, to any host */
};

/* Reasons to stop a transfer, beside transfer.h's reasons. */
enum {
    STOP_ENCODING = CLIPC_STOP_OWN, /* compressed, against the request */
    STOP_RANGE,                     /* a range other than requested */
    STOP_LENGTH, /* announces a length other than the hub's */
    STOP_BODY,   /* more bytes than announced or allowed */
    STOP_OTHER,  /* a whole file that begins otherwise than what is here */
    STOP_WRITE,  /* os_error */
    STOP_TOKEN,  /* a token over http to another machine */
    STOP_SILENCE
};

/* One request and its answer. */
typedef struct exchange {
    clipc_transfer transfer;
    clipc_hub_session *session;
    const char *file; /* for the progress callback */
    bool has_token;
    clipc_hub_answer *answer;
    clipc_hub_sink *sink; /* NULL: a HEAD */
    bool started;         /* the first byte of a kept body has come */
    bool repeats;         /* the body begins with what the sink has ... */
    uint64_t n_same;      /* ... and so many bytes of it were the same */
    clipc_hub_headers headers;
} exchange;

/* ---- session ----------------------------------------------------------- */

static bool is_sendable_token(const char *token)
{
    size_t n = strlen(token);

    if (n == 0 || n > MAX_TOKEN)
        return false;
    for (size_t i = 0; i < n; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return false;
    return true;
}

/* Appends to *list; false: no memory. */
static bool append(struct curl_slist **list, const char *header)
{
    struct curl_slist *longer = curl_slist_append(*list, header);
    if (longer)
        *list = longer;
    return longer != NULL;
}

static clipc_status make_headers(clipc_hub_session *s, clipc_error *err)
{
    const char *token = s->params->token;
    char header[MAX_TOKEN + 32];
    bool good = append(&s->plain, "Accept-Encoding: identity") &&
                append(&s->plain, "Accept:");

    if (token && !is_sendable_token(token))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "the hub token has a character that no token has, "
                          "or is longer than %d bytes",
                          (int)MAX_TOKEN);
    if (good && token && (s->origin.https || s->origin.loopback)) {
        snprintf(header, sizeof header, "Authorization: Bearer %s", token);
        good = append(&s->with_token, "Accept-Encoding: identity") &&
               append(&s->with_token, "Accept:") &&
               append(&s->with_token, header);
        memset(header, 0, sizeof header);
    }
    return good ? CLIPC_OK : clipc_fail_nomem(err, "HTTP headers");
}

clipc_status clipc_hub_session_create(clipc_hub_session **out,
                                      const clipc_hub_params *params,
                                      clipc_error *err)
{
    const char *endpoint = params->endpoint && *params->endpoint
                               ? params->endpoint
                               : DEFAULT_ENDPOINT;
    clipc_hub_session *s = clipc_alloc_zero(1, sizeof *s);
    char *checked = NULL;
    clipc_status status;

    *out = NULL;
    if (!s || !clipc_http_ready()) {
        free(s);
        return clipc_fail_nomem(err, "hub session");
    }
    s->params = params;
    CLIPC_TRY_GOTO(status, fail,
                   clipc_http_check_url(&checked, endpoint, false, err));
    if (strchr(checked, '?')) {
        status = clipc_fail(err, CLIPC_ERR_URL, -1,
                            "hub endpoint %s: it has a query",
                            CLIPC_QUOTE(endpoint));
        goto fail;
    }
    size_t n = strlen(checked);
    while (n > 0 && checked[n - 1] == '/')
        n--;
    s->endpoint = clipc_strndup(checked, n);
    s->hub = curl_easy_init();
    s->storage = curl_easy_init();
    if (!s->endpoint || !s->hub || !s->storage) {
        status = clipc_fail_nomem(err, "hub session");
        goto fail;
    }
    CLIPC_TRY_GOTO(status, fail,
                   clipc_origin_find(&s->origin, s->endpoint, err));
    CLIPC_TRY_GOTO(status, fail, make_headers(s, err));
    curl_free(checked);
    *out = s;
    return CLIPC_OK;
fail:
    curl_free(checked);
    clipc_hub_session_free(s);
    return status;
}

void clipc_hub_session_free(clipc_hub_session *s)
{
    if (!s)
        return;
    clipc_transfer_cleanup(s->hub);
    clipc_transfer_cleanup(s->storage);
    curl_slist_free_all(s->plain);
    curl_slist_free_all(s->with_token);
    free(s->endpoint);
    free(s);
}

const char *clipc_hub_session_endpoint(const clipc_hub_session *s)
{
    return s->endpoint;
}

bool clipc_hub_session_sends_token(const clipc_hub_session *s)
{
    return s->with_token != NULL;
}

bool clipc_hub_session_connected(const clipc_hub_session *s)
{
    return s->connected;
}

/* ---- callbacks of a transfer ------------------------------------------- */

static bool is_loopback(const unsigned char *address, size_t n)
{
    static const unsigned char one[16] = { [15] = 1 };
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

    if (n == 4)
        return address[0] == 127;
    return memcmp(address, one, 16) == 0 ||
           (memcmp(address, mapped, 12) == 0 && address[12] == 127);
}

static int check_address(void *user, const unsigned char *address, size_t n)
{
    const exchange *x = user;
    clipc_hub_session *s = x->session;
    bool public = clipc_address_is_public(address, n);

    if (x->transfer.proxied) /* the address is the proxy's */
        return CLIPC_STOP_NONE;
    if (x->transfer.easy == s->storage)
        return s->endpoint_is_public && !public ? CLIPC_STOP_BLOCKED
                                                : CLIPC_STOP_NONE;
    s->endpoint_is_public = public;
    return x->has_token && !s->origin.https && !is_loopback(address, n)
               ? STOP_TOKEN
               : CLIPC_STOP_NONE;
}

static void read_header(void *user, const char *line, size_t n)
{
    exchange *x = user;
    clipc_hub_headers_read(&x->headers, line, n);
}

static bool keeps_body(void *user, long status)
{
    const exchange *x = user;
    return x->sink && (status == 200 || status == 206);
}

/* Stops for bytes or a part that are not the file's. What this download has
 * already written may be as wrong. */
static int stop_wrong(exchange *x, int reason)
{
    x->sink->suspect = x->sink->changed;
    return reason;
}

static int stop_write(exchange *x)
{
    x->transfer.os_error = errno;
    return STOP_WRITE;
}

/* Cuts the file to its first n bytes, to go on from there. */
static int restart(exchange *x, uint64_t n)
{
    const off_t at = (off_t)n;

    x->sink->changed = true;
    if (ftruncate(x->sink->fd, at) != 0 ||
        lseek(x->sink->fd, at, SEEK_SET) != at)
        return stop_write(x);
    x->sink->have = n;
    return CLIPC_STOP_NONE;
}

/* The most bytes that the file may have. */
static uint64_t most_bytes(const clipc_hub_sink *sink)
{
    return sink->has_size ? sink->size : sink->max_bytes;
}

/* The most bytes that this answer may bring: its status says whether it begins
 * anew. */
static uint64_t due(const exchange *x)
{
    return most_bytes(x->sink) -
           (clipc_transfer_status(&x->transfer) == 200 ? 0 : x->sink->have);
}

/* Checks an answer before the first byte of a body is kept. The whole file in
 * place of a part is compared with what is here, and continues that: a page
 * that took the file's place, or a connection that is cut, costs no bytes. */
static int check_start(exchange *x)
{
    const clipc_hub_headers *h = &x->headers;
    clipc_hub_sink *sink = x->sink;
    long status = clipc_transfer_status(&x->transfer);

    if (h->encoded)
        return STOP_ENCODING;
    if (status == 206 && (!h->has_range || h->range_start != sink->have ||
                          (sink->has_size && h->range_total != 0 &&
                           h->range_total != sink->size)))
        return stop_wrong(x, STOP_RANGE);
    if (h->has_length && sink->has_size && h->length != due(x))
        return STOP_LENGTH;
    if (h->has_length && h->length > due(x))
        return stop_wrong(x, STOP_BODY);
    if (sink->have == 0 && restart(x, 0) != CLIPC_STOP_NONE)
        return STOP_WRITE;
    x->repeats = status == 200 && sink->have > 0;
    x->started = true;
    return CLIPC_STOP_NONE;
}

static int write_all(exchange *x, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t done = write(x->sink->fd, data, n < MAX_IO ? n : MAX_IO);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return stop_write(x);
        data += done;
        n -= (size_t)done;
        x->sink->changed = true;
        x->sink->have += (uint64_t)done;
    }
    return CLIPC_STOP_NONE;
}

/* Passes over bytes that the file has. At others, an answer of the length that
 * the hub announced is believed, and written from there on. */
static int compare(exchange *x, const char **data, size_t *n)
{
    clipc_hub_sink *sink = x->sink;
    char here[4096];

    while (*n > 0 && x->n_same < sink->have) {
        size_t most = *n < sizeof here ? *n : sizeof here;
        if (most > sink->have - x->n_same)
            most = (size_t)(sink->have - x->n_same);
        const ssize_t got = pread(sink->fd, here, most, (off_t)x->n_same);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = EIO; /* somebody cut the file */
        if (got <= 0)
            return stop_write(x);
        if (memcmp(here, *data, (size_t)got) != 0) {
            if (!x->headers.has_length || !sink->has_size)
                return STOP_OTHER;
            x->repeats = false;
            return restart(x, x->n_same);
        }
        x->n_same += (uint64_t)got;
        *data += got;
        *n -= (size_t)got;
    }
    x->repeats = x->n_same < sink->have;
    return CLIPC_STOP_NONE;
}

static int take_body(void *user, const char *data, size_t n)
{
    exchange *x = user;
    int stop = x->started ? CLIPC_STOP_NONE : check_start(x);

    if (stop == CLIPC_STOP_NONE && x->repeats)
        stop = compare(x, &data, &n);
    if (stop != CLIPC_STOP_NONE)
        return stop;
    if (n > most_bytes(x->sink) - x->sink->have)
        return stop_wrong(x, STOP_BODY);
    return write_all(x, data, n);
}

/* How long a server may be slow: three times as long as silent. libcurl counts
 * whole seconds. */
static long slow_seconds(const clipc_hub_params *params)
{
    return (long)((3 * (uint64_t)params->timeout_ms + 999) / 1000);
}

/* Of silence before the request fails. */
static unsigned patience(const exchange *x)
{
    const clipc_hub_params *p = x->session->params;
    return !x->sink && p->head_timeout_ms ? p->head_timeout_ms : p->timeout_ms;
}

static int watch(void *user, uint64_t total)
{
    exchange *x = user;
    const clipc_hub_params *p = x->session->params;
    clipc_transfer *t = &x->transfer;
    uint64_t now = clipc_now_ms();
    const clipc_progress progress = {
        .what = x->file,
        .done = x->sink ? x->sink->have : 0,
        .total = x->sink && x->sink->has_size ? x->sink->size : 0,
    };

    (void)total;
    if (p->progress && p->progress(p->progress_user, &progress))
        return CLIPC_STOP_CANCELLED;
    if (!clipc_transfer_connected(t) || t->last_ms == 0)
        t->last_ms = now;
    return now - t->last_ms <= patience(x) ? CLIPC_STOP_NONE : STOP_SILENCE;
}

static const clipc_transfer_calls calls = {
    .address = check_address,
    .header = read_header,
    .keeps = keeps_body,
    .body = take_body,
    .progress = watch,
};

/* ---- a request --------------------------------------------------------- */

static void set_options(exchange *x, const char *range)
{
    clipc_hub_session *s = x->session;
    const clipc_hub_params *p = s->params;
    clipc_transfer *t = &x->transfer;

    clipc_transfer_prepare(t);
    CLIPC_TRANSFER_SET(t, CURLOPT_HTTPHEADER,
                       x->has_token ? s->with_token : s->plain);
    /* "": not even the environment's. */
    CLIPC_TRANSFER_SET(t, CURLOPT_PROXY, t->proxied ? p->proxy : "");
    CLIPC_TRANSFER_SET(t, CURLOPT_NOPROXY, "");
    CLIPC_TRANSFER_SET(t, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (range)
        CLIPC_TRANSFER_SET(t, CURLOPT_RANGE, range);
    if (x->sink) {
        CLIPC_TRANSFER_SET(t, CURLOPT_BUFFERSIZE, 256L * 1024);
    } else {
        CLIPC_TRANSFER_SET(t, CURLOPT_NOBODY, 1L);
        CLIPC_TRANSFER_SET(t, CURLOPT_TIMEOUT_MS,
                           (long)p->connect_timeout_ms + (long)patience(x));
    }
}

static clipc_status fail_timeout(const exchange *x, clipc_error *err)
{
    const clipc_hub_params *p = x->session->params;
    const clipc_transfer *t = &x->transfer;

    if (!clipc_transfer_connected(t))
        return clipc_fail(err, CLIPC_ERR_TIMEOUT, -1,
                          "%s: no connection after %u ms "
                          "(connect_timeout_ms)",
                          CLIPC_QUOTE(t->url), p->connect_timeout_ms);
    if (t->stop != STOP_SILENCE && x->sink)
        return clipc_fail(err, CLIPC_ERR_TIMEOUT, -1,
                          "%s: slower than %d bytes/s for %ld s",
                          CLIPC_QUOTE(t->url), (int)CLIPC_LOW_SPEED_BYTES,
                          t->low_speed_seconds);
    return clipc_fail(err, CLIPC_ERR_TIMEOUT, -1,
                      "%s: no answer for %u ms (%s)", CLIPC_QUOTE(t->url),
                      patience(x),
                      x->sink || !p->head_timeout_ms ? "timeout_ms"
                                                     : "head_timeout_ms");
}

static clipc_status fail_stopped(const exchange *x, clipc_error *err)
{
    const clipc_transfer *t = &x->transfer;
    const clipc_hub_sink *sink = x->sink;

    switch (t->stop) {
    case CLIPC_STOP_HEADERS:
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: the answer has more than %d bytes of headers",
                          CLIPC_QUOTE(t->url), (int)CLIPC_MAX_HEADER_BYTES);
    case STOP_ENCODING:
        return clipc_transfer_fail(t, CLIPC_ERR_FORMAT, err,
                                   "the answer is "
                                   "compressed, which was not asked for");
    case STOP_RANGE:
        return clipc_transfer_fail(t, CLIPC_ERR_FORMAT, err,
                                   "the server "
                                   "sends another part of the file than was "
                                   "asked for%s%s",
                                   sink->suspect ? ""
                                                 : "; to begin anew remove ",
                                   sink->suspect ? ""
                                                 : CLIPC_QUOTE(sink->name));
    case STOP_LENGTH:
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                          "%s: the server announces %llu bytes where %llu of "
                          "the file are to come",
                          CLIPC_QUOTE(t->url),
                          (unsigned long long)x->headers.length,
                          (unsigned long long)due(x));
    case STOP_BODY:
        if (sink->has_size)
            return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                              "%s: more than the %llu bytes the hub announced",
                              CLIPC_QUOTE(t->url),
                              (unsigned long long)sink->size);
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: larger than %llu bytes (%s)",
                          CLIPC_QUOTE(t->url),
                          (unsigned long long)sink->max_bytes,
                          clipc_hub_limit_name(sink->max_bytes));
    case STOP_OTHER:
        return clipc_transfer_fail(t, CLIPC_ERR_FORMAT, err,
                                   "the answer begins otherwise than what is "
                                   "here of the file; to begin anew remove %s",
                                   CLIPC_QUOTE(sink->name));
    case STOP_WRITE:
        return clipc_fail_errno(err, "write", sink->name, t->os_error);
    case CLIPC_STOP_BLOCKED:
        return clipc_transfer_fail(t, CLIPC_ERR_URL_BLOCKED, err,
                                   "the hub is "
                                   "public, but this host has a private, "
                                   "loopback or reserved address");
    case STOP_TOKEN:
        return clipc_transfer_fail(t, CLIPC_ERR_URL_BLOCKED, err,
                                   "a token is "
                                   "sent over http to this machine only, and "
                                   "this is another; use https");
    case STOP_SILENCE: return fail_timeout(x, err);
    default:
        return clipc_transfer_fail(t, CLIPC_ERR_CANCELLED, err, "cancelled");
    }
}

/* Sends HEAD or GET for one URL from clipc_http_check_url(). to_hub: the
 * request may have the token. *next: the checked target of a redirect,
 * malloc'ed, or NULL. */
static clipc_status perform(exchange *x, bool to_hub, const char *range,
                            char **next, clipc_error *err)
{
    clipc_hub_session *s = x->session;
    clipc_transfer *t = &x->transfer;
    char *location = NULL, *checked = NULL;
    clipc_status status;

    *next = NULL;
    t->easy = to_hub ? s->hub : s->storage;
    t->user = x;
    x->headers.answer = x->answer;
    x->has_token = to_hub && s->with_token;
    x->answer->elsewhere = !to_hub;
    set_options(x, range);
    if (t->setup != CURLE_OK)
        return clipc_transfer_fail_setup(t, err);
    CURLcode code = clipc_transfer_run(t);
    s->connected = s->connected || clipc_transfer_connected(t);
    /* A page without the file has said all by its status: its rest is left. */
    if (t->stop == CLIPC_STOP_IGNORED)
        code = CURLE_OK;
    else if (t->stop != CLIPC_STOP_NONE)
        return fail_stopped(x, err);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return fail_timeout(x, err);
    if (code != CURLE_OK)
        return clipc_transfer_fail_code(t, code, err);
    if (!x->headers.ended) /* libcurl takes a cut header for a whole one */
        return clipc_transfer_fail(t, CLIPC_ERR_NETWORK, err,
                                   "the connection "
                                   "ended within the header");
    x->answer->status = clipc_transfer_status(t);
    if (!clipc_http_is_redirect(x->answer->status))
        return CLIPC_OK;
    CLIPC_TRY(clipc_transfer_redirect(&location, t, x->answer->status, err));
    status = clipc_http_check_url(&checked, location, true, err);
    free(location);
    CLIPC_TRY(status);
    if (strncmp(t->url, "https:", 6) == 0 &&
        strncmp(checked, "https:", 6) != 0)
        status = clipc_transfer_fail(t, CLIPC_ERR_URL, err,
                                     "a redirect from "
                                     "https to http is not followed");
    else if ((*next = clipc_strndup(checked, strlen(checked))) == NULL)
        status = clipc_fail_nomem(err, "URL");
    curl_free(checked);
    return status;
}

static bool is_hub(const clipc_hub_session *s, const clipc_origin *origin)
{
    return strcmp(origin->text, s->origin.text) == 0;
}

/* Decided here and not by libcurl, which does not say whose address a socket
 * is for. */
static bool takes_proxy(const clipc_hub_session *s, const clipc_origin *origin)
{
    const clipc_hub_params *p = s->params;

    return p->proxy && *p->proxy && !origin->loopback &&
           !clipc_http_in_no_proxy(p->no_proxy, origin);
}

/* Whether an answer describes the file that its redirect leads to. Behind a
 * mirror that only sends its clients on, the hub that describes the file is
 * another host. */
static bool describes(const clipc_hub_answer *answer)
{
    return answer->commit[0] && answer->etag[0];
}

/* Follows redirects from *url, malloc'ed, to the file: afterwards *url is where
 * the file lies. elsewhere: the redirects before *url have left the hub. sink
 * NULL: a HEAD, which ends where the hub has described the file and sends the
 * caller to another host. */
static clipc_status follow(clipc_hub_session *s, char **url, bool elsewhere,
                           const char *file, clipc_hub_sink *sink,
                           clipc_hub_answer *answer, clipc_error *err)
{
    clipc_origin origin;
    char range[32];

    CLIPC_TRY(clipc_origin_find(&origin, *url, err));
    bool to_hub = is_hub(s, &origin) && !elsewhere;
    snprintf(range, sizeof range, "%llu-",
             sink ? (unsigned long long)sink->have : 0);
    for (unsigned hop = 0;; hop++) {
        exchange x = {
            .transfer = { .url = *url,
                          .redirected = hop > 0,
                          .ca_file = s->params->ca_file,
                          .ca_dir = s->params->ca_dir,
                          .connect_timeout_ms = s->params->connect_timeout_ms,
                          .proxied = takes_proxy(s, &origin),
                          .calls = &calls },
            .session = s,
            .file = file,
            .answer = answer,
            .sink = sink
        };
        char *next;

        if (to_hub && x.transfer.proxied)
            s->endpoint_is_public = !s->origin.private;
        if (!to_hub && s->endpoint_is_public && origin.private) {
            x.transfer.stop = CLIPC_STOP_BLOCKED;
            return fail_stopped(&x, err);
        }
        if (sink) {
            x.transfer.low_speed_bytes = CLIPC_LOW_SPEED_BYTES;
            x.transfer.low_speed_seconds = slow_seconds(s->params);
        }
        clipc_status status =
            perform(&x, to_hub, sink && sink->have ? range : NULL, &next, err);
        clipc_transfer_release(&x.transfer);
        CLIPC_TRY(status);
        if (!next && sink && answer->status == 200 && !x.started &&
            (sink->have > 0 || (sink->has_size && sink->size > 0)))
            return clipc_fail(err, CLIPC_ERR_NETWORK, -1,
                              "%s: the answer has no bytes of the file",
                              CLIPC_QUOTE(*url));
        if (!next) {
            if (!sink && !x.headers.has_linked_size && x.headers.has_length) {
                answer->has_size = true;
                answer->size = x.headers.length;
            }
            return CLIPC_OK;
        }
        free(*url);
        *url = next;
        CLIPC_TRY(clipc_origin_find(&origin, next, err));
        if (!sink && !is_hub(s, &origin) && describes(answer))
            return CLIPC_OK;
        to_hub = to_hub && is_hub(s, &origin);
        if (hop >= MAX_REDIRECTS)
            return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                              "%s: more than %d redirects", CLIPC_QUOTE(next),
                              (int)MAX_REDIRECTS);
    }
}

clipc_status clipc_hub_head(clipc_hub_session *s, const char *path,
                            const char *file, clipc_hub_answer *answer,
                            clipc_error *err)
{
    char *url = clipc_format("%s/%s", s->endpoint, path);

    *answer = (clipc_hub_answer){ 0 };
    if (!url)
        return clipc_fail_nomem(err, "URL");
    clipc_status status = follow(s, &url, false, file, NULL, answer, err);
    if (status == CLIPC_OK)
        answer->url = url;
    else
        free(url);
    return status;
}

clipc_status clipc_hub_get(clipc_hub_session *s, const char *start,
                           bool elsewhere, clipc_hub_sink *sink,
                           clipc_hub_answer *answer, clipc_error *err)
{
    char *url = clipc_strndup(start, strlen(start));

    *answer = (clipc_hub_answer){ 0 };
    if (!url)
        return clipc_fail_nomem(err, "URL");
    clipc_status status = follow(s, &url, elsewhere, sink->file, sink, answer,
                                 err);
    free(url);
    return status;
}

#endif /* CLIPC_CURL */
