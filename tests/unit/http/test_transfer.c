/* SPDX-License-Identifier: MIT
 *
 * test_transfer.c - the options of lib/http/transfer.c with a libcurl that
 * lacks some of them: the library calls this program's own curl_easy_setopt().
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include "http/fetch.h"
#include "http/http.h"
#include "support/test.h"

#if !CLIPC_CURL

TEST(what_a_libcurl_lacks_is_named)
{
    SKIP("built without libcurl");
}

#else

#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>

static CURLoption lacking[4]; /* 0: none */
static CURLcode code;

#undef curl_easy_setopt
__attribute__((visibility("default"))) CURLcode
curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    static CURLcode (*original)(CURL *, CURLoption, ...);
    va_list args;

    if (!original) {
        void *symbol = dlsym(RTLD_NEXT, "curl_easy_setopt");
        memcpy(&original, &symbol, sizeof original);
    }
    for (size_t i = 0; i < sizeof lacking / sizeof *lacking; i++)
        if (option == lacking[i])
            return code;
    va_start(args, option);
    void *value = va_arg(args, void *); /* or a long, as wide */
    va_end(args);
    return original(easy, option, value);
}

/* Nobody listens there: with all its options a request ends so. */
static void check_fetch(clipc_fetch_params params, clipc_status status,
                        const char *piece)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;

    params.max_bytes = 1000;
    params.private_hosts = CLIPC_PRIVATE_ALLOW;
    clipc_status got = clipc_fetch(&body, "http://127.0.0.1:1/", &params,
                                   &err);
    if (got != status)
        FAIL("%s, not %s: %s", clipc_status_name(got),
             clipc_status_name(status), err.message);
    CHECK_HAS(err.message, piece);
}

static void check_download(clipc_hub_params params, clipc_status status,
                           const char *piece)
{
    clipc_error err = CLIPC_ERROR_INIT;
    char *folder;

    params.cache_dir = test_path("cache");
    params.allow_network = 1;
    params.endpoint = "http://127.0.0.1:1";
    CHECK_STATUS(clipc_hub_download(&folder, "o/n", &params, &err), status);
    CHECK_HAS(err.message, piece);
}

TEST(a_libcurl_without_folders_of_certificates_takes_a_file)
{
    clipc_fetch_params fetch = { .ca_file = "/dev/null" };
    clipc_hub_params hub = clipc_hub_params_default();

    code = CURLE_NOT_BUILT_IN;
    lacking[0] = CURLOPT_CAPATH;
    lacking[1] = CURLOPT_PROXY_CAPATH;
    check_fetch(fetch, CLIPC_ERR_NETWORK, "does not accept");
    fetch.proxy = "http://127.0.0.1:1";
    check_fetch(fetch, CLIPC_ERR_NETWORK, "does not accept");
    hub.ca_file = "/dev/null";
    check_download(hub, CLIPC_ERR_NETWORK, "does not accept");
    code = CURLE_UNKNOWN_OPTION;
    check_fetch(fetch, CLIPC_ERR_NETWORK, "does not accept");
    /* A folder that is given is not left out. */
    fetch.ca_dir = hub.ca_dir = "/";
    check_fetch(fetch, CLIPC_ERR_UNSUPPORTED, "a folder (ca_dir)");
    check_download(hub, CLIPC_ERR_UNSUPPORTED, "a folder (ca_dir)");
    /* Of a proxy only where there is one. */
    lacking[0] = CURLOPT_PROXY_CAINFO;
    check_fetch(fetch, CLIPC_ERR_UNSUPPORTED, "a file (ca_file)");
    fetch.proxy = NULL;
    check_fetch(fetch, CLIPC_ERR_NETWORK, "does not accept");
}

TEST(what_a_libcurl_lacks_is_named)
{
    const clipc_fetch_params fetch = { .ca_file = NULL };
    const clipc_hub_params hub = clipc_hub_params_default();

#if LIBCURL_VERSION_NUM >= 0x075500
    lacking[0] = CURLOPT_PROTOCOLS_STR;
#else
    lacking[0] = CURLOPT_PROTOCOLS;
#endif
    code = CURLE_UNSUPPORTED_PROTOCOL;
    check_fetch(fetch, CLIPC_ERR_UNSUPPORTED, "lacks https");
    check_download(hub, CLIPC_ERR_UNSUPPORTED, "lacks https");
    lacking[0] = CURLOPT_NETRC;
    code = CURLE_UNKNOWN_OPTION;
    check_fetch(fetch, CLIPC_ERR_UNSUPPORTED, "lacks CURLOPT_NETRC");
    lacking[0] = CURLOPT_NOPROXY;
    check_download(hub, CLIPC_ERR_UNSUPPORTED, "lacks CURLOPT_NOPROXY");
    code = CURLE_OUT_OF_MEMORY;
    check_download(hub, CLIPC_ERR_NOMEM, "out of memory");
    lacking[0] = CURLOPT_URL;
    check_fetch(fetch, CLIPC_ERR_NOMEM, "out of memory");
}

#endif
