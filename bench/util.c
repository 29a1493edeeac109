/* SPDX-License-Identifier: MIT
 *
 * util.c - see util.h.
 */
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Noreturn void bench_die(const char *what, const clipc_error *err)
{
    fprintf(stderr, "clipc-bench: %s: %s\n", what,
            err ? err->message : strerror(errno));
    exit(1);
}

double bench_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- memory and files -------------------------------------------------- */

void *bench_alloc(size_t n_bytes)
{
    void *p = malloc(n_bytes ? n_bytes : 1);
    if (!p)
        bench_die("memory", NULL);
    return p;
}

float *bench_floats(size_t n)
{
    float *x = bench_alloc(n * sizeof *x);
    uint32_t state = 1;

    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
    }
    return x;
}

char *bench_read_file(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    long size = -1;

    if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0)
        bench_die(path, NULL);
    rewind(file);
    char *data = bench_alloc((size_t)size + 1);
    if (fread(data, 1, (size_t)size, file) != (size_t)size)
        bench_die(path, NULL);
    fclose(file);
    data[size] = '\0';
    *n_bytes = (size_t)size;
    return data;
}
