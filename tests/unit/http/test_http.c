/* SPDX-License-Identifier: MIT
 *
 * test_http.c - hosts and no_proxy, of lib/http/http.c.
 */
#include "http/http.h"
#include "support/test.h"

#if !CLIPC_CURL

TEST(no_proxy_names_hosts)
{
    SKIP("built without libcurl");
}

#else

static clipc_origin origin_of(const char *url)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_origin origin;
    char *checked;

    CHECK_OK(clipc_http_check_url(&checked, url, false, &err), err);
    CHECK_OK(clipc_origin_find(&origin, checked, &err), err);
    curl_free(checked);
    return origin;
}

TEST(a_host_has_one_spelling)
{
    static const struct {
        const char *url, *host;
        bool private;
    } cases[] = {
        { "http://Example.ORG./x", "example.org", false },
        { "http://127.1:8080", "127.0.0.1", true },
        { "https://8.8.8.8", "8.8.8.8", false },
        { "http://[::1]:80", "::1", true },
        { "http://[fe80::1%25eth0]/", "fe80::1", true },
        { "http://[2606:4700::1111]/", "2606:4700::1111", false },
        { "http://a.LocalHost", "a.localhost", true },
        { "http://notlocalhost", "notlocalhost", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const clipc_origin origin = origin_of(cases[i].url);
        CHECK_STR(origin.host, cases[i].host);
        CHECK_INT(origin.private, cases[i].private);
    }
}

TEST(no_proxy_names_hosts)
{
    static const struct {
        const char *no_proxy, *url;
        bool named;
    } cases[] = {
        { NULL, "http://a.test", false },
        { "", "http://a.test", false },
        { " , ", "http://a.test", false },
        { "*", "http://a.test", true },
        { "a.test", "http://a.test:81", true },
        { "A.Test", "http://a.tesT", true },
        { "a.test.", "http://a.test", true },
        { "a.test", "http://a.test.", true },
        { "x, .a.test", "http://a.test", true },
        { "x .a.test", "http://b.a.test", true },
        { "a.test", "http://ba.test", false },
        { "b.a.test", "http://a.test", false },
        { ".", "http://a.test", false },
        { "10.0.0.1", "http://10.0.0.1", true },
        { "10.0.0.1", "http://10.0.0.11", false },
        { "0.0.1", "http://10.0.0.1", false },
        { "10.0.0.0/8", "http://10.255.0.1", true },
        { "10.0.0.0/8", "http://11.0.0.1", false },
        { "192.168.128.0/17", "http://192.168.127.1", false },
        { "192.168.128.0/17", "http://192.168.129.1", true },
        { "10.0.0.0/33", "http://10.0.0.0", false },
        { "10.0.0.0/-1", "http://10.0.0.0", false },
        { "10.0.0.0/8", "http://a.test", false },
        { "::1", "http://[::1]:8080", true },
        { "fd00::/8", "http://[fd12::1]", true },
        { "fd00::/8", "http://[fe12::1]", false },
        { "fd00::/129", "http://[fd00::]", false },
        { "10.0.0.0/8", "http://[::1]", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const clipc_origin origin = origin_of(cases[i].url);
        if (clipc_http_in_no_proxy(cases[i].no_proxy, &origin) !=
            cases[i].named)
            FAIL("no_proxy=%s, %s", cases[i].no_proxy, cases[i].url);
    }
    /* An entry longer than any address. */
    char text[200];
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    const clipc_origin origin = origin_of("http://10.0.0.1");
    CHECK(!clipc_http_in_no_proxy(text, &origin));
}

#endif
