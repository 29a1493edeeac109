/* SPDX-License-Identifier: MIT
 *
 * serve_client.c - see serve_client.h.
 */
#include "support/serve_client.h"

#include "support/loopback.h"
#include "support/sockets.h"
#include "support/test.h"

#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

/* ---- the program ------------------------------------------------------- */

/* Beside the tests: BUILD/tests/unit/serve/test_x and BUILD/clipc-serve. */
static void find_program(char out[512])
{
    const char *build = getenv("BUILD");

    if (build && *build) {
        snprintf(out, 512, "%s/clipc-serve", build);
        return;
    }
    ssize_t n = readlink("/proc/self/exe", out, 400);
    if (n < 0)
        FAIL("/proc/self/exe: %s", strerror(errno));
    out[n] = '\0';
    for (int up = 0; up < 4; up++) {
        char *slash = strrchr(out, '/');
        if (slash)
            *slash = '\0';
    }
    strcat(out, "/clipc-serve");
}

static int make_log(void)
{
    char path[] = "/tmp/clipc-serve-log-XXXXXX";
    int fd = mkstemp(path);

    if (fd < 0)
        FAIL("mkstemp: %s", strerror(errno));
    unlink(path);
    return fd;
}

/* A descriptor that the program is to have as number 3. */
static void give_socket(int fd, const char *n)
{
    char pid[24];

    if (fd == 3)
        fcntl(3, F_SETFD, 0);
    else
        dup2(fd, 3);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", n ? n : "1", 1);
}

static void run_program(const char *program, const serve_options *options,
                        int log)
{
    const char *argv[64] = { program };
    size_t n = 1;

    if (!options->listen_fd) {
        argv[n++] = "--listen";
        argv[n++] = options->listen ? options->listen : "127.0.0.1:0";
    }
    for (const char *const *a = options->args;
         *a && n + 1 < sizeof argv / sizeof *argv; a++)
        argv[n++] = *a;
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    /* No label cache: what is tested is computed. */
    setenv("XDG_CACHE_HOME", "/dev/null/none", 1);
    unsetenv("NOTIFY_SOCKET");
    for (const char *const *e = options->env; e && *e; e += 2)
        setenv(e[0], e[1], 1);
    dup2(log, 2);
    dup2(open("/dev/null", O_RDWR), 0);
    if (options->listen_fd)
        give_socket(options->listen_fd, options->listen_fds);
    execv(program, (char *const *)(uintptr_t)argv);
    dprintf(2, "%s: %s\n", program, strerror(errno));
    _exit(127);
}

char *serve_log_text(const serve_process *server)
{
    off_t size = lseek(server->log, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);

    if (!text || pread(server->log, text, (size_t)size, 0) < 0)
        FAIL("the server's log cannot be read");
    return text;
}

void pause_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

void serve_spawn(serve_process *server, const serve_options *options)
{
    char program[512];

    memset(server, 0, sizeof *server);
    find_program(program);
    if (access(program, X_OK) != 0)
        SKIP("no clipc-serve in the build folder (SERVE=0)");
    if (!has_loopback())
        SKIP("no loopback network here");
    const char *runner = getenv("RUNNER");
    if (runner && *runner) /* its bits are those of another CPU */
        SKIP("clipc-serve would run by itself, not under %.20s", runner);
    if (options->listen && strncmp(options->listen, "unix:", 5) == 0)
        snprintf(server->path, sizeof server->path, "%s", options->listen + 5);
    server->log = make_log();
    server->pid = test_fork();
    if (server->pid == 0)
        run_program(program, options, server->log);
}

/* Learns the port from the log. */
static void find_port(serve_process *server, const char *log)
{
    static const char line[] = "listening on http://";
    const char *at = strstr(log, line);

    if (at && !server->port && !server->path[0]) {
        const char *colon = at + sizeof line - 1;
        colon += strcspn(colon, "]\n");
        colon = *colon == ']' ? colon + 1 : strchr(at + sizeof line - 1, ':');
        server->port = (unsigned)strtoul(colon + 1, NULL, 10);
    }
}

void serve_await(serve_process *server, const char *text)
{
    int status;

    for (int tries = 0; tries < 6000; tries++) {
        char *log = serve_log_text(server);
        bool there = strstr(log, text);
        find_port(server, log);
        if (!there && waitpid(server->pid, &status, WNOHANG) != 0) {
            server->pid = 0;
            FAIL("clipc-serve has ended: %s", log);
        }
        free(log);
        if (there)
            return;
        pause_ms(10);
    }
    FAIL("clipc-serve does not say \"%s\" within a minute", text);
}

void serve_start(serve_process *server, const char *const *args)
{
    const serve_options options = { .args = args };

    serve_spawn(server, &options);
    serve_await(server, "ready: ");
}

int serve_end(serve_process *server)
{
    int status = 0;

    if (server->pid <= 0)
        return 0;
    for (int tries = 0; tries < 6000; tries++) {
        if (waitpid(server->pid, &status, WNOHANG) != 0) {
            server->pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status)
                                     : 128 + WTERMSIG(status);
        }
        pause_ms(10);
    }
    kill(server->pid, SIGKILL);
    waitpid(server->pid, &status, 0);
    server->pid = 0;
    FAIL("clipc-serve does not end within a minute");
}

int serve_stop(serve_process *server)
{
    if (server->pid <= 0)
        return 0;
    kill(server->pid, SIGTERM);
    int status = serve_end(server);
    close(server->log);
    return status;
}

/* ---- HTTP -------------------------------------------------------------- */

void http_free(http_answer *answer)
{
    free(answer->head);
    free(answer->body);
    memset(answer, 0, sizeof *answer);
}

const char *http_header(const http_answer *answer, const char *name)
{
    static char value[512];
    size_t n = strlen(name);

    for (const char *line = answer->head; line && *line;) {
        const char *end = strstr(line, "\r\n");
        if (!end)
            break;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            const char *from = line + n + 1 + strspn(line + n + 1, " ");
            snprintf(value, sizeof value, "%.*s", (int)(end - from), from);
            return value;
        }
        line = end + 2;
    }
    return NULL;
}

static int connect_to(unsigned port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port) };
    struct timeval limit = { .tv_sec = 60 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        FAIL("connect: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

http_answer http_split(char *bytes, size_t n)
{
    http_answer answer = { 0, NULL, NULL, 0 };
    char *end = n ? strstr(bytes, "\r\n\r\n") : NULL;

    if (end) {
        size_t head = (size_t)(end + 4 - bytes);
        answer.head = strndup(bytes, head - 2);
        answer.n = n - head;
        answer.body = malloc(answer.n + 1);
        if (!answer.head || !answer.body ||
            sscanf(bytes, "HTTP/1.%*d %d", &answer.status) != 1)
            FAIL("not an HTTP answer");
        memcpy(answer.body, bytes + head, answer.n);
        answer.body[answer.n] = '\0';
    }
    free(bytes);
    return answer;
}

http_answer http_raw(unsigned port, const void *bytes, size_t n)
{
    int fd = connect_to(port);
    char *all = NULL;
    size_t used = 0, room = 0;

    send_all(fd, bytes, n); /* a refusal may come before the end */
    for (;;) {
        if (room - used < 65536) {
            room = 2 * room + 131072;
            all = realloc(all, room);
            if (!all)
                FAIL("out of memory");
        }
        ssize_t got = recv(fd, all + used, room - used - 1, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            FAIL("no answer within a minute");
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    all[used] = '\0';
    close(fd);
    return http_split(all, used);
}

static http_answer request(unsigned port, const char *head, const void *body,
                           size_t n)
{
    size_t n_head = strlen(head);
    char *all = malloc(n_head + n + 1);

    if (!all)
        FAIL("out of memory");
    memcpy(all, head, n_head);
    if (n)
        memcpy(all + n_head, body, n);
    http_answer answer = http_raw(port, all, n_head + n);
    free(all);
    return answer;
}

http_answer http_get(unsigned port, const char *path, const char *headers)
{
    char head[2048];

    snprintf(head, sizeof head,
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s"
             "\r\n",
             path, headers ? headers : "");
    return request(port, head, NULL, 0);
}

http_answer http_post(unsigned port, const char *path, const char *type,
                      const void *body, size_t n)
{
    char head[2048];

    snprintf(head, sizeof head,
             "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
             "Content-Length: %zu\r\n%s%s%s\r\n",
             path, n, type ? "Content-Type: " : "", type ? type : "",
             type ? "\r\n" : "");
    return request(port, head, body, n);
}

json_t *http_json(http_answer answer, int status)
{
    clipc_error err = CLIPC_ERROR_INIT;
    json_t *json = NULL;

    if (answer.status != status)
        FAIL("status %d, not %d: %.300s", answer.status, status,
             answer.body ? answer.body : "");
    CHECK_OK(clipc_json_parse(&json, answer.body, answer.n, "answer", &err),
             err);
    http_free(&answer);
    return json;
}

double serve_metric(const serve_process *server, const char *sample)
{
    http_answer answer = http_get(server->port, "/metrics", NULL);
    const size_t n = strlen(sample);
    double value = -1;

    if (answer.status != 200)
        FAIL("/metrics: status %d", answer.status);
    for (const char *line = answer.body; line && *line;) {
        if (strncmp(line, sample, n) == 0 && line[n] == ' ')
            value = strtod(line + n, NULL);
        line = strchr(line, '\n');
        line += line != NULL;
    }
    http_free(&answer);
    return value;
}

void serve_await_metric(const serve_process *server, const char *sample,
                        double value)
{
    double now = -1;

    for (int tries = 0; tries < 1000; tries++) {
        now = serve_metric(server, sample);
        if (now == value)
            return;
        pause_ms(10);
    }
    FAIL("%s is %g, not %g", sample, now, value);
}
