/* SPDX-License-Identifier: MIT
 *
 * fetch.h - one bounded HTTP GET through libcurl. With CURL=0 it returns
 * CLIPC_ERR_UNSUPPORTED.
 */
#ifndef CLIPC_FETCH_H
#define CLIPC_FETCH_H

#include "base/file.h"

typedef struct clipc_fetch_params {
    size_t max_bytes;            /* of the body */
    unsigned timeout_ms;         /* over all hops; 0: none */
    unsigned connect_timeout_ms; /* of each hop; 0: libcurl's own */
    unsigned max_redirects;
    clipc_private_hosts private_hosts;
    const char *ca_file, *ca_dir; /* or NULL */
    const char *user_agent;       /* NULL: libclipc's own */
    const char *proxy;            /* URL; NULL: none */
    clipc_progress_fn progress;   /* bytes so far, bytes announced or 0 */
    void *progress_user;
} clipc_fetch_params;

/* Gets the body of `url` (http or https), decompressed. Redirects are followed
 * by hand, each over a fresh connection. A cookie is sent back within the chain
 * of redirects, to the host that set the cookie. body->data is followed by one
 * NUL byte that is not counted. Through a proxy only the texts of hosts are
 * checked: the proxy looks names up. Release *body with
 * clipc_bytes_release(). */
clipc_status clipc_fetch(clipc_bytes *body, const char *url,
                         const clipc_fetch_params *params, clipc_error *err);

/* Version string of libcurl, or NULL when not built in. */
const char *clipc_fetch_version(void);

#endif /* CLIPC_FETCH_H */
