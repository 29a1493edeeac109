/* SPDX-License-Identifier: MIT
 *
 * hub_http_none.c - hub_http.h without libcurl (CURL=0): no session can be
 * created. With libcurl this file is empty.
 */
#include "hub/hub_http.h"

#if !CLIPC_CURL

struct clipc_hub_session {
    char unused;
};

clipc_status clipc_hub_session_create(clipc_hub_session **session,
                                      const clipc_hub_params *params,
                                      clipc_error *err)
{
    (void)params;
    *session = NULL;
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "cannot download: this clipc was built without libcurl");
}

void clipc_hub_session_free(clipc_hub_session *session)
{
    (void)session;
}

const char *clipc_hub_session_endpoint(const clipc_hub_session *session)
{
    (void)session;
    return "";
}

bool clipc_hub_session_sends_token(const clipc_hub_session *session)
{
    (void)session;
    return false;
}

bool clipc_hub_session_connected(const clipc_hub_session *session)
{
    (void)session;
    return false;
}

static clipc_status fail_no_session(clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_INTERNAL, -1, "no hub session");
}

clipc_status clipc_hub_head(clipc_hub_session *session, const char *path,
                            const char *file, clipc_hub_answer *answer,
                            clipc_error *err)
{
    (void)session, (void)path, (void)file;
    *answer = (clipc_hub_answer){ 0 };
    return fail_no_session(err);
}

clipc_status clipc_hub_get(clipc_hub_session *session, const char *url,
                           bool elsewhere, clipc_hub_sink *sink,
                           clipc_hub_answer *answer, clipc_error *err)
{
    (void)session, (void)url, (void)elsewhere, (void)sink;
    *answer = (clipc_hub_answer){ 0 };
    return fail_no_session(err);
}

#endif /* !CLIPC_CURL */
