/* SPDX-License-Identifier: MIT
 *
 * util.h - clock, memory and files of clipc-bench.
 */
#ifndef CLIPC_BENCH_UTIL_H
#define CLIPC_BENCH_UTIL_H

#include "clipc.h"

#include <stddef.h>

/* Ends the program: exit status 1. err: NULL for errno's message. */
_Noreturn void bench_die(const char *what, const clipc_error *err);

double bench_now_ms(void);

/* Memory, or the end of the program. Floats are a fixed sequence in [-1, 1) of
 * different numbers. */
void *bench_alloc(size_t n_bytes);
float *bench_floats(size_t n);

/* A whole file and a zero behind the last byte; free it. */
char *bench_read_file(const char *path, size_t *n_bytes);

#endif /* CLIPC_BENCH_UTIL_H */
