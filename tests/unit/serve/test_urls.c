/* SPDX-License-Identifier: MIT
 *
 * test_urls.c - URLs that clients of the running server name: private
 * addresses are refused in every spelling and every dialect, before a
 * connection is opened; --no-urls, --offline and --allow-private; pictures of
 * URLs are decoded within the bound of all pictures.
 */
#include "serve/encode.h"
#include "serve/options.h"
#include "serve/server.h"
#include "support/serve_client.h"
#include "support/sockets.h"
#include "support/test.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PICTURE "tests/data/images/pictures/420.jpg"

static void need_curl(void)
{
    if (!CLIPC_CURL)
        SKIP("built without libcurl");
}

/* Asks by the URL in one of the dialects. */
enum { N_DIALECTS = 7 };

static http_answer ask(const serve_process *server, int dialect,
                       const char *url)
{
    static const struct {
        const char *path, *type, *before, *after;
    } forms[N_DIALECTS] = {
        { "/v1/classify", "application/json", "{\"image\":{\"url\":\"",
          "\"},\"labels\":[\"a\"]}" },
        { "/v1/classify", "application/json", "{\"image\":\"", "\"}" },
        { "/v1/classify", "multipart/form-data; boundary=x",
          "--x\r\nContent-Disposition: form-data; name=\"url\"\r\n\r\n",
          "\r\n--x--\r\n" },
        { "/v1/embeddings", "application/json",
          "{\"modality\":\"image\",\"input\":\"", "\"}" },
        { "/v1/embeddings", "application/json",
          "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
          "\"image_url\",\"image_url\":{\"url\":\"",
          "\"}}]}]}" },
        { "/hf", "application/json", "{\"inputs\":\"",
          "\",\"parameters\":{\"candidate_labels\":[\"a\"]}}" },
        { "/", "multipart/form-data; boundary=x",
          "--x\r\nContent-Disposition: form-data; name=\"url\"\r\n\r\n",
          "\r\n--x--\r\n" },
    };
    char body[1024];
    int n = snprintf(body, sizeof body, "%s%s%s", forms[dialect].before, url,
                     forms[dialect].after);

    return http_post(server->port, forms[dialect].path, forms[dialect].type,
                     body, (size_t)n);
}

static bool somebody_came(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, 0) > 0;
}

TEST(private_addresses_are_refused)
{
    static const char *const args[] = { "--model", "tests/data/tiny",
                                        "--quiet", NULL };
    /* %u: the port of a server that would answer. */
    static const char *const urls[] = {
        "http://127.0.0.1:%u/a.jpg",
        "http://localhost:%u/a.jpg",
        "HTTP://LOCALHOST:%u/a.jpg",
        "http://127.1:%u/a.jpg",
        "http://127.255.255.254:%u/a.jpg",
        "http://2130706433:%u/a.jpg",
        "http://0x7f000001:%u/a.jpg",
        "http://0177.0.0.1:%u/a.jpg",
        "http://0.0.0.0:%u/a.jpg",
        "http://[::1]:%u/a.jpg",
        "http://[::]:%u/a.jpg",
        "http://[::ffff:127.0.0.1]:%u/a.jpg",
        "http://[::127.0.0.1]:%u/a.jpg",
        "http://[64:ff9b::7f00:1]:%u/a.jpg",
        "http://10.0.0.1:%u/a.jpg",
        "http://172.16.0.1:%u/a.jpg",
        "http://192.168.1.1:%u/a.jpg",
        "http://100.64.0.1:%u/a.jpg",
        "http://169.254.169.254:%u/latest/meta-data/",
        "http://[fd00:ec2::254]:%u/a.jpg",
        "http://[fe80::1]:%u/a.jpg",
        "http://224.0.0.1:%u/a.jpg",
        "http://255.255.255.255:%u/a.jpg",
        "http://192.0.2.1:%u/a.jpg",
    };
    serve_process server;
    char url[128];
    unsigned port;

    need_curl();
    int fd = listen_loopback(&port);
    CHECK(fd >= 0);
    serve_start(&server, args);
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        snprintf(url, sizeof url, urls[i], port);
        http_answer answer = ask(&server, (int)(i % N_DIALECTS), url);
        if (answer.status != 403)
            FAIL("%s: status %d: %s", url, answer.status, answer.body);
        CHECK_HAS(answer.body, "--allow-private");
        http_free(&answer);
        if (somebody_came(fd))
            FAIL("%s: the server has connected", url);
    }
    for (int d = 0; d < N_DIALECTS; d++) {
        snprintf(url, sizeof url, urls[0], port);
        http_answer answer = ask(&server, d, url);
        CHECK_INT(answer.status, 403);
        CHECK_HAS(answer.body, "--allow-private");
        http_free(&answer);
    }
    CHECK(!somebody_came(fd));
    CHECK(serve_metric(&server, "clipc_images_total{status=\"url_blocked\"}") >
          0);
    close(fd);
    CHECK_INT(serve_stop(&server), 0);
}

/* Schemes and forms that are no URL of a picture. The names resolve nowhere. */
TEST(other_urls_are_refused)
{
    static const char *const args[] = { "--model", "tests/data/tiny",
                                        "--quiet", NULL };
    static const struct {
        const char *url;
        int status;
    } cases[] = {
        { "file:///etc/passwd", 400 },
        { "ftp://example.com/a.jpg", 400 },
        { "gopher://127.0.0.1:25/_x", 400 },
        { "http://", 400 },
        { "http:///a.jpg", 400 },
        { "http://a b/", 400 },
        { "http://user:pass@127.0.0.1/a.jpg", 403 },
        { "http://example.invalid/a.jpg", 502 },
    };
    serve_process server;

    need_curl();
    serve_start(&server, args);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_answer answer = ask(&server, 0, cases[i].url);
        if (answer.status != cases[i].status &&
            !(cases[i].status == 403 && answer.status == 400))
            FAIL("%s: status %d: %s", cases[i].url, answer.status,
                 answer.body);
        http_free(&answer);
    }
    CHECK_INT(serve_stop(&server), 0);
}

TEST(no_urls_at_all)
{
    static const char *const options[] = { "--no-urls", "--offline" };
    unsigned port;
    int fd = listen_loopback(&port);
    char url[128];

    CHECK(fd >= 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/a.jpg", port);
    for (size_t o = 0; o < 2; o++) {
        const char *const args[] = { "--model",  "tests/data/tiny",
                                     "--quiet",  "--allow-private",
                                     options[o], NULL };
        serve_process server;
        serve_start(&server, args);
        for (int d = 0; d < N_DIALECTS; d++) {
            http_answer answer = ask(&server, d, url);
            if (answer.status != 403)
                FAIL("dialect %d: status %d: %s", d, answer.status,
                     answer.body);
            CHECK_HAS(answer.body, "--no-urls");
            http_free(&answer);
        }
        http_answer lists = http_get(server.port, "/v1/labels", NULL);
        CHECK_HAS(lists.body, "\"urls\":false");
        http_free(&lists);
        CHECK(!somebody_came(fd));
        CHECK_INT(serve_stop(&server), 0);
    }
    close(fd);
}

/* ---- --allow-private --------------------------------------------------- */

static int site = -1; /* redirects /to, has a picture at /a.jpg */
static unsigned site_port;

static void answer_one(int fd)
{
    char request[4096], head[512];
    ssize_t got = recv(fd, request, sizeof request - 1, 0);
    size_t n = 0;

    request[got > 0 ? got : 0] = '\0';
    if (strncmp(request, "GET /a.jpg ", 11) == 0) {
        char *picture = test_read(PICTURE, &n);
        snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n"
                 "Connection: close\r\n\r\n",
                 n);
        send_all(fd, head, strlen(head));
        send_all(fd, picture, n);
        free(picture);
    } else {
        snprintf(head, sizeof head,
                 "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n"
                 "Connection: close\r\n\r\n",
                 strncmp(request, "GET /to ", 8) == 0 ? "/a.jpg" : "/loop");
        send_all(fd, head, strlen(head));
    }
}

static void *be_site(void *arg)
{
    int fd;

    (void)arg;
    while ((fd = accept(site, NULL, NULL)) >= 0) {
        answer_one(fd);
        close(fd);
    }
    return NULL;
}

static pthread_t start_site(void)
{
    pthread_t thread;

    site = listen_loopback(&site_port);
    CHECK(site >= 0);
    CHECK(pthread_create(&thread, NULL, be_site, NULL) == 0);
    return thread;
}

static void stop_site(pthread_t thread)
{
    shutdown(site, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(site);
}

TEST(private_addresses_where_they_are_allowed)
{
    static const char *const args[] = { "--model", "tests/data/tiny",
                                        "--quiet", "--allow-private", NULL };
    static const struct {
        const char *path;
        int status;
    } cases[] = { { "a.jpg", 200 }, { "to", 200 }, { "loop", 413 } };
    serve_process server;
    char url[128];

    need_curl();
    pthread_t thread = start_site();
    serve_start(&server, args);
    for (size_t i = 0; i < 3; i++) {
        snprintf(url, sizeof url, "http://127.0.0.1:%u/%s", site_port,
                 cases[i].path);
        http_answer answer = ask(&server, 0, url);
        if (answer.status != cases[i].status)
            FAIL("%s: status %d: %s", url, answer.status, answer.body);
        http_free(&answer);
    }
    stop_site(thread);
    CHECK_INT(serve_stop(&server), 0);
}

/* ---- decoders ---------------------------------------------------------- */

static clipc_status read_within(serve_request *request, int64_t seconds,
                                clipc_image **image, clipc_error *err)
{
    char url[128];

    snprintf(url, sizeof url, "http://127.0.0.1:%u/a.jpg", site_port);
    request->deadline_us = serve_now_us() + seconds * 1000000;
    return serve_read_url(request, url, image, err);
}

/* More URLs are fetched at once than pictures may be decoded. */
TEST(a_picture_of_a_url_waits_for_a_decoder)
{
    static serve_server server;
    serve_settings settings = serve_settings_default();
    serve_model model = { .model = NULL };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;
    int ends[2];

    need_curl();
    pthread_t thread = start_site();
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    settings.allow_private = true;
    server.settings = &settings;
    server.metrics = serve_metrics_new(NULL, 0);
    CHECK(server.metrics);
    CHECK(serve_gate_start(&server.fetching, 4));
    CHECK(serve_gate_start(&server.decoding, 1));
    serve_request request = { .server = &server,
                              .model = &model,
                              .fd = ends[0] };

    CHECK(serve_gate_try(&server.decoding));
    CHECK_STATUS(read_within(&request, 1, &image, &err), CLIPC_ERR_TIMEOUT);
    CHECK(!image);
    serve_gate_leave(&server.decoding);
    CHECK_OK(read_within(&request, 60, &image, &err), err);
    clipc_image_free(image);
    CHECK(request.timing.decode > 0);
    CHECK_INT(serve_gate_taken(&server.decoding), 0);
    CHECK_INT(serve_gate_taken(&server.fetching), 0);

    serve_gate_end(&server.decoding);
    serve_gate_end(&server.fetching);
    serve_metrics_free(server.metrics);
    serve_settings_free(&settings);
    close(ends[0]);
    close(ends[1]);
    stop_site(thread);
}
