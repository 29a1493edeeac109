/* SPDX-License-Identifier: MIT
 *
 * test_fetch.c - the bounded HTTP GET of lib/http/fetch.c against the
 * misbehaving server of tests/support/httpd.c. The tests only connect to
 * 127.0.0.1: other addresses must be refused before a connection.
 */
#include "http/address.h"
#include "http/fetch.h"
#include "support/loopback.h"
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- addresses --------------------------------------------------------- */

/* Groups of an IPv6 address, no "::". */
static void ipv6(unsigned char *address, const unsigned *groups)
{
    for (size_t i = 0; i < 8; i++) {
        address[2 * i] = (unsigned char)(groups[i] >> 8);
        address[2 * i + 1] = (unsigned char)groups[i];
    }
}

TEST(ipv4_ranges_end_where_the_registry_says)
{
    static const struct {
        unsigned char address[4];
        bool public;
    } cases[] = {
        { { 0, 0, 0, 0 }, false },         { { 0, 255, 255, 255 }, false },
        { { 1, 0, 0, 0 }, true },          { { 1, 1, 1, 1 }, true },
        { { 8, 8, 8, 8 }, true },          { { 9, 255, 255, 255 }, true },
        { { 10, 0, 0, 0 }, false },        { { 10, 255, 255, 255 }, false },
        { { 11, 0, 0, 0 }, true },         { { 100, 63, 255, 255 }, true },
        { { 100, 64, 0, 0 }, false },      { { 100, 127, 255, 255 }, false },
        { { 100, 128, 0, 0 }, true },      { { 126, 255, 255, 255 }, true },
        { { 127, 0, 0, 1 }, false },       { { 127, 255, 255, 255 }, false },
        { { 128, 0, 0, 0 }, true },        { { 169, 253, 255, 255 }, true },
        { { 169, 254, 169, 254 }, false }, { { 169, 255, 0, 0 }, true },
        { { 172, 15, 255, 255 }, true },   { { 172, 16, 0, 0 }, false },
        { { 172, 31, 255, 255 }, false },  { { 172, 32, 0, 0 }, true },
        { { 192, 0, 0, 1 }, false },       { { 192, 0, 1, 0 }, true },
        { { 192, 0, 2, 1 }, false },       { { 192, 0, 3, 0 }, true },
        { { 192, 88, 99, 1 }, false },     { { 192, 167, 255, 255 }, true },
        { { 192, 168, 0, 0 }, false },     { { 192, 168, 255, 255 }, false },
        { { 192, 169, 0, 0 }, true },      { { 198, 17, 255, 255 }, true },
        { { 198, 18, 0, 0 }, false },      { { 198, 19, 255, 255 }, false },
        { { 198, 20, 0, 0 }, true },       { { 198, 51, 100, 7 }, false },
        { { 203, 0, 113, 7 }, false },     { { 203, 0, 114, 0 }, true },
        { { 223, 255, 255, 255 }, true },  { { 224, 0, 0, 1 }, false },
        { { 239, 255, 255, 255 }, false }, { { 240, 0, 0, 0 }, false },
        { { 255, 255, 255, 255 }, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (clipc_address_is_public(cases[i].address, 4) != cases[i].public)
            FAIL("%u.%u.%u.%u is taken for %s", cases[i].address[0],
                 cases[i].address[1], cases[i].address[2], cases[i].address[3],
                 cases[i].public ? "private" : "public");
}

TEST(ipv6_is_public_only_where_it_is_global_unicast)
{
    static const struct {
        unsigned groups[8];
        bool public;
    } cases[] = {
        { { 0 }, false },                                /* :: */
        { { 0, 0, 0, 0, 0, 0, 0, 1 }, false },           /* ::1 */
        { { 0, 0, 0, 0, 0, 0, 0x0808, 0x0808 }, false }, /* ::8.8.8.8 */
        { { 0, 0, 0, 0, 0, 0xffff, 0x7f00, 1 }, false }, /* mapped */
        { { 0, 0, 0, 0, 0, 0xffff, 0x0a00, 1 }, false },
        { { 0, 0, 0, 0, 0, 0xffff, 0xa9fe, 0xa9fe }, false },
        { { 0, 0, 0, 0, 0, 0xffff, 0x0808, 0x0808 }, true },
        { { 0, 0, 0, 0, 0xffff, 0, 0x0808, 0x0808 }, false },
        { { 0x64, 0xff9b, 0, 0, 0, 0, 0x7f00, 1 }, false }, /* NAT64 */
        { { 0x64, 0xff9b, 0, 0, 0, 0, 0xc0a8, 1 }, false },
        { { 0x64, 0xff9b, 0, 0, 0, 0, 0x0808, 0x0808 }, true },
        { { 0x64, 0xff9b, 1, 0, 0, 0, 0x0808, 0x0808 }, false },
        { { 0x100, 0, 0, 0, 0, 0, 0, 1 }, false }, /* discard */
        { { 0x1fff, 0, 0, 0, 0, 0, 0, 1 }, false },
        { { 0x2001, 0, 0x0808, 0x0808, 0, 0, 0, 0 }, false }, /* Teredo */
        { { 0x2001, 0, 0x7f00, 1, 0, 0, 0, 0 }, false },
        { { 0x2001, 0x10, 0, 0, 0, 0, 0, 1 }, false },
        { { 0x2001, 0x1ff, 0, 0, 0, 0, 0, 1 }, false },
        { { 0x2001, 0x200, 0, 0, 0, 0, 0, 1 }, true },
        { { 0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888 }, true },
        { { 0x2001, 0xdb8, 0, 0, 0, 0, 0, 1 }, false },
        { { 0x2002, 0x7f00, 1, 0, 0, 0, 0, 1 }, false }, /* 6to4 */
        { { 0x2002, 0xc0a8, 1, 0, 0, 0, 0, 1 }, false },
        { { 0x2002, 0x0808, 0x0808, 0, 0, 0, 0, 1 }, true },
        { { 0x2606, 0x4700, 0, 0, 0, 0, 0, 0x1111 }, true },
        { { 0x3ffe, 0, 0, 0, 0, 0, 0, 1 }, true },
        { { 0x3fff, 0x0fff, 0, 0, 0, 0, 0, 1 }, false },
        { { 0x4000, 0, 0, 0, 0, 0, 0, 1 }, false },
        { { 0xfc00, 0, 0, 0, 0, 0, 0, 1 }, false },
        { { 0xfd12, 0, 0, 0, 0, 0, 0, 1 }, false },
        { { 0xfe80, 0, 0, 0, 0, 0, 0, 1 }, false },
        { { 0xfec0, 0, 0, 0, 0, 0, 0, 1 }, false },
        { { 0xff02, 0, 0, 0, 0, 0, 0, 1 }, false },
    };
    unsigned char address[16];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ipv6(address, cases[i].groups);
        if (clipc_address_is_public(address, 16) != cases[i].public)
            FAIL("case %zu (%x:%x:...) is taken for %s", i, cases[i].groups[0],
                 cases[i].groups[1], cases[i].public ? "private" : "public");
    }
    CHECK(!clipc_address_is_public(address, 5));
}

#if !CLIPC_CURL

TEST(without_libcurl_a_url_is_unsupported)
{
    clipc_fetch_params params = { .max_bytes = 1000 };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;

    CHECK_STATUS(clipc_fetch(&body, "http://127.0.0.1/x", &params, &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "built without libcurl");
    CHECK(body.data == NULL && body.n == 0);
    CHECK(clipc_fetch_version() == NULL);
}

#else

/* ---- the server -------------------------------------------------------- */

static char base[64]; /* "http://127.0.0.1:PORT" */

/* Starts one httpd. The server ends with this process, which holds the
 * server's stdin open. */
static void start_server(void)
{
    char path[4096];
    int to_server[2], from_server[2];
    char port[16] = "";
    size_t n = 0;

    if (!has_loopback())
        SKIP("no loopback network here");
    if (base[0])
        return;
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 32);
    if (len < 0)
        SKIP("no /proc/self/exe to find tests/httpd by");
    path[len] = '\0';
    strcpy(strrchr(path, '/') + 1, "../../support/httpd");
    if (access(path, X_OK) != 0)
        FAIL("%s: not built", path);
    if (pipe(to_server) != 0 || pipe(from_server) != 0)
        FAIL("pipe");
    pid_t pid = fork();
    if (pid < 0)
        FAIL("fork");
    if (pid == 0) {
        dup2(to_server[0], 0);
        dup2(from_server[1], 1);
        close(to_server[1]);
        close(from_server[0]);
        execl(path, path, "--stdin", "--root", "tests/support", (char *)NULL);
        _exit(127);
    }
    close(to_server[0]);
    close(from_server[1]);
    while (n < sizeof port - 1 && !strchr(port, '\n')) {
        ssize_t got = read(from_server[0], port + n, sizeof port - 1 - n);
        if (got <= 0)
            FAIL("%s does not start", path);
        n += (size_t)got;
    }
    close(from_server[0]);
    snprintf(base, sizeof base, "http://127.0.0.1:%d", atoi(port));
}

static clipc_fetch_params default_params(void)
{
    clipc_fetch_params params = { .max_bytes = 1 << 20,
                                  .timeout_ms = 10000,
                                  .connect_timeout_ms = 5000,
                                  .max_redirects = 5,
                                  .private_hosts = CLIPC_PRIVATE_ALLOW };
    return params;
}

/* URL of a path on the server; valid until the 4th call from now. */
static const char *server_url(const char *path)
{
    static char urls[4][20000];
    static unsigned next;
    char *url = urls[next++ % 4];
    start_server();
    snprintf(url, sizeof urls[0], "%s%s", base, path);
    return url;
}

static void check_pattern(const clipc_bytes *body, size_t n)
{
    CHECK_INT(body->n, n);
    for (size_t i = 0; i < n; i++)
        if (body->data[i] != (unsigned char)(i * 31 + 7))
            FAIL("byte %zu of %zu is wrong", i, n);
    CHECK(body->data[n] == '\0');
}

static unsigned n_connections(void)
{
    clipc_fetch_params params = default_params();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;
    CHECK_OK(clipc_fetch(&body, server_url("/count"), &params, &err), err);
    unsigned n = (unsigned)atoi((const char *)body.data);
    clipc_bytes_release(&body);
    return n;
}

/* The call fails so, leaving nothing, with the piece in its message. */
static void check_refused(const char *url, const clipc_fetch_params *params,
                          clipc_status want, const char *piece)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body = { (unsigned char *)"x", 1, true };
    clipc_status status = clipc_fetch(&body, url, params, &err);

    if (status != want)
        FAIL("%.100s gives %s (%s), not %s", url, clipc_status_name(status),
             err.message, clipc_status_name(want));
    if (!strstr(err.message, piece))
        FAIL("%.100s: \"%s\" lacks \"%s\"", url, err.message, piece);
    if (strstr(err.message, "secret"))
        FAIL("%.100s: a password is shown: %s", url, err.message);
    CHECK(err.code == want);
    CHECK(body.data == NULL && body.n == 0 && !body.mapped);
}

/* ---- bodies ------------------------------------------------------------ */

TEST(whole_bodies_arrive)
{
    static const struct {
        const char *path;
        size_t n;
    } cases[] = {
        { "/bytes/0", 0 },
        { "/bytes/1", 1 },
        { "/bytes/65535", 65535 },
        { "/bytes/65536", 65536 },
        { "/bytes/1048576", 1048576 },
        { "/chunked/100000", 100000 },
        { "/chunked/0", 0 },
        { "/close/100000", 100000 },
        { "/empty", 0 },
        { "/gzip/0", 0 },
        { "/gzip/1000000", 1000000 },
        { "/zlib/1000", 1000 },
        { "/extra", 100 },
        { "/redirect/0", 100 },
        { "/redirect/4", 100 },
        { "/relative", 9 },
        { "/bytes/10#part", 10 },
        { "/bytes/10?x=/../y", 10 },
    };
    clipc_fetch_params params = default_params();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_bytes body;
        CHECK_OK(clipc_fetch(&body, server_url(cases[i].path), &params, &err),
                 err);
        check_pattern(&body, cases[i].n);
        CHECK(err.code == CLIPC_OK);
        clipc_bytes_release(&body);
    }
}

TEST(the_body_limit_is_exact)
{
    clipc_fetch_params params = default_params();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;

    params.max_bytes = 100000;
    CHECK_OK(clipc_fetch(&body, server_url("/bytes/100000"), &params, &err),
             err);
    check_pattern(&body, 100000);
    clipc_bytes_release(&body);
    CHECK_OK(clipc_fetch(&body, server_url("/chunked/100000"), &params, &err),
             err);
    clipc_bytes_release(&body);
    check_refused(server_url("/bytes/100001"), &params, CLIPC_ERR_LIMIT,
                  "larger than 100000 bytes (max_bytes)");
    check_refused(server_url("/chunked/100001"), &params, CLIPC_ERR_LIMIT,
                  "max_bytes");
    check_refused(server_url("/close/100001"), &params, CLIPC_ERR_LIMIT,
                  "max_bytes");
    check_refused(server_url("/endless"), &params, CLIPC_ERR_LIMIT,
                  "max_bytes");
    /* Refused on the announcement, or this would run into the time limit. */
    check_refused(server_url("/announce/4000000000"), &params, CLIPC_ERR_LIMIT,
                  "max_bytes");
    /* Few bytes on the way, many when decompressed. */
    check_refused(server_url("/gzip/1000000000"), &params, CLIPC_ERR_LIMIT,
                  "max_bytes");
    params.max_bytes = 0;
    check_refused(server_url("/bytes/1"), &params, CLIPC_ERR_LIMIT,
                  "larger than 0 bytes");
    CHECK_OK(clipc_fetch(&body, server_url("/empty"), &params, &err), err);
    clipc_bytes_release(&body);
}

TEST(a_request_carries_nothing_but_the_question)
{
    clipc_fetch_params params = default_params();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;

    CHECK(setenv("http_proxy", "http://127.0.0.1:1", 1) == 0);
    CHECK(setenv("ALL_PROXY", "http://127.0.0.1:1", 1) == 0);
    /* Sets a cookie and leads to /echo. */
    CHECK_OK(clipc_fetch(&body, server_url("/cookie"), &params, &err), err);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    CHECK_HAS((char *)body.data, "GET /echo HTTP/1.1\r\nHost: 127.0.0.1:");
    CHECK_HAS((char *)body.data, "\r\nUser-Agent: libclipc/");
    /* Within one chain of redirects, to the same host. */
    CHECK_HAS((char *)body.data, "\r\nCookie: clipc=1\r\n");
    CHECK(!strstr((char *)body.data, "Authorization"));
    CHECK(!strstr((char *)body.data, "Encoding"));
    CHECK(!strstr((char *)body.data, "Referer"));
    clipc_bytes_release(&body);
    CHECK_OK(clipc_fetch(&body, server_url("/echo"), &params, &err), err);
    CHECK(!strstr((char *)body.data, "Cookie"));
    clipc_bytes_release(&body);
}

TEST(the_user_agent_may_name_the_operator)
{
    clipc_fetch_params params = default_params();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;
    char longest[258];

    params.user_agent = "photos/1.0 (me@example.org)";
    CHECK_OK(clipc_fetch(&body, server_url("/echo"), &params, &err), err);
    CHECK_HAS((char *)body.data,
              "\r\nUser-Agent: photos/1.0 (me@example.org)\r\n");
    clipc_bytes_release(&body);
    memset(longest, 'a', 257);
    longest[257] = '\0';
    const char *const bad[] = { "", "a\r\nX: y", "caf\xc3\xa9", longest };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        params.user_agent = bad[i];
        check_refused(server_url("/echo"), &params, CLIPC_ERR_ARGUMENT,
                      "user_agent");
    }
    params.user_agent = longest + 1;
    CHECK_OK(clipc_fetch(&body, server_url("/echo"), &params, &err), err);
    clipc_bytes_release(&body);
}

/* The server plays the proxy: names are not looked up here. */
TEST(a_proxy_is_asked_for_every_hop)
{
    clipc_fetch_params params = default_params();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;
    char proxy[64];

    snprintf(proxy, sizeof proxy, "%s", server_url(""));
    params.proxy = proxy;
    params.private_hosts = CLIPC_PRIVATE_DENY;
    CHECK(setenv("no_proxy", "*", 1) == 0); /* the environment is not asked */
    CHECK_OK(clipc_fetch(&body, "http://unknown.test/echo", &params, &err),
             err);
    unsetenv("no_proxy");
    CHECK_HAS((char *)body.data, "GET http://unknown.test/echo HTTP/1.1\r\n");
    CHECK(!strstr((char *)body.data, "Proxy-Authorization"));
    clipc_bytes_release(&body);
    CHECK_OK(clipc_fetch(&body,
                         "http://unknown.test/to?http://other.test/bytes/9",
                         &params, &err),
             err);
    CHECK_INT(body.n, 9);
    clipc_bytes_release(&body);
    check_refused("http://unknown.test/status/407", &params, CLIPC_ERR_HTTP,
                  "the proxy wants a login");
}

TEST(a_proxy_is_not_asked_for_private_addresses)
{
    static const char *const urls[] = {
        "http://127.0.0.1/bytes/9",       "http://127.1/bytes/9",
        "http://0x7f000001/bytes/9",      "http://2130706433/bytes/9",
        "http://10.0.0.1/bytes/9",        "http://169.254.169.254/bytes/9",
        "http://[::1]/bytes/9",           "http://[::ffff:10.0.0.1]/bytes/9",
        "http://localhost/bytes/9",       "http://LOCALHOST./bytes/9",
        "http://any.localhost:1/bytes/9", "http://[fe80::1]/bytes/9",
    };
    clipc_fetch_params params = default_params();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;
    char proxy[64], url[200];

    snprintf(proxy, sizeof proxy, "%s", server_url(""));
    params.proxy = proxy;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        params.private_hosts = CLIPC_PRIVATE_DENY;
        check_refused(urls[i], &params, CLIPC_ERR_URL_BLOCKED, "private");
        snprintf(url, sizeof url, "http://unknown.test/to?%s", urls[i]);
        check_refused(url, &params, CLIPC_ERR_URL_BLOCKED, "private");
        params.private_hosts = CLIPC_PRIVATE_FIRST_HOP;
        check_refused(url, &params, CLIPC_ERR_URL_BLOCKED, "private");
        CHECK_OK(clipc_fetch(&body, urls[i], &params, &err), err);
        CHECK_INT(body.n, 9);
        clipc_bytes_release(&body);
    }
}

TEST(a_proxy_has_a_url)
{
    static const char *const bad[] = {
        "",
        "127.0.0.1:80",
        "socks4://127.0.0.1:1",
        "http://",
        "ftp://127.0.0.1:1",
        "socks5://127.0.0.1:1",
        "http://a:b",
        "http://127.0.0.1:0x",
        "file:///etc/passwd",
        /* No message shows what may be a password. */
        "name:secret@127.0.0.1:80",
        "http://name:secret",
        "http://name:se/secret@127.0.0.1:80",
        "http:/name:secret@h:1",
    };
    clipc_fetch_params params = default_params();

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        params.proxy = bad[i];
        check_refused("http://unknown.test/", &params, CLIPC_ERR_ARGUMENT,
                      "a proxy is http://HOST:PORT");
    }
    /* Nobody listens there. */
    params.proxy = "socks5h://user:secret@127.0.0.1:1";
    check_refused("http://unknown.test/", &params, CLIPC_ERR_NETWORK,
                  "unknown.test");
}

TEST(paths_are_percent_encoded)
{
    clipc_fetch_params params = default_params();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;

    CHECK_OK(clipc_fetch(&body, server_url("/file/test.h"), &params, &err),
             err);
    CHECK_HAS((char *)body.data, "CLIPC_TEST_H");
    clipc_bytes_release(&body);
    check_refused(server_url("/no such caf\xc3\xa9%20"), &params,
                  CLIPC_ERR_HTTP, "status 404");
}

/* ---- servers that misbehave -------------------------------------------- */

TEST(bad_answers_have_their_status)
{
    static const struct {
        const char *path;
        clipc_status status;
        const char *piece;
    } cases[] = {
        { "/status/204", CLIPC_ERR_HTTP, "204, which has no content" },
        { "/status/206", CLIPC_ERR_HTTP, "206" },
        { "/status/300", CLIPC_ERR_HTTP, "300" },
        { "/status/304", CLIPC_ERR_HTTP, "304" },
        { "/status/401", CLIPC_ERR_HTTP, "401; it may want a login" },
        { "/status/404", CLIPC_ERR_HTTP, "404; check the address" },
        { "/status/416", CLIPC_ERR_HTTP, "416" },
        { "/status/500", CLIPC_ERR_HTTP, "500; try again later" },
        { "/status/599", CLIPC_ERR_HTTP, "599" },
        { "/no-location", CLIPC_ERR_HTTP, "Location" },
        { "/short", CLIPC_ERR_NETWORK, "before the whole body" },
        { "/cut", CLIPC_ERR_NETWORK, "" },
        { "/bad-chunk", CLIPC_ERR_NETWORK, "" },
        { "/garbage", CLIPC_ERR_NETWORK, "not HTTP" },
        { "/gzip", CLIPC_ERR_FORMAT, "cannot be decompressed" },
        { "/hang-up", CLIPC_ERR_NETWORK, "without an answer" },
        { "/many-headers", CLIPC_ERR_LIMIT, "of headers" },
        { "/continue", CLIPC_ERR_LIMIT, "of headers" },
        { "/redirect-flood", CLIPC_ERR_LIMIT, "of body" },
    };
    clipc_fetch_params params = default_params();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(server_url(cases[i].path), &params, cases[i].status,
                      cases[i].piece);
}

TEST(a_header_line_without_end_fails)
{
    clipc_fetch_params params = default_params();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;

    /* libcurl's own limit, which old versions report as lack of memory. */
    clipc_status status = clipc_fetch(&body, server_url("/long-header"),
                                      &params, &err);
    CHECK(status == CLIPC_ERR_NOMEM || status == CLIPC_ERR_NETWORK ||
          status == CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "header");
}

TEST(servers_that_wait_run_into_the_time_limit)
{
    static const char *const paths[] = { "/silent", "/stall", "/slow-header",
                                         "/announce/50000" };
    clipc_fetch_params params = default_params();
    params.timeout_ms = 150;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        check_refused(server_url(paths[i]), &params, CLIPC_ERR_TIMEOUT,
                      "not finished after 150 ms (timeout_ms)");
    /* The limit is for all hops together. */
    check_refused(server_url("/to?/stall"), &params, CLIPC_ERR_TIMEOUT,
                  "timeout_ms");
}

/* A listener whose queue is full leaves further connections waiting. */
TEST(a_connection_that_is_not_made_runs_into_its_limit)
{
    enum { N = 8 };
    clipc_fetch_params params = default_params();
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fds[N];
    char url[64];

    if (!has_loopback())
        SKIP("no loopback network here");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(listener >= 0 &&
          bind(listener, (struct sockaddr *)&address, len) == 0 &&
          listen(listener, 0) == 0 &&
          getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    for (size_t i = 0; i < N; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(fds[i] >= 0 && fcntl(fds[i], F_SETFL, O_NONBLOCK) == 0);
        if (connect(fds[i], (struct sockaddr *)&address, len) != 0)
            CHECK(errno == EINPROGRESS);
    }
    snprintf(url, sizeof url, "http://127.0.0.1:%u/",
             (unsigned)ntohs(address.sin_port));
    params.connect_timeout_ms = 100;
    check_refused(url, &params, CLIPC_ERR_TIMEOUT,
                  "no connection after 100 ms (connect_timeout_ms)");
    for (size_t i = 0; i < N; i++)
        close(fds[i]);
    close(listener);
}

static int cancel_at_once(void *user, const clipc_progress *progress)
{
    (void)progress;
    ++*(int *)user;
    return 1;
}

static int remember(void *user, const clipc_progress *progress)
{
    size_t *seen = user;
    if (progress->done < seen[0] ||
        (progress->total && progress->done > progress->total))
        seen[2] = 1; /* went backwards */
    seen[0] = progress->done;
    seen[1] = progress->total;
    return 0;
}

TEST(progress_is_told_and_may_cancel)
{
    clipc_fetch_params params = default_params();
    clipc_error err = CLIPC_ERROR_INIT;
    size_t seen[3] = { 0 };
    clipc_bytes body;
    int calls = 0;

    params.progress = remember;
    params.progress_user = seen;
    CHECK_OK(clipc_fetch(&body, server_url("/redirect/0"), &params, &err),
             err);
    clipc_bytes_release(&body);
    CHECK_INT(seen[2], 0);
    params.progress = cancel_at_once;
    params.progress_user = &calls;
    check_refused(server_url("/stall"), &params, CLIPC_ERR_CANCELLED,
                  "cancelled");
    CHECK_INT(calls, 1);
}

/* ---- redirects --------------------------------------------------------- */

TEST(redirects_are_counted)
{
    clipc_fetch_params params = default_params();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;

    /* /redirect/N redirects N + 1 times. */
    CHECK_OK(clipc_fetch(&body, server_url("/redirect/4"), &params, &err),
             err);
    clipc_bytes_release(&body);
    check_refused(server_url("/redirect/5"), &params, CLIPC_ERR_LIMIT,
                  "more than 5 redirects (max_redirects)");
    unsigned before = n_connections();
    check_refused(server_url("/loop"), &params, CLIPC_ERR_LIMIT,
                  "more than 5 redirects");
    /* Six hops, each on a connection of its own, and /count. */
    CHECK_INT(n_connections() - before, 7);
    params.max_redirects = 0;
    check_refused(server_url("/redirect/0"), &params, CLIPC_ERR_LIMIT,
                  "more than 0 redirects");
}

TEST(redirects_are_checked_like_the_first_url)
{
    static const struct {
        const char *path;
        clipc_status status;
        const char *piece;
    } cases[] = {
        { "/to?file:///etc/passwd", CLIPC_ERR_URL,
          "redirect to file:///etc/passwd: only http" },
        { "/to?ftp://127.0.0.1/x", CLIPC_ERR_URL, "redirect to ftp:" },
        { "/to?gopher://127.0.0.1/x", CLIPC_ERR_URL, "redirect to gopher:" },
        { "/to?data:image/png;base64,AAAA", CLIPC_ERR_URL, "redirect to" },
        { "/to?http://user:secret@127.0.0.1/", CLIPC_ERR_URL,
          "user name or password" },
        { "/to?http://user@127.0.0.1/", CLIPC_ERR_URL,
          "user name or password" },
        { "/to?//user:secret@127.0.0.1/", CLIPC_ERR_URL,
          "user name or password" },
        { "/two-locations", CLIPC_ERR_NETWORK, "the answer is not HTTP" },
        { "/to?http://127.0.0.1:0/", CLIPC_ERR_URL, "port" },
        { "/to?http://127.0.0.1:99999/", CLIPC_ERR_URL, "redirect to" },
        { "/to?http://x\ty/", CLIPC_ERR_URL, "" },
        { "/to?http://127.0.0.1:1/", CLIPC_ERR_NETWORK, "redirect to" },
    };
    clipc_fetch_params params = default_params();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(server_url(cases[i].path), &params, cases[i].status,
                      cases[i].piece);

    static char path[9000] = "/to?/";
    memset(path + 5, 'a', 8800 - 5);
    /* The request itself is too long already. */
    check_refused(server_url(path), &params, CLIPC_ERR_LIMIT, "8192 bytes");
}

TEST(a_redirect_may_not_lead_to_a_private_host)
{
    clipc_fetch_params params = default_params();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;

    params.private_hosts = CLIPC_PRIVATE_FIRST_HOP;
    CHECK_OK(clipc_fetch(&body, server_url("/bytes/10"), &params, &err), err);
    clipc_bytes_release(&body);
    unsigned before = n_connections();
    /* A host that may be asked may move the picture. */
    CHECK_OK(clipc_fetch(&body, server_url("/relative"), &params, &err), err);
    clipc_bytes_release(&body);
    check_refused(server_url("/to?http://127.0.0.1:1/"), &params,
                  CLIPC_ERR_URL_BLOCKED, "redirect to http://127.0.0.1:");
    check_refused(server_url("/to?http://169.254.169.254/"), &params,
                  CLIPC_ERR_URL_BLOCKED, "redirects to such hosts");
    check_refused(server_url("/to?http://[::1]/"), &params,
                  CLIPC_ERR_URL_BLOCKED, "redirect to http://[::1]");
    check_refused(server_url("/to?http://2130706433/"), &params,
                  CLIPC_ERR_URL_BLOCKED, "redirect to");
    CHECK_INT(n_connections() - before, 7); /* the first hops, and /count */
}

TEST(messages_keep_secrets)
{
    clipc_fetch_params params = default_params();
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;

    CHECK_STATUS(clipc_fetch(&body, server_url("/status/404?token=secret#s2"),
                             &params, &err),
                 CLIPC_ERR_HTTP);
    CHECK(!strstr(err.message, "secret") && !strstr(err.message, "s2"));
    CHECK_STATUS(clipc_fetch(&body, "http://me:secret@127.0.0.1/x?secret",
                             &params, &err),
                 CLIPC_ERR_URL);
    CHECK(!strstr(err.message, "secret") && !strstr(err.message, "me:"));
    CHECK_STATUS(clipc_fetch(&body,
                             server_url("/to?http://a:secret@127.0.0.1/"),
                             &params, &err),
                 CLIPC_ERR_URL);
    CHECK(!strstr(err.message, "secret"));
    CHECK_STATUS(clipc_fetch(&body, "http://[::1]:1/\x1b[31m", &params, &err),
                 CLIPC_ERR_URL);
    CHECK(!strchr(err.message, '\x1b'));
}

/* ---- URLs -------------------------------------------------------------- */

TEST(malformed_urls_are_refused)
{
    static const struct {
        const char *url, *piece;
    } cases[] = {
        { "", "only http" },
        { "car.jpg", "only http" },
        { "http", "only http" },
        { "http:", "only http" },
        { "http:/127.0.0.1/", "only http" },
        { "http://", "" },
        { "http:///x", "host is missing" },
        { "http://?x", "" },
        { "http://:80/", "" },
        { "https://#x", "" },
        { " http://127.0.0.1/", "only http" },
        { "file:///etc/passwd", "only http" },
        { "file://127.0.0.1/etc/passwd", "only http" },
        { "ftp://127.0.0.1/x", "only http" },
        { "gopher://127.0.0.1/x", "only http" },
        { "dict://127.0.0.1/x", "only http" },
        { "data:image/png;base64,AAAA", "only http" },
        { "httpx://127.0.0.1/", "only http" },
        { "http://127.0.0.1:0/", "port" },
        { "http://127.0.0.1:65536/", "port" },
        { "http://127.0.0.1:-1/", "" },
        { "http://127.0.0.1:80x/", "" },
        { "http://user@127.0.0.1/", "remove the part before @" },
        { "http://user:pass@127.0.0.1/", "remove the part before @" },
        { "http://127.0.0.1/\r\nX: y", "control byte" },
        { "http://127.0.0.1/\n", "control byte" },
        { "http://127.0.0.1/\x7f", "control byte" },
        { "http://127.0.0.1\t/", "control byte" },
        { "http://a b/", "" },
        { "http://a\\b/", "" },
        { "http://[::1/", "" },
        { "http://[::1]x/", "" },
        { "http://[zz]/", "" },
        { "http://m\xc3\xbcller.example/", "xn--" },
    };
    clipc_fetch_params params = default_params();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].url, &params, CLIPC_ERR_URL, cases[i].piece);
}

TEST(the_url_limit_is_8_kib)
{
    clipc_fetch_params params = default_params();
    static char url[8300];
    const char *start = server_url("/bytes/1?");
    size_t len = strlen(start);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;

    memcpy(url, start, len);
    memset(url + len, 'x', 8193 - len);
    check_refused(url, &params, CLIPC_ERR_LIMIT, "longer than 8192 bytes");
    url[8192] = '\0';
    CHECK_OK(clipc_fetch(&body, url, &params, &err), err);
    check_pattern(&body, 1);
    clipc_bytes_release(&body);
}

TEST(private_addresses_are_blocked_in_every_spelling)
{
    static const char *const urls[] = {
        "http://127.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://172.31.255.255/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://240.0.0.1/",
        "http://198.18.0.1/",
        "http://192.0.0.1/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[::127.0.0.1]/",
        "http://[fc00::1]/",
        "http://[fd00::1]/",
        "http://[fe80::1]/",
        "http://[ff02::1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b::10.0.0.1]/",
        "http://[2002:7f00:1::1]/",
        "http://[2001:0:7f00:1::]/",
        "http://[2001:db8::1]/",
        "https://127.0.0.1/",
        "https://[::1]/",
    };
    clipc_fetch_params params = default_params();
    params.private_hosts = CLIPC_PRIVATE_DENY;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        check_refused(urls[i], &params, CLIPC_ERR_URL_BLOCKED,
                      "set private_hosts");
    check_refused("http://%31%32%37.0.0.1/", &params, CLIPC_ERR_URL,
                  "percent sign");
    unsigned before = n_connections();
    check_refused(server_url("/bytes/1"), &params, CLIPC_ERR_URL_BLOCKED, "");
    CHECK_INT(n_connections() - before, 1);
}

TEST(a_refused_connection_is_a_network_error)
{
    clipc_fetch_params params = default_params();
    check_refused("http://127.0.0.1:1/x", &params, CLIPC_ERR_NETWORK,
                  "does not accept");
}

TEST(tls_failures_are_errors)
{
    clipc_fetch_params params = default_params();
    char url[80];

    start_server();
    snprintf(url, sizeof url, "https%s/bytes/1", base + 4);
    params.timeout_ms = 2000;
    check_refused(url, &params, CLIPC_ERR_NETWORK, "https://127.0.0.1");
    params.ca_file = "/nonexistent/ca.pem";
    check_refused(url, &params, CLIPC_ERR_IO, "/nonexistent/ca.pem");
}

/* ---- the process ------------------------------------------------------- */

static void *fetch_some(void *arg)
{
    clipc_fetch_params params = default_params();
    size_t *n_good = arg;
    char url[128];

    snprintf(url, sizeof url, "%s/chunked/5000", base);
    for (size_t i = 0; i < 8; i++) {
        clipc_bytes body;
        if (clipc_fetch(&body, url, &params, NULL) == CLIPC_OK &&
            body.n == 5000)
            ++*n_good;
        clipc_bytes_release(&body);
    }
    return NULL;
}

/* A small stack too: the pages of libcurl and its TLS library included. */
TEST(threads_with_small_stacks_fetch_at_once)
{
    enum { N_THREADS = 4 };
    pthread_t threads[N_THREADS];
    size_t n_good[N_THREADS] = { 0 };
    pthread_attr_t attr;

    start_server();
    pthread_attr_init(&attr);
#if !SANITIZED /* their frames are larger */
    pthread_attr_setstacksize(&attr, 64 * 1024);
#endif
    for (size_t i = 0; i < N_THREADS; i++) {
        int error = pthread_create(&threads[i], &attr, fetch_some, &n_good[i]);
        if (error == EINVAL && i == 0) {
            /* OpenBLAS, where it is linked, keeps more bytes in every
             * thread's stack. */
            pthread_attr_setstacksize(&attr, (64 + 64) * 1024);
            error = pthread_create(&threads[i], &attr, fetch_some, &n_good[i]);
        }
        CHECK_INT(error, 0);
    }
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_attr_destroy(&attr);
    for (size_t i = 0; i < N_THREADS; i++)
        CHECK_INT(n_good[i], 8);
}

TEST(the_signal_mask_is_left_as_it_was)
{
    clipc_fetch_params params = default_params();
    sigset_t before, after, pending;
    clipc_bytes body;

    pthread_sigmask(SIG_SETMASK, NULL, &before);
    CHECK(clipc_fetch(&body, server_url("/short"), &params, NULL) != CLIPC_OK);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    sigpending(&pending);
    for (int s = 1; s < 32; s++)
        CHECK(sigismember(&before, s) == sigismember(&after, s));
    CHECK(!sigismember(&pending, SIGPIPE));
    CHECK(clipc_fetch_version() != NULL);
}

#endif /* CLIPC_CURL */
