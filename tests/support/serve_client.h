/* SPDX-License-Identifier: MIT
 *
 * serve_client.h - clipc-serve as a child of the test, and a plain HTTP client
 * for it. A failure to start or to talk fails the test.
 */
#ifndef CLIPC_TEST_SERVE_CLIENT_H
#define CLIPC_TEST_SERVE_CLIENT_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct serve_process {
    pid_t pid;
    unsigned port;
    char path[108]; /* of its Unix socket, or "" */
    int log;        /* its standard error, a file */
} serve_process;

typedef struct serve_options {
    const char *const *args; /* ended by NULL */
    const char *const *env;  /* name, value, ..., ended by NULL; or NULL */
    const char *listen;      /* NULL: 127.0.0.1:0 */
    int listen_fd;           /* not 0: the program has this socket as the
                              * service manager's, instead of --listen */
    const char *listen_fds;  /* LISTEN_FDS; NULL: 1 */
} serve_options;

/* Starts clipc-serve. Skips the test where the program is not built, or there
 * is no loopback. The child dies with the test. */
void serve_spawn(serve_process *server, const serve_options *options);

/* Waits until its standard error has the text; fails the test when the program
 * ends before. */
void serve_await(serve_process *server, const char *text);

/* Starts `clipc-serve --listen 127.0.0.1:0` with further arguments (ended by
 * NULL) and waits until it is ready. */
void serve_start(serve_process *server, const char *const *args);

/* Waits for the end of the program: its exit status, or 128 + the signal that
 * ended it. */
int serve_end(serve_process *server);

/* The same after SIGTERM. The server may not be running. */
int serve_stop(serve_process *server);

/* All of its standard error so far; free(). */
char *serve_log_text(const serve_process *server);

/* An answer; release by http_free(). */
typedef struct http_answer {
    int status; /* 0: the connection ended without one */
    char *head; /* terminated */
    char *body; /* [n], terminated too */
    size_t n;
} http_answer;
void http_free(http_answer *answer);

/* The answer in the bytes, which are freed; a body that the head does not
 * delimit. */
http_answer http_split(char *bytes, size_t n);

/* The value of a header, valid until the next call; NULL: none. */
const char *http_header(const http_answer *answer, const char *name);

/* Sends the bytes over a new connection and reads until its end. */
http_answer http_raw(unsigned port, const void *bytes, size_t n);

/* Requests with Connection: close. type NULL: no Content-Type. */
http_answer http_get(unsigned port, const char *path, const char *headers);
http_answer http_post(unsigned port, const char *path, const char *type,
                      const void *body, size_t n);

/* The body as JSON, released by json_decref(). Fails the test when the status
 * is another, or the body is no JSON; releases the answer. */
json_t *http_json(http_answer answer, int status);

/* The value of a sample of /metrics, as "clipc_queue_depth{kind=\"image\"}";
 * -1: there is none. */
double serve_metric(const serve_process *server, const char *sample);

/* Waits until it has the value; fails the test after ten seconds. */
void serve_await_metric(const serve_process *server, const char *sample,
                        double value);

void pause_ms(long ms);

#endif /* CLIPC_TEST_SERVE_CLIENT_H */
