/* SPDX-License-Identifier: MIT
 *
 * transfer.h - one bounded HTTP request to a hostile server: the options,
 * limits and messages that fetch.c and hub_http.c share. Nothing with CURL=0.
 *
 * The request goes out without a proxy, login, cookie or .netrc; redirects
 * are not followed; bodies are taken as they come. The caller may set cookies,
 * a proxy and decompression.
 */
#ifndef CLIPC_TRANSFER_H
#define CLIPC_TRANSFER_H

#include "http/http.h"

#if CLIPC_CURL

/* Why a transfer was stopped. A caller's own reasons begin at the last. */
enum {
    CLIPC_STOP_NONE,
    CLIPC_STOP_HEADERS,   /* more than CLIPC_MAX_HEADER_BYTES */
    CLIPC_STOP_IGNORED,   /* more than CLIPC_MAX_IGNORED_BYTES of a body that
                           * is not kept */
    CLIPC_STOP_BLOCKED,   /* the address must not be reached */
    CLIPC_STOP_CANCELLED, /* by the progress callback */
    CLIPC_STOP_OWN
};

/* The decisions of the caller. An int result is a reason to stop. */
typedef struct clipc_transfer_calls {
    /* The IPv4 (4 bytes) or IPv6 (16 bytes) address that is about to be
     * connected: nothing can change between the check and the connection. */
    int (*address)(void *user, const unsigned char *address, size_t n);
    void (*header)(void *user, const char *line, size_t n); /* or NULL */
    /* Whether the body of an answer with this status is kept. */
    bool (*keeps)(void *user, long status);
    int (*body)(void *user, const char *data, size_t n); /* n is not 0 */
    /* Called again and again; total: bytes announced, or 0. */
    int (*progress)(void *user, uint64_t total);
} clipc_transfer_calls;

/* The Location of an answer. libcurl's own reading of the header
 * (CURLINFO_REDIRECT_URL) depends on the version: 8.23 takes a user name out
 * of the URL, so that a URL which must be refused looks good. */
typedef struct clipc_location {
    char *text;     /* unchanged; NULL: none yet, or empty */
    bool ambiguous; /* two that differ */
    bool nomem;
} clipc_location;

enum {
    CLIPC_LOW_SPEED_BYTES = 1000 /* a second: a slower server is left */
};

typedef struct clipc_transfer {
    /* By the caller. */
    CURL *easy;
    const char *url;              /* as clipc_http_check_url() gave it */
    bool redirected;              /* for messages */
    const char *ca_file, *ca_dir; /* or NULL */
    unsigned connect_timeout_ms;
    bool proxied; /* the caller sets a proxy: for its certificates, messages */
    /* The least bytes a second, on average over so many seconds; 0: none. */
    long low_speed_bytes, low_speed_seconds;
    const clipc_transfer_calls *calls;
    void *user; /* of the calls */

    /* Zero at first. */
    CURLcode setup;    /* of the first option that could not be set */
    const char *lacks; /* what a libcurl lacks that does not know the option */
    int stop;
    int os_error;     /* of a socket that could not be made, or 0 */
    uint64_t last_ms; /* when bytes came last; 0: none came */
    size_t header_bytes, ignored_bytes;
    clipc_location location;
    bool connected; /* ask clipc_transfer_connected() */
    char detail[CURL_ERROR_SIZE];
} clipc_transfer;

/* Sets the options of every transfer; the caller then sets its own by the macro
 * below and looks at t->setup. A handle that is used again keeps its
 * connections and loses its options. */
void clipc_transfer_prepare(clipc_transfer *t);

/* Sets an option, unless one before it could not be set. */
#define CLIPC_TRANSFER_SET(t, option, value) \
    do { \
        if ((t)->setup == CURLE_OK) { \
            (t)->setup = curl_easy_setopt((t)->easy, (option), (value)); \
            (t)->lacks = #option; \
        } \
    } while (0)

/* Says why t->setup is not CURLE_OK: no memory, or what this libcurl lacks. */
clipc_status clipc_transfer_fail_setup(const clipc_transfer *t,
                                       clipc_error *err);

/* Runs the request. After a failure ask t->stop first. */
CURLcode clipc_transfer_run(clipc_transfer *t);

void clipc_transfer_release(clipc_transfer *t); /* t->easy is the caller's */

/* Of the answer; 0: none came. */
long clipc_transfer_status(const clipc_transfer *t);

/* Whether the request could be sent on: after TCP, the proxy and TLS. */
bool clipc_transfer_connected(const clipc_transfer *t);

/* Where the Location of the answer leads, malloc'ed: clipc_http_check_url()
 * must come before anything else. */
clipc_status clipc_transfer_redirect(char **out, const clipc_transfer *t,
                                     long status, clipc_error *err);

/* "URL: what", with "redirect to " before a redirect's. */
clipc_status clipc_transfer_fail(const clipc_transfer *t, clipc_status status,
                                 clipc_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Says why libcurl gave a transfer up. Not for time limits and reasons to
 * stop: only the caller knows the words for these. */
clipc_status clipc_transfer_fail_code(const clipc_transfer *t, CURLcode code,
                                      clipc_error *err);

/* curl_easy_cleanup() without SIGPIPE: TLS says goodbye. */
void clipc_transfer_cleanup(CURL *easy);

#endif /* CLIPC_CURL */

#endif /* CLIPC_TRANSFER_H */
