/* SPDX-License-Identifier: MIT
 *
 * hub_http.c - requests to a hub and its storage hosts. The servers are
 * hostile, and the token is worth stealing:
 *
 *  - Two libcurl handles: one speaks to the endpoint's own origin (scheme,
 *    host and port), the other to every other host. Only the first ever has
 *    the token among its headers. Once a redirect has left the origin, one
 *    that leads back is followed without it.
 *  - The token goes over https, or over http to an address of this machine,
 *    which is checked on the socket.
 *  - Redirects are followed by hand, never from https to http. From a public
 *    endpoint they must lead to public addresses.
 *  - Of bodies only those of 200 and 206 are kept, written as they come, and
 *    never more than was announced.
 *
 * Shown in messages are URLs without their query, which may be a signature.
 */
#include "hub/hub_http.h"

#include "base/file.h"
#include "http/address.h"
#include "http/http.h"
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
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAX_REDIRECTS = 10,
    MAX_TOKEN = 4096,       /* bytes */
    LOW_SPEED_BYTES = 100,  /* a second ... */
    LOW_SPEED_SECONDS = 30, /* ... on average over so long ends a transfer */
    MAX_IO = 1 << 30        /* bytes of one system call */
};

#define DEFAULT_ENDPOINT "https://huggingface.co"

/* scheme, host and port of a URL in one text: equal texts, equal origins. */
typedef struct origin {
    char text[320]; /* "https://host:443" */
    bool https;
    bool loopback; /* the host is written as one of this machine */
} origin;

struct clipc_hub_session {
    const clipc_hub_params *params;
    char *endpoint;
    origin origin;
    CURL *hub, *storage;
    struct curl_slist *plain, *with_token;
    bool endpoint_is_public; /* as its last socket was */
    bool connected;          /* at least once, to any host */
};

/* Why a callback ended a transfer. */
typedef enum stop_reason {
    STOP_NONE,
    STOP_HEADERS,   /* too many */
    STOP_IGNORED,   /* an error page too large */
    STOP_ENCODING,  /* compressed, although that was not asked for */
    STOP_RANGE,     /* another part than was asked for */
    STOP_LENGTH,    /* announces another length than the hub did */
    STOP_BODY,      /* more bytes than announced or allowed */
    STOP_WRITE,     /* os_error */
    STOP_BLOCKED,   /* the address is not public */
    STOP_TOKEN,     /* not an address of this machine, and a token over http */
    STOP_SILENCE,
    STOP_CANCELLED
} stop_reason;

/* One request and its answer. */
typedef struct exchange {
    clipc_hub_session *session;
    CURL *easy;
    const char *url;
    const char *file; /* for the progress callback */
    bool redirected, has_token;
    clipc_hub_answer *answer;
    clipc_hub_sink *sink; /* NULL: a HEAD */
    bool started;         /* the first byte of a body that is kept came */
    clipc_hub_headers headers;
    size_t header_bytes, ignored_bytes;
    clipc_http_location location;
    bool connected;   /* ask clipc_http_is_connected() */
    uint64_t last_ms; /* when something came, after the connection */
    stop_reason stop;
    int os_error;
    char detail[CURL_ERROR_SIZE];
} exchange;

/* ---- origins ----------------------------------------------------------- */

static bool is_loopback_name(const char *host)
{
    size_t n = strlen(host);

    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return strncmp(host, "127.", 4) == 0 &&
           strspn(host, "0123456789.") == n;
}

/* Of a URL that clipc_http_check_url() gave. */
static clipc_status find_origin(origin *out, const char *url,
                                clipc_error *err)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    CURLU *parts = curl_url();
    clipc_status status = CLIPC_OK;

    *out = (origin){ .https = false };
    if (!parts || curl_url_set(parts, CURLUPART_URL, url, 0) ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) ||
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) {
        status = clipc_fail_nomem(err, "URL");
    } else {
        for (char *p = host; *p; p++)
            if (*p >= 'A' && *p <= 'Z')
                *p = (char)(*p | 0x20);
        int n = snprintf(out->text, sizeof out->text, "%s://%s:%s", scheme,
                         host, port);
        out->https = strcmp(scheme, "https") == 0;
        out->loopback = is_loopback_name(host);
        if (n < 0 || (size_t)n >= sizeof out->text)
            status = clipc_fail(err, CLIPC_ERR_URL, -1,
                                "%s: the host name is too long",
                                CLIPC_QUOTE(url));
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return status;
}

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
                          "or is longer than %d bytes", (int)MAX_TOKEN);
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
                               ? params->endpoint : DEFAULT_ENDPOINT;
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
    CLIPC_TRY_GOTO(status, fail, find_origin(&s->origin, s->endpoint, err));
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
    clipc_sigpipe_guard guard;

    if (!s)
        return;
    clipc_sigpipe_block(&guard); /* TLS says goodbye */
    curl_easy_cleanup(s->hub);
    curl_easy_cleanup(s->storage);
    clipc_sigpipe_restore(&guard);
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

/* ---- what libcurl calls ------------------------------------------------ */

static long http_status(const exchange *x)
{
    long status = 0;
    curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static bool is_loopback(const unsigned char *address, size_t n)
{
    static const unsigned char one[16] = { [15] = 1 };
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

    if (n == 4)
        return address[0] == 127;
    return memcmp(address, one, 16) == 0 ||
           (memcmp(address, mapped, 12) == 0 && address[12] == 127);
}

/* libcurl connects to the address this function is given. */
static curl_socket_t open_socket(void *user, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    exchange *x = user;
    clipc_hub_session *s = x->session;
    unsigned char bytes[16];
    size_t n = 0;

    if (x->stop != STOP_NONE)
        return CURL_SOCKET_BAD;
    if (purpose == CURLSOCKTYPE_IPCXN && address->family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &address->addr, sizeof in);
        memcpy(bytes, &in.sin_addr, n = 4);
    } else if (purpose == CURLSOCKTYPE_IPCXN && address->family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, &address->addr, sizeof in6);
        memcpy(bytes, in6.sin6_addr.s6_addr, n = 16);
    }
    bool public = n > 0 && clipc_address_is_public(bytes, n);
    bool proxied = s->params->proxy && *s->params->proxy;
    if (n == 0 || (x->easy == s->storage && s->endpoint_is_public &&
                   !public && !proxied)) {
        x->stop = STOP_BLOCKED;
        return CURL_SOCKET_BAD;
    }
    if (x->easy == s->hub) {
        s->endpoint_is_public = public;
        if (x->has_token && !s->origin.https && !is_loopback(bytes, n)) {
            x->stop = STOP_TOKEN;
            return CURL_SOCKET_BAD;
        }
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                    address->protocol);
    if (fd < 0) {
        x->os_error = errno; /* another address may still do */
        return CURL_SOCKET_BAD;
    }
    return fd;
}

static size_t receive_header(char *line, size_t size, size_t n, void *user)
{
    exchange *x = user;

    n *= size;
    x->last_ms = clipc_now_ms();
    x->header_bytes += n;
    if (x->header_bytes > CLIPC_MAX_HEADER_BYTES) {
        x->stop = STOP_HEADERS;
        return 0;
    }
    clipc_hub_headers_read(&x->headers, line, n);
    clipc_http_location_read(&x->location, line, n);
    return n;
}

/* The file anew. */
static bool restart(exchange *x)
{
    if (ftruncate(x->sink->fd, 0) != 0 ||
        lseek(x->sink->fd, 0, SEEK_SET) != 0) {
        x->os_error = errno;
        x->stop = STOP_WRITE;
        return false;
    }
    x->sink->have = 0;
    return true;
}

/* Before the first byte of a body is kept. */
static bool check_start(exchange *x, long status)
{
    clipc_hub_sink *sink = x->sink;

    if (x->headers.encoded) {
        x->stop = STOP_ENCODING;
    } else if (status == 206 &&
               (!x->headers.has_range || x->headers.range_start != sink->have ||
                (sink->has_size && x->headers.range_total != 0 &&
                 x->headers.range_total != sink->size))) {
        x->stop = STOP_RANGE;
    } else {
        if (status == 200 && !restart(x))
            return false;
        if (x->headers.has_length && sink->has_size &&
            x->headers.length != sink->size - sink->have)
            x->stop = STOP_LENGTH;
    }
    x->started = x->stop == STOP_NONE;
    return x->started;
}

static bool write_all(exchange *x, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t done = write(x->sink->fd, data, n < MAX_IO ? n : MAX_IO);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0) {
            x->os_error = errno;
            x->stop = STOP_WRITE;
            return false;
        }
        data += done;
        n -= (size_t)done;
        x->sink->have += (uint64_t)done;
    }
    return true;
}

static size_t receive_body(char *data, size_t size, size_t n, void *user)
{
    exchange *x = user;
    long status = http_status(x);

    n *= size;
    x->last_ms = clipc_now_ms();
    if (n == 0)
        return 0;
    if (!x->sink || (status != 200 && status != 206)) {
        x->ignored_bytes += n;
        if (x->ignored_bytes <= CLIPC_MAX_IGNORED_BYTES)
            return n;
        x->stop = STOP_IGNORED;
        return 0;
    }
    if (!x->started && !check_start(x, status))
        return 0;
    uint64_t limit = x->sink->has_size ? x->sink->size : x->sink->max_bytes;
    if (n > limit - x->sink->have) {
        x->stop = STOP_BODY;
        return 0;
    }
    return write_all(x, data, n) ? n : 0;
}

static int watch(void *user, curl_off_t total, curl_off_t done,
                 curl_off_t up_total, curl_off_t up_done)
{
    exchange *x = user;
    const clipc_hub_params *p = x->session->params;
    uint64_t now = clipc_now_ms();

    (void)total, (void)done, (void)up_total, (void)up_done;
    const clipc_progress progress = {
        .what = x->file,
        .done = x->sink ? x->sink->have : 0,
        .total = x->sink && x->sink->has_size ? x->sink->size : 0,
    };
    if (p->progress && p->progress(p->progress_user, &progress)) {
        x->stop = STOP_CANCELLED;
        return 1;
    }
    if (!clipc_http_is_connected(x->easy, &x->connected) || x->last_ms == 0)
        x->last_ms = now;
    if (now - x->last_ms <= p->timeout_ms)
        return 0;
    x->stop = STOP_SILENCE;
    return 1;
}

/* ---- a request --------------------------------------------------------- */

/* false: libcurl ran out of memory. */
static bool set_options(exchange *x, const char *range)
{
    clipc_hub_session *s = x->session;
    const clipc_hub_params *p = s->params;
    bool local = strncmp(x->url, "http:", 5) == 0 && s->origin.loopback;
    CURL *easy = x->easy;
    CURLcode code = CURLE_OK;

    curl_easy_reset(easy); /* its connections stay */
#define SET(option, value)                                   \
    if (code == CURLE_OK)                                    \
    code = curl_easy_setopt(easy, (option), (value))
    SET(CURLOPT_URL, x->url);
    SET(CURLOPT_ERRORBUFFER, x->detail);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTPHEADER, x->has_token ? s->with_token : s->plain);
    /* "": nor what the environment says. */
    SET(CURLOPT_PROXY, p->proxy && !local ? p->proxy : "");
    SET(CURLOPT_NOPROXY, p->no_proxy ? p->no_proxy : "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
    SET(CURLOPT_USERAGENT, CLIPC_USER_AGENT);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)p->connect_timeout_ms);
    if (x->sink) {
        SET(CURLOPT_LOW_SPEED_LIMIT, (long)LOW_SPEED_BYTES);
        SET(CURLOPT_LOW_SPEED_TIME, (long)LOW_SPEED_SECONDS);
        SET(CURLOPT_BUFFERSIZE, 256L * 1024);
    } else {
        SET(CURLOPT_NOBODY, 1L);
        SET(CURLOPT_TIMEOUT_MS, (long)p->connect_timeout_ms +
                                    (long)p->timeout_ms);
    }
    if (range) {
        SET(CURLOPT_RANGE, range);
    }
    if (p->ca_file) {
        SET(CURLOPT_CAINFO, p->ca_file);
        SET(CURLOPT_CAPATH, NULL);
    }
    if (code == CURLE_OK)
        code = clipc_http_watch_connection(easy, &x->connected);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, x);
    SET(CURLOPT_HEADERFUNCTION, receive_header);
    SET(CURLOPT_HEADERDATA, x);
    SET(CURLOPT_WRITEFUNCTION, receive_body);
    SET(CURLOPT_WRITEDATA, x);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, watch);
    SET(CURLOPT_XFERINFODATA, x);
#undef SET
    return code == CURLE_OK;
}

static clipc_status fail_with(const exchange *x, clipc_status status,
                              const char *what, clipc_error *err)
{
    return clipc_fail(err, status, -1, "%s%s: %s",
                      x->redirected ? "redirect to " : "",
                      CLIPC_QUOTE(x->url), what);
}

static clipc_status fail_timeout(const exchange *x, clipc_error *err)
{
    const clipc_hub_params *p = x->session->params;

    if (!clipc_http_is_connected(x->easy, &x->connected))
        return clipc_fail(err, CLIPC_ERR_TIMEOUT, -1,
                          "%s: no connection after %u ms "
                          "(connect_timeout_ms)", CLIPC_QUOTE(x->url),
                          p->connect_timeout_ms);
    if (x->stop != STOP_SILENCE && x->sink)
        return clipc_fail(err, CLIPC_ERR_TIMEOUT, -1,
                          "%s: slower than %d bytes/s for %d s",
                          CLIPC_QUOTE(x->url), (int)LOW_SPEED_BYTES,
                          (int)LOW_SPEED_SECONDS);
    return clipc_fail(err, CLIPC_ERR_TIMEOUT, -1,
                      "%s: no answer for %u ms (timeout_ms)",
                      CLIPC_QUOTE(x->url), p->timeout_ms);
}

static clipc_status fail_stopped(const exchange *x, clipc_error *err)
{
    const clipc_hub_sink *sink = x->sink;

    switch (x->stop) {
    case STOP_HEADERS:
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: the answer has more than %d bytes of headers",
                          CLIPC_QUOTE(x->url), (int)CLIPC_MAX_HEADER_BYTES);
    case STOP_IGNORED:
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: an answer without the file and with more than "
                          "%d bytes of body", CLIPC_QUOTE(x->url),
                          (int)CLIPC_MAX_IGNORED_BYTES);
    case STOP_ENCODING:
        return fail_with(x, CLIPC_ERR_FORMAT, "the answer is compressed, "
                         "which was not asked for", err);
    case STOP_RANGE:
        return fail_with(x, CLIPC_ERR_FORMAT, "the server sends another part "
                         "of the file than was asked for", err);
    case STOP_LENGTH:
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                          "%s: the server announces %llu bytes where %llu are "
                          "left of the file", CLIPC_QUOTE(x->url),
                          (unsigned long long)x->headers.length,
                          (unsigned long long)(sink->size - sink->have));
    case STOP_BODY:
        if (sink->has_size)
            return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                              "%s: more than the %llu bytes the hub announced",
                              CLIPC_QUOTE(x->url),
                              (unsigned long long)sink->size);
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: larger than %llu bytes (max_file_bytes)",
                          CLIPC_QUOTE(x->url),
                          (unsigned long long)sink->max_bytes);
    case STOP_WRITE:
        return clipc_fail_errno(err, "write", sink->name, x->os_error);
    case STOP_BLOCKED:
        return fail_with(x, CLIPC_ERR_URL_BLOCKED, "the hub is public, but "
                         "this host has a private, loopback or reserved "
                         "address", err);
    case STOP_TOKEN:
        return fail_with(x, CLIPC_ERR_URL_BLOCKED, "a token is sent over "
                         "http to this machine only, and this is another; use "
                         "https", err);
    case STOP_SILENCE:
        return fail_timeout(x, err);
    default:
        return fail_with(x, CLIPC_ERR_CANCELLED, "cancelled", err);
    }
}

static clipc_status perform(exchange *x, bool to_hub, const char *range,
                            char **next, clipc_error *err)
{
    clipc_hub_session *s = x->session;
    clipc_sigpipe_guard guard;
    char *location = NULL, *checked = NULL;
    clipc_status status;

    *next = NULL;
    x->headers.answer = x->answer;
    x->easy = to_hub ? s->hub : s->storage;
    x->has_token = to_hub && s->with_token;
    x->answer->elsewhere = !to_hub;
    if (!set_options(x, range))
        return clipc_fail_nomem(err, "HTTP transfer");
    clipc_sigpipe_block(&guard);
    CURLcode code = curl_easy_perform(x->easy);
    clipc_sigpipe_restore(&guard);
    s->connected = s->connected ||
                   clipc_http_is_connected(x->easy, &x->connected);
    if (x->stop != STOP_NONE)
        return fail_stopped(x, err);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return fail_timeout(x, err);
    if (code != CURLE_OK)
        return clipc_http_fail(code, x->detail, x->url, x->redirected,
                               x->os_error, s->params->ca_file, err);
    if (!x->headers.ended) /* libcurl takes what came for all of it */
        return fail_with(x, CLIPC_ERR_NETWORK, "the connection ended within "
                         "the header", err);
    x->answer->status = http_status(x);
    if (!clipc_http_is_redirect(x->answer->status))
        return CLIPC_OK;
    CLIPC_TRY(clipc_http_redirect(&location, &x->location, x->url,
                                  x->redirected, x->answer->status, err));
    status = clipc_http_check_url(&checked, location, true, err);
    free(location);
    CLIPC_TRY(status);
    if (strncmp(x->url, "https:", 6) == 0 &&
        strncmp(checked, "https:", 6) != 0)
        status = fail_with(x, CLIPC_ERR_URL, "a redirect from https to http "
                           "is not followed", err);
    else if ((*next = clipc_strndup(checked, strlen(checked))) == NULL)
        status = clipc_fail_nomem(err, "URL");
    else
        status = CLIPC_OK;
    curl_free(checked);
    return status;
}

/* HEAD or GET of one URL, which clipc_http_check_url() gave. to_hub: the
 * token may go with it. *next is where a redirect leads, malloc'ed, checked;
 * or NULL. */
static clipc_status run(exchange *x, bool to_hub, const char *range,
                        char **next, clipc_error *err)
{
    clipc_status status = perform(x, to_hub, range, next, err);
    clipc_http_location_release(&x->location);
    return status;
}

static clipc_status fail_redirects(const exchange *x, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_LIMIT, -1, "%s: more than %d redirects",
                      CLIPC_QUOTE(x->url), (int)MAX_REDIRECTS);
}

static bool same_origin(const clipc_hub_session *s, const char *url,
                        bool *same, clipc_status *status, clipc_error *err)
{
    origin other;
    *status = find_origin(&other, url, err);
    *same = *status == CLIPC_OK && strcmp(other.text, s->origin.text) == 0;
    return *status == CLIPC_OK;
}

clipc_status clipc_hub_head(clipc_hub_session *s, const char *path,
                            const char *file, clipc_hub_answer *answer,
                            clipc_error *err)
{
    char *url = clipc_format("%s/%s", s->endpoint, path), *next = NULL;
    clipc_status status = CLIPC_OK;
    bool to_hub = true;

    *answer = (clipc_hub_answer){ 0 };
    if (!url)
        return clipc_fail_nomem(err, "URL");
    for (unsigned hop = 0;; hop++) {
        exchange x = { .session = s, .url = url, .file = file,
                       .redirected = hop > 0, .answer = answer };
        status = run(&x, to_hub, NULL, &next, err);
        if (status != CLIPC_OK)
            break;
        bool stays = false;
        if (next && !same_origin(s, next, &stays, &status, err))
            break;
        /* Only on the hub's word is another host's file this one. */
        bool describes = to_hub && answer->commit[0] && answer->etag[0];
        if (!next || (!(stays && to_hub) && describes)) {
            if (!x.headers.has_linked_size && x.headers.has_length &&
                !next) {
                answer->has_size = true;
                answer->size = x.headers.length;
            }
            answer->url = next ? next : url;
            next = next ? url : NULL; /* to be freed */
            url = NULL;
            break;
        }
        to_hub = to_hub && stays;
        if (hop >= MAX_REDIRECTS) {
            status = fail_redirects(&x, err);
            break;
        }
        free(url);
        url = next;
        next = NULL;
    }
    free(next);
    free(url);
    return status;
}

clipc_status clipc_hub_get(clipc_hub_session *s, const char *start,
                           clipc_hub_sink *sink, clipc_hub_answer *answer,
                           clipc_error *err)
{
    char *url = clipc_strndup(start, strlen(start)), *next = NULL;
    clipc_status status = CLIPC_OK;
    bool to_hub = true;
    char range[32];

    *answer = (clipc_hub_answer){ 0 };
    if (!url)
        return clipc_fail_nomem(err, "URL");
    snprintf(range, sizeof range, "%llu-", (unsigned long long)sink->have);
    for (unsigned hop = 0;; hop++) {
        exchange x = { .session = s, .url = url, .file = sink->file,
                       .redirected = hop > 0, .answer = answer,
                       .sink = sink };
        bool stays;
        if (!same_origin(s, url, &stays, &status, err))
            break;
        to_hub = to_hub && stays;
        status = run(&x, to_hub, sink->have ? range : NULL, &next, err);
        if (status == CLIPC_OK && answer->status == 200 && !x.started &&
            !restart(&x)) /* all of it, and that is empty */
            status = fail_stopped(&x, err);
        if (status != CLIPC_OK || !next)
            break;
        if (hop >= MAX_REDIRECTS) {
            status = fail_redirects(&x, err);
            break;
        }
        free(url);
        url = next;
        next = NULL;
    }
    free(next);
    free(url);
    return status;
}

#endif /* CLIPC_CURL */
