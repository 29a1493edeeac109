/* SPDX-License-Identifier: MIT
 *
 * cold.c - `clipc-bench cold`: whole runs of clipc-classify on one picture,
 * from exec to exit, first with the labels' embeddings in the cache, then with
 * --no-cache. The page cache is warm. Peak memory counts mapped files.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* wait4 */
#endif
#include "bench.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

typedef struct cold {
    char *argv[12];
    double cpu_ms;
    long peak_kib;
} cold;

static double milliseconds(struct timeval t)
{
    return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

static void run_program(void *state)
{
    cold *c = state;
    posix_spawn_file_actions_t actions;
    struct rusage used;
    pid_t child;
    int status;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&child, c->argv[0], &actions, NULL, c->argv, environ) ||
        wait4(child, &status, 0, &used) != child)
        bench_die(c->argv[0], NULL);
    posix_spawn_file_actions_destroy(&actions);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_usage_error("did not succeed", c->argv[0]);
    c->cpu_ms = milliseconds(used.ru_utime) + milliseconds(used.ru_stime);
    if (used.ru_maxrss > c->peak_kib)
        c->peak_kib = used.ru_maxrss;
}

void bench_cold(const bench_options *o)
{
    static const char *const rows[] = { "cached", "no-cache" };
    char threads[16], *data_dir, *model, *image, *program;

    snprintf(threads, sizeof threads, "%u", o->threads);
    /* argv is not const in POSIX, yet nothing writes it. */
    if (!(data_dir = strdup(o->data_dir)) || !(model = strdup(o->model)) ||
        !(image = strdup(o->image)) || !(program = strdup(o->program)))
        bench_die("memory", NULL);
    for (int row = 0; row < 2; row++) {
        cold c = { .argv = { program, "--quiet", "--data-dir", data_dir,
                             "--model", model, "--threads", threads, image,
                             row ? "--no-cache" : NULL, NULL } };
        bench_timing t = bench_measure(run_program, &c, o->reps, NULL);
        if (o->json)
            printf("{\"command\": \"cold\", \"labels\": \"%s\", \"threads\": "
                   "%u, \"reps\": %u, \"ms\": {\"min\": %.3f, \"median\": "
                   "%.3f, \"max\": %.3f}, \"cpu_ms\": %.1f, \"peak_kib\": "
                   "%ld}\n",
                   rows[row], o->threads, o->reps, t.min, t.median, t.max,
                   c.cpu_ms, c.peak_kib);
        else
            printf("cold       %s, labels %s: min %.1f  median %.1f  max "
                   "%.1f ms, CPU %.1f ms, peak %.1f MiB\n",
                   o->model, rows[row], t.min, t.median, t.max, c.cpu_ms,
                   (double)c.peak_kib / 1024.0);
    }
    free(data_dir);
    free(model);
    free(image);
    free(program);
}
