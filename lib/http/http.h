/* SPDX-License-Identifier: MIT
 *
 * http.h - what fetch.c and hub_http.c share of talking HTTP through libcurl.
 * Only the header line with CURL=0.
 */
#ifndef CLIPC_HTTP_H
#define CLIPC_HTTP_H

#include "base/base.h"

/* Whether a header line has this name (given in lower case); its value,
 * trimmed, lies within the line. */
bool clipc_http_header_is(const char *line, size_t n, const char *name,
                          const char **value, size_t *n_value);

#if CLIPC_CURL

#include <curl/curl.h>
#include <signal.h>

enum {
    CLIPC_MAX_URL_BYTES = 8192,
    CLIPC_MAX_HEADER_BYTES = 64 * 1024, /* of one answer, all lines together */
    CLIPC_MAX_IGNORED_BYTES = 64 * 1024 /* body of a redirect or an error */
};

#define CLIPC_USER_AGENT "libclipc/" CLIPC_USER_AGENT_VERSION
#define CLIPC_USER_AGENT_VERSION     \
    CLIPC_STRING(CLIPC_VERSION_MAJOR)  \
    "." CLIPC_STRING(CLIPC_VERSION_MINOR) "." CLIPC_STRING(CLIPC_VERSION_PATCH)
#define CLIPC_STRING(x) CLIPC_STRING_(x)
#define CLIPC_STRING_(x) #x

/* Before anything else of libcurl; false: no memory. Any thread, any time. */
bool clipc_http_ready(void);

/* Parses a URL by libcurl's rules, checks it (http or https, no user name, a
 * host in ASCII, at most CLIPC_MAX_URL_BYTES), and gives it in the form that
 * is sent: percent-encoded ASCII, no fragment. curl_free(*out). */
clipc_status clipc_http_check_url(char **out, const char *url, bool redirected,
                                  clipc_error *err);

bool clipc_http_is_redirect(long status);

/* The Location of an answer, zero at first. libcurl's own reading of the
 * header (CURLINFO_REDIRECT_URL) depends on its version: in 8.23 a user name
 * is taken out of the URL, so that a URL which must be refused looks good. */
typedef struct clipc_http_location {
    char *text; /* as it came; NULL: none yet, or empty */
    bool ambiguous; /* two that differ */
    bool nomem;
} clipc_http_location;

/* One header line. A status line forgets all before it. */
void clipc_http_location_read(clipc_http_location *location, const char *line,
                              size_t n);
void clipc_http_location_release(clipc_http_location *location);

/* Where the Location leads from the URL it came from, which
 * clipc_http_check_url() gave: what must be checked by that before anything
 * else. free(*out). Two that differ are no HTTP, as libcurl 8.23 has it. */
clipc_status clipc_http_redirect(char **out,
                                 const clipc_http_location *location,
                                 const char *from, bool redirected,
                                 long status, clipc_error *err);

/* *connected is true from when the request can be sent on: after TCP, the
 * proxy and TLS. Both must be asked with the same flag, false before the
 * transfer. */
CURLcode clipc_http_watch_connection(CURL *easy, bool *connected);
bool clipc_http_is_connected(CURL *easy, const bool *connected);

/* A transfer that libcurl gave up, in words. detail: its error buffer;
 * os_error: of a socket that could not be made, or 0. Not for time limits and
 * what a callback stopped: only the caller knows those. */
clipc_status clipc_http_fail(CURLcode code, const char *detail,
                             const char *url, bool redirected, int os_error,
                             const char *ca_file, clipc_error *err);

/* TLS libraries write with write(2): a peer that hung up would raise SIGPIPE
 * and end the program. It is blocked in this thread for the transfer and one
 * that arrived is taken back; a signal that was pending before stays. */
typedef struct clipc_sigpipe_guard {
    sigset_t before, only_pipe;
    bool was_pending;
} clipc_sigpipe_guard;
void clipc_sigpipe_block(clipc_sigpipe_guard *guard);
void clipc_sigpipe_restore(clipc_sigpipe_guard *guard);

/* A clock that only runs forward. */
uint64_t clipc_now_ms(void);

#endif /* CLIPC_CURL */

#endif /* CLIPC_HTTP_H */
