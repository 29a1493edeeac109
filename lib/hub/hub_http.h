/* SPDX-License-Identifier: MIT
 *
 * hub_http.h - requests to a Hugging Face hub and to the storage hosts it
 * sends its clients to. With CURL=0 creating a session is
 * CLIPC_ERR_UNSUPPORTED.
 */
#ifndef CLIPC_HUB_HTTP_H
#define CLIPC_HUB_HTTP_H

#include "hub/hub_headers.h"

enum {
    CLIPC_HUB_COMMIT_DIGITS = 40,
    CLIPC_HUB_MAX_ETAG = 64 /* hex digits: of a SHA-256 */
};

/* Most bytes of a file that has no weights; of weights the caller says. */
#define CLIPC_HUB_SMALL_BYTES ((uint64_t)128 << 20)

/* How a message calls the limit of a file. */
static inline const char *clipc_hub_limit_name(uint64_t max_bytes)
{
    return max_bytes == CLIPC_HUB_SMALL_BYTES
               ? "the limit of a file without weights"
               : "max_file_bytes";
}

/* The connections of one download. Belongs to one thread. */
typedef struct clipc_hub_session clipc_hub_session;

/* params->endpoint, token, ca_file, proxy and time limits are used; params
 * must outlive the session. */
clipc_status clipc_hub_session_create(clipc_hub_session **session,
                                      const clipc_hub_params *params,
                                      clipc_error *err);
void clipc_hub_session_free(clipc_hub_session *session);

/* The hub's address, checked, without a '/' at the end. */
const char *clipc_hub_session_endpoint(const clipc_hub_session *session);

/* Whether the token is sent: not over http, except to this machine. */
bool clipc_hub_session_sends_token(const clipc_hub_session *session);

/* Whether any server was ever reached: else a retry is of no use. */
bool clipc_hub_session_connected(const clipc_hub_session *session);

/* HEAD {endpoint}/{path}: the description of a file. A redirect that leaves
 * the hub and describes the file is itself the answer (status 302). Any status
 * is CLIPC_OK; failures are those of the connection. */
clipc_status clipc_hub_head(clipc_hub_session *session, const char *path,
                            const char *file, clipc_hub_answer *answer,
                            clipc_error *err);

/* Where the bytes of a file go. */
typedef struct clipc_hub_sink {
    int fd;
    const char *name; /* of fd, for messages */
    const char *file; /* of the repository, for the progress callback */
    uint64_t have;    /* bytes that fd holds; the request is for the bytes
                       * after them */
    bool has_size;
    uint64_t size;
    uint64_t max_bytes; /* most that fd may hold, where size is not known */
    bool changed;       /* something was written; never unset */
    bool suspect;       /* the bytes written may be wrong: more came than was
                         * announced, or another part */
} clipc_hub_sink;

/* GET of the bytes from sink->have on; url and elsewhere: of the answer to
 * clipc_hub_head(). Who was led away from the hub gets no token, back at the
 * hub neither. A server that sends all bytes is compared with what fd has; the
 * file is written from the first difference on. CLIPC_OK with a status other
 * than 200 and 206: an error page of any length, nothing was written. The sink
 * is right after a failure too. */
clipc_status clipc_hub_get(clipc_hub_session *session, const char *url,
                           bool elsewhere, clipc_hub_sink *sink,
                           clipc_hub_answer *answer, clipc_error *err);

#endif /* CLIPC_HUB_HTTP_H */
