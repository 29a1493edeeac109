/* SPDX-License-Identifier: MIT
 *
 * http.h - URLs, header lines and the limits of HTTP through libcurl; a
 * request is made by transfer.h. Only the header line with CURL=0.
 */
#ifndef CLIPC_HTTP_H
#define CLIPC_HTTP_H

#include "base/base.h"

#define CLIPC_PROXY_WANTS_LOGIN \
    "the proxy wants a login (HTTP status 407), given in its URL: " \
    "http://NAME:PASSWORD@HOST:PORT"

/* Whether a header line has this name (given in lower case). *value, trimmed,
 * lies within the line. */
bool clipc_http_header_is(const char *line, size_t n, const char *name,
                          const char **value, size_t *n_value);

#if CLIPC_CURL

#include <curl/curl.h>

enum {
    CLIPC_MAX_URL_BYTES = 8192,
    CLIPC_MAX_USER_AGENT = 256,         /* bytes */
    CLIPC_MAX_HEADER_BYTES = 64 * 1024, /* of one answer, all lines together */
    CLIPC_MAX_IGNORED_BYTES = 64 * 1024 /* body of a redirect or an error */
};

#define CLIPC_USER_AGENT "libclipc/" CLIPC_USER_AGENT_VERSION
#define CLIPC_USER_AGENT_VERSION \
    CLIPC_STRING(CLIPC_VERSION_MAJOR) \
    "." CLIPC_STRING(CLIPC_VERSION_MINOR) "." CLIPC_STRING(CLIPC_VERSION_PATCH)
#define CLIPC_STRING(x) CLIPC_STRING_(x)
#define CLIPC_STRING_(x) #x

/* Before anything else of libcurl; false: no memory. Any thread, any time. */
bool clipc_http_ready(void);

/* Parses a URL by libcurl's rules and checks the parts: http or https, no user
 * name, a host in ASCII, at most CLIPC_MAX_URL_BYTES. *out is the URL as it is
 * sent: percent-encoded ASCII, no fragment. curl_free(*out). */
clipc_status clipc_http_check_url(char **out, const char *url, bool redirected,
                                  clipc_error *err);

/* Whether `url` is a proxy's: http, https or socks5h (which looks names up by
 * itself), with a host; a name and password may be in it.
 * CLIPC_ERR_ARGUMENT. */
clipc_status clipc_http_check_proxy(const char *url, clipc_error *err);

/* A URL's scheme, host and port in one text: equal texts, equal origins. */
typedef struct clipc_origin {
    char text[320]; /* "https://host:443" */
    char
        host[320]; /* in lower case, without brackets, zone, dots at its end */
    bool https;
    bool loopback; /* the host's text names this machine */
    bool private;  /* it names this machine, or is an address of no public
                    * host */
} clipc_origin;

/* url: from clipc_http_check_url(). */
clipc_status clipc_origin_find(clipc_origin *out, const char *url,
                               clipc_error *err);

/* Whether no_proxy names the origin's host, by libcurl's rules: "*", or between
 * commas and blanks hosts, which stand for all below them too, addresses, and
 * networks as 10.0.0.0/8. NULL names none. */
bool clipc_http_in_no_proxy(const char *no_proxy, const clipc_origin *origin);

bool clipc_http_is_redirect(long status);

/* A clock that only runs forward. */
uint64_t clipc_now_ms(void);

#endif /* CLIPC_CURL */

#endif /* CLIPC_HTTP_H */
