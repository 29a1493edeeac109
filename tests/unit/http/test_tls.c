/* SPDX-License-Identifier: MIT
 *
 * test_tls.c - https: only a certificate that is trusted and names the host
 * is accepted. The server is the program `openssl`, on loopback; without
 * `openssl` the tests are skipped.
 */
#include "http/fetch.h"
#include "support/loopback.h"
#include "support/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERVER_SECONDS = 30 };

static pid_t server; /* 0: none */
static char certificate[512];
static unsigned port;

static void stop_server(void)
{
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    server = 0;
}

static bool make_certificate(void)
{
    char command[2048];

    snprintf(certificate, sizeof certificate, "%s", test_path("cert.pem"));
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
             "-nodes -keyout '%s' -out '%s' -days 2 -subj /CN=clipc-test "
             "-addext subjectAltName=IP:127.0.0.1 >/dev/null 2>&1",
             test_path("key.pem"), certificate);
    return system(command) == 0;
}

/* openssl s_server with a certificate for 127.0.0.1, serving the test's
 * folder. */
static void start_server(void)
{
    char output[4096] = "";
    size_t n = 0;
    int input[2], answer[2];
    const char *at;

    stop_server();
    if (clipc_fetch_version() == NULL)
        SKIP("built without libcurl");
    if (!has_loopback())
        SKIP("no loopback network here");
    if (!make_certificate())
        SKIP("no usable program openssl");
    test_write(test_path("picture"), "picture\n", 8);
    CHECK(pipe(input) == 0 && pipe(answer) == 0);
    fcntl(input[1], F_SETFD, FD_CLOEXEC); /* stays open: it reads no end */
    server = fork();
    CHECK(server >= 0);
    if (server == 0) {
        dup2(input[0], 0);
        dup2(answer[1], 1);
        dup2(answer[1], 2);
        close(answer[0]);
        if (chdir(test_folder()) != 0)
            _exit(127);
        alarm(SERVER_SECONDS); /* survives exec */
        execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0",
               "-key", "key.pem", "-cert", "cert.pem", "-WWW", (char *)NULL);
        _exit(127);
    }
    close(input[0]);
    close(answer[1]);
    while (!(at = strstr(output, "ACCEPT 127.0.0.1:")) || !strchr(at, '\n')) {
        ssize_t got = read(answer[0], output + n, sizeof output - 1 - n);
        if (got <= 0) {
            stop_server();
            SKIP("openssl s_server does not start: %.200s", output);
        }
        n += (size_t)got;
        output[n] = '\0';
    }
    port = (unsigned)atoi(at + strlen("ACCEPT 127.0.0.1:"));
}

static clipc_status fetch(clipc_bytes *body, const char *host,
                          const char *ca_file, clipc_error *err)
{
    clipc_fetch_params params = { .max_bytes = 1000,
                                  .timeout_ms = 5000,
                                  .connect_timeout_ms = 5000,
                                  .private_hosts = CLIPC_PRIVATE_ALLOW,
                                  .ca_file = ca_file };
    char url[80];

    snprintf(url, sizeof url, "https://%s:%u/picture", host, port);
    return clipc_fetch(body, url, &params, err);
}

TEST(a_trusted_certificate_of_the_host_is_accepted)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;

    start_server();
    CHECK_OK(fetch(&body, "127.0.0.1", certificate, &err), err);
    CHECK_STR((char *)body.data, "picture\n");
    clipc_bytes_release(&body);
    stop_server();
}

TEST(other_certificates_are_refused)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes body;

    start_server();
    CHECK_STATUS(fetch(&body, "127.0.0.1", NULL, &err), CLIPC_ERR_NETWORK);
    CHECK_HAS(err.message, "certificate"); /* trusted by nobody */
    CHECK_STATUS(fetch(&body, "localhost", certificate, &err),
                 CLIPC_ERR_NETWORK); /* trusted, but another's */
    CHECK_HAS(err.message, "https://localhost:");
    CHECK_STATUS(fetch(&body, "127.0.0.1", test_path("picture"), &err),
                 CLIPC_ERR_IO); /* no certificates in there */
    CHECK_HAS(err.message, "cannot read the certificates in ");
    CHECK(body.data == NULL);
    stop_server();
}
