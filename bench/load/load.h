/* SPDX-License-Identifier: MIT
 *
 * load.h - the parts of serve-load: requests, connections, threads, and what
 * the server's process uses. Needs nothing but libc and POSIX threads.
 */
#ifndef CLIPC_BENCH_LOAD_H
#define CLIPC_BENCH_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Ends the program with a message: status 1, or 2 and the way to --help. */
_Noreturn void load_die(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
_Noreturn void load_usage_error(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

double load_now(void); /* seconds of the monotonic clock */
void *load_alloc(size_t n_bytes);
char *load_copy(const char *text);

/* ---- outcomes: an HTTP status, or one of these ------------------------- */

enum {
    LOAD_CLOSED,    /* the connection ended without a whole answer */
    LOAD_TIMEOUT,   /* no whole answer in time */
    LOAD_REFUSED,   /* no connection */
    LOAD_MALFORMED, /* not HTTP */
    LOAD_OUTCOMES = 600
};

/* "200", "closed", ...; valid until the next call. */
const char *load_outcome_name(unsigned outcome);

/* ---- requests: mix.c --------------------------------------------------- */

typedef enum load_action {
    LOAD_ASK,  /* sends all, reads the answer */
    LOAD_RAW,  /* the same on a connection of its own */
    LOAD_TORN, /* sends half and closes */
    LOAD_SLOW  /* sends 64 bytes, 20 ms each, and closes */
} load_action;

typedef struct load_request {
    load_action action;
    unsigned weight;
    bool any;                     /* every outcome is expected */
    bool expected[LOAD_OUTCOMES]; /* these are */
    char *head;                   /* of HTTP, or all of a raw request */
    size_t head_bytes;
    char *body;
    size_t body_bytes;
    char *line; /* of the list, for messages */
} load_request;

typedef struct load_mix {
    load_request *items;
    size_t n;
    unsigned weights; /* the sum */
} load_mix;

/* host: for the Host header. headers: further lines, each with its CRLF. */
void load_mix_read(load_mix *mix, const char *path, const char *host,
                   const char *headers);
void load_mix_add_file(load_mix *mix, const char *file, const char *target,
                       const char *type, const char *host,
                       const char *headers);

void load_mix_free(load_mix *mix);

/* The k-th of a fixed sequence in which requests stand by their weights. */
const load_request *load_mix_choose(const load_mix *mix, uint64_t k);

/* ---- connections: exchange.c ------------------------------------------- */

typedef struct load_connection {
    struct sockaddr_in address;
    double timeout; /* seconds for one exchange */
    int fd;         /* -1: none */
    char *data;     /* [LOAD_READ_BYTES], received and not used yet */
    size_t n, at;
} load_connection;

enum { LOAD_READ_BYTES = 1 << 16 };

/* Sends the request, reads the answer and drops its body; the outcome. The
 * connection stays open when the answer allows. */
unsigned load_exchange(load_connection *con, const load_request *request);
void load_close(load_connection *con);

/* ---- the server's process: process.c ----------------------------------- */

typedef struct load_process {
    bool known;
    double cpu_s;
    unsigned long rss_kib, peak_kib; /* resident, mapped files included */
    unsigned long anonymous_kib;     /* without them */
    unsigned long threads, descriptors;
} load_process;

/* known is false when there is no such process, or it is somebody else's. */
load_process load_process_read(pid_t pid);

/* ---- a run: run.c ------------------------------------------------------ */

typedef struct load_settings {
    struct sockaddr_in address;
    unsigned connections;
    double rate;         /* requests a second; 0: closed loop */
    double warm_up;      /* seconds before anything is counted */
    double duration;     /* seconds that are counted */
    uint64_t n_requests; /* most, the warm-up included; 0: no bound */
    double timeout;
    pid_t pid;     /* the server's; 0: unknown */
    double sample; /* seconds between lines about the process; 0: none */
} load_settings;

typedef struct load_result {
    double seconds;
    uint64_t counts[LOAD_OUTCOMES];
    uint64_t unexpected;
    uint64_t late; /* open loop: sent more than 1 ms after its time */
    float *ms;     /* [n] of all answers with a status, ascending */
    size_t n;
    double client_cpu_s;
    load_process before, after; /* of the counted time */
} load_result;

/* Says unexpected outcomes on standard error, the first 20. */
void load_run(load_result *result, const load_settings *settings,
              const load_mix *mix);

#endif /* CLIPC_BENCH_LOAD_H */
