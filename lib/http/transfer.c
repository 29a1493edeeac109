/* SPDX-License-Identifier: MIT
 *
 * transfer.c - see transfer.h.
 */
#include "http/transfer.h"

#if CLIPC_CURL

#include "base/os.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* ---- SIGPIPE ------------------------------------------------------------ */

/* TLS libraries write with write(2): a peer that hung up would raise SIGPIPE
 * and end the program. */
typedef struct performance {
    CURL *easy;
    CURLcode code;
} performance;

static void perform(void *arg)
{
    performance *p = arg;
    p->code = curl_easy_perform(p->easy);
}

CURLcode clipc_transfer_run(clipc_transfer *t)
{
    performance p = { .easy = t->easy };

    clipc_os_without_sigpipe(perform, &p);
    return p.code;
}

static void cleanup(void *easy)
{
    curl_easy_cleanup(easy);
}

void clipc_transfer_cleanup(CURL *easy)
{
    clipc_os_without_sigpipe(cleanup, easy);
}

/* ---- callbacks of libcurl ---------------------------------------------- */

/* Notes a reason to stop; returns whether the transfer stops. */
static bool stops(clipc_transfer *t, int reason)
{
    if (reason != CLIPC_STOP_NONE)
        t->stop = reason;
    return reason != CLIPC_STOP_NONE;
}

/* libcurl connects to the address given to this function. A name with one
 * forbidden address is refused. */
static curl_socket_t open_socket(void *user, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    clipc_transfer *t = user;
    unsigned char bytes[16];
    size_t n = 0;

    if (t->stop != CLIPC_STOP_NONE)
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
    if (stops(t, n == 0 ? CLIPC_STOP_BLOCKED
                        : t->calls->address(t->user, bytes, n)))
        return CURL_SOCKET_BAD;
    int fd = clipc_os_socket(address->family, address->socktype,
                             address->protocol);
    if (fd < 0) {
        /* Another address may work: a host without IPv6 fails here. */
        t->os_error = errno;
        return CURL_SOCKET_BAD;
    }
    return fd;
}

/* A status line resets the location. */
static void read_location(clipc_location *location, const char *line, size_t n)
{
    const char *value;
    size_t len;

    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        free(location->text);
        *location = (clipc_location){ 0 };
    } else if (clipc_http_header_is(line, n, "location", &value, &len) &&
               len > 0) {
        if (location->text && (strlen(location->text) != len ||
                               memcmp(location->text, value, len) != 0)) {
            location->ambiguous = true;
        } else if (!location->text && !location->nomem) {
            location->text = clipc_strndup(value, len);
            location->nomem = !location->text;
        }
    }
}

static size_t receive_header(char *line, size_t size, size_t n, void *user)
{
    clipc_transfer *t = user;

    n *= size;
    t->last_ms = clipc_now_ms();
    t->header_bytes += n;
    if (t->header_bytes > CLIPC_MAX_HEADER_BYTES) {
        t->stop = CLIPC_STOP_HEADERS;
        return 0;
    }
    if (t->calls->header)
        t->calls->header(t->user, line, n);
    read_location(&t->location, line, n);
    return n;
}

static size_t receive_body(char *data, size_t size, size_t n, void *user)
{
    clipc_transfer *t = user;

    n *= size;
    t->last_ms = clipc_now_ms();
    if (n == 0)
        return 0;
    if (t->calls->keeps(t->user, clipc_transfer_status(t)))
        return stops(t, t->calls->body(t->user, data, n)) ? 0 : n;
    t->ignored_bytes += n;
    if (t->ignored_bytes <= CLIPC_MAX_IGNORED_BYTES)
        return n;
    t->stop = CLIPC_STOP_IGNORED;
    return 0;
}

static int report_progress(void *user, curl_off_t total, curl_off_t done,
                           curl_off_t up_total, curl_off_t up_done)
{
    clipc_transfer *t = user;

    (void)done, (void)up_total, (void)up_done;
    return stops(t,
                 t->calls->progress(t->user, total > 0 ? (uint64_t)total : 0));
}

/* ---- connections -------------------------------------------------------- */

/* CURLINFO_PRETRANSFER_TIME_T only serves old libcurl: libcurl 8.23 gives this
 * time also for a transfer without a connection. */
#if LIBCURL_VERSION_NUM >= 0x075000

static int note_connection(void *user, char *address, char *local_address,
                           int port, int local_port)
{
    (void)address, (void)local_address, (void)port, (void)local_port;
    *(bool *)user = true;
    return CURL_PREREQFUNC_OK;
}

static void watch_connection(clipc_transfer *t)
{
    CLIPC_TRANSFER_SET(t, CURLOPT_PREREQFUNCTION, note_connection);
    CLIPC_TRANSFER_SET(t, CURLOPT_PREREQDATA, &t->connected);
}

bool clipc_transfer_connected(const clipc_transfer *t)
{
    return t->connected;
}

#else

static void watch_connection(clipc_transfer *t)
{
    (void)t;
}

bool clipc_transfer_connected(const clipc_transfer *t)
{
    curl_off_t microseconds = 0;

    curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &microseconds);
    return microseconds > 0;
}

#endif

/* ---- a transfer -------------------------------------------------------- */

/* Sets where certificates are, NULL: not there. A libcurl whose TLS does not
 * know such a place has none by itself either. */
static void set_place(clipc_transfer *t, CURLoption option, const char *place,
                      const char *name)
{
    if (t->setup != CURLE_OK)
        return;
    CURLcode code = curl_easy_setopt(t->easy, option, place);
    if (!place && (code == CURLE_NOT_BUILT_IN || code == CURLE_UNKNOWN_OPTION))
        return;
    t->setup = code;
    t->lacks = name;
}

void clipc_transfer_prepare(clipc_transfer *t)
{
    static const char file[] = "certificates of a file (ca_file)";
    static const char folder[] = "certificates of a folder (ca_dir)";

    curl_easy_reset(t->easy);
    t->setup = CURLE_OK;
    watch_connection(t);
#define SET(option, value) CLIPC_TRANSFER_SET(t, option, value)
    SET(CURLOPT_URL, t->url);
    SET(CURLOPT_ERRORBUFFER, t->detail);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    if (t->setup == CURLE_UNSUPPORTED_PROTOCOL)
        t->lacks = "https";
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* also ignores http_proxy */
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_HTTP_CONTENT_DECODING, 0L); /* no gzip bombs */
    SET(CURLOPT_USERAGENT, CLIPC_USER_AGENT);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)t->connect_timeout_ms);
    SET(CURLOPT_LOW_SPEED_LIMIT, t->low_speed_bytes);
    SET(CURLOPT_LOW_SPEED_TIME, t->low_speed_seconds);
    if (t->ca_file || t->ca_dir) {
        set_place(t, CURLOPT_CAINFO, t->ca_file, file);
        set_place(t, CURLOPT_CAPATH, t->ca_dir, folder);
        if (t->proxied) {
            set_place(t, CURLOPT_PROXY_CAINFO, t->ca_file, file);
            set_place(t, CURLOPT_PROXY_CAPATH, t->ca_dir, folder);
        }
    }
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_HEADERFUNCTION, receive_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, receive_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, report_progress);
    SET(CURLOPT_XFERINFODATA, t);
#undef SET
}

void clipc_transfer_release(clipc_transfer *t)
{
    free(t->location.text);
    t->location = (clipc_location){ 0 };
}

long clipc_transfer_status(const clipc_transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

clipc_status clipc_transfer_redirect(char **out, const clipc_transfer *t,
                                     long status, clipc_error *err)
{
    const clipc_location *location = &t->location;
    CURLU *parts = NULL;
    char *text = NULL;

    *out = NULL;
    if (location->nomem)
        return clipc_fail_nomem(err, "URL");
    if (location->ambiguous) /* libcurl 8.23 refuses such an answer too */
        return clipc_transfer_fail_code(t, CURLE_WEIRD_SERVER_REPLY, err);
    if (!location->text)
        return clipc_fail(err, CLIPC_ERR_HTTP, -1,
                          "%s: HTTP status %ld without a usable Location "
                          "header",
                          CLIPC_QUOTE(t->url), status);
    parts = curl_url();
    CURLUcode code = parts ? curl_url_set(parts, CURLUPART_URL, t->url, 0)
                           : CURLUE_OUT_OF_MEMORY;
    if (!code)
        code = curl_url_set(parts, CURLUPART_URL, location->text,
                            CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME
#if LIBCURL_VERSION_NUM >= 0x074e00
                                | CURLU_ALLOW_SPACE
#endif
        );
    if (!code)
        code = curl_url_get(parts, CURLUPART_URL, &text, 0);
    /* A Location that cannot be resolved is passed on unchanged: the check of
     * URLs refuses the text with its own message. */
    if (code != CURLUE_OUT_OF_MEMORY) {
        const char *leads = code ? location->text : text;
        *out = clipc_strndup(leads, strlen(leads));
    }
    curl_free(text);
    curl_url_cleanup(parts);
    return *out ? CLIPC_OK : clipc_fail_nomem(err, "URL");
}

/* ---- failures ----------------------------------------------------------- */

clipc_status clipc_transfer_fail(const clipc_transfer *t, clipc_status status,
                                 clipc_error *err, const char *format, ...)
{
    char what[sizeof err->message];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return clipc_fail(err, status, -1, "%s%s: %s",
                      t->redirected ? "redirect to " : "", CLIPC_QUOTE(t->url),
                      what);
}

clipc_status clipc_transfer_fail_setup(const clipc_transfer *t,
                                       clipc_error *err)
{
    if (t->setup == CURLE_OUT_OF_MEMORY)
        return clipc_fail_nomem(err, "HTTP transfer");
    return clipc_transfer_fail(t, CLIPC_ERR_UNSUPPORTED, err,
                               "libcurl %s of this system lacks %s",
                               curl_version_info(CURLVERSION_NOW)->version,
                               t->lacks);
}

clipc_status clipc_transfer_fail_code(const clipc_transfer *t, CURLcode code,
                                      clipc_error *err)
{
    clipc_status status = CLIPC_ERR_NETWORK;
    const char *what;
    long proxy_status = 0;

    curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    if (proxy_status == 407)
        return clipc_transfer_fail(t, CLIPC_ERR_HTTP, err,
                                   CLIPC_PROXY_WANTS_LOGIN);
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return clipc_fail_nomem(err, "HTTP transfer, or its header line is "
                                     "too long for libcurl");
    case CURLE_COULDNT_RESOLVE_PROXY:
        what = "no address found for the proxy";
        break;
    case CURLE_COULDNT_RESOLVE_HOST:
        what = "no address found for this host";
        break;
    case CURLE_COULDNT_CONNECT:
        if (t->os_error == EMFILE || t->os_error == ENFILE) {
            status = CLIPC_ERR_IO;
            what = "too many open files";
        } else {
            what = t->proxied ? "the proxy does not accept the connection"
                              : "the host does not accept the connection";
        }
        break;
    case CURLE_PARTIAL_FILE:
        what = "the connection ended before the whole body had come";
        break;
    case CURLE_GOT_NOTHING:
        what = "the server closed the connection without an answer";
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY: what = "the answer is not HTTP"; break;
    case CURLE_BAD_CONTENT_ENCODING:
        status = CLIPC_ERR_FORMAT;
        what = "the body cannot be decompressed";
        break;
    case CURLE_URL_MALFORMAT:
        status = CLIPC_ERR_URL;
        what = "malformed URL";
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
        what = t->detail[0] ? t->detail : curl_easy_strerror(code);
        return clipc_transfer_fail(t, status, err,
                                   "%s (ca_file names certificates to trust)",
                                   CLIPC_QUOTE(what));
    case CURLE_SSL_CACERT_BADFILE:
        return clipc_fail(err, CLIPC_ERR_IO, -1,
                          "cannot read the certificates in %s",
                          t->ca_file ? CLIPC_QUOTE(t->ca_file)
                                     : "the system's store");
    default:
        /* Escape libcurl's message: the message may quote the server. */
        what = t->detail[0] ? t->detail : curl_easy_strerror(code);
        return clipc_transfer_fail(t, status, err, "%s", CLIPC_QUOTE(what));
    }
    return clipc_transfer_fail(t, status, err, "%s", what);
}

#endif /* CLIPC_CURL */
