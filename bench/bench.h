/* SPDX-License-Identifier: MIT
 *
 * bench.h - options, clock and report of all subcommands of clipc-bench.
 * Non-static symbols start with bench_, so that they cannot clash with
 * the library's.
 */
#ifndef CLIPC_BENCH_H
#define CLIPC_BENCH_H

#include "clipc.h"
#include "peak.h"
#include "util.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct bench_options {
    const char *command, *model, *data_dir, *labels, *image;
    const char *pixels, *out; /* files of raw float32, or NULL */
    const char *program;      /* clipc-classify, for cold */
    unsigned threads;         /* never 0: the CPUs this process may use */
    unsigned batch, reps;
    unsigned count; /* of labels or texts; 0: the subcommand's default */
    unsigned dim;   /* of labels; 0: the model's */
    clipc_vector_dtype vectors; /* of labels */
    clipc_gemm gemm;
    clipc_cpu cpu;
    clipc_precision precision;
    clipc_packing packing;
    unsigned features; /* clipc_cpu_features() as far as cpu allows */
    bool json, rounds;
} bench_options;

typedef struct bench_timing {
    double min, median, max; /* milliseconds of one call */
} bench_timing;

/* A model and a context, as the options say. */
typedef struct bench_session {
    clipc_model *model;
    clipc_ctx *ctx;
    clipc_model_info info;
} bench_session;

typedef void (*bench_call)(void *state);

/* ---- measure.c --------------------------------------------------------- */

/* bench_die() with the usage, and exit status 2 (clipc-bench.c). */
_Noreturn void bench_usage_error(const char *what, const char *value);

/* n floats from, or to, a file of exactly n raw float32. */
void bench_read_floats(const char *path, float *x, size_t n);
void bench_write_floats(const char *path, const float *x, size_t n);

void bench_open(bench_session *session, const bench_options *o);
void bench_close(bench_session *session);

/* Times `reps` calls after an uncounted one. Between two calls each of the
 * peaks, unless NULL, runs once. */
bench_timing bench_measure(bench_call call, void *state, unsigned reps,
                           bench_peaks *peaks);
bench_timing bench_summary(double *times, size_t n);

/* Reads numbers from standard input, one a line; for each, makes as many
 * calls and prints {"ms": [milliseconds of each call]}. */
void bench_rounds(bench_call call, void *state);

/* "auto", "f32", "bf16" or "int8". */
const char *bench_dtype(const bench_options *o);

/* One line, text or JSON: the times of a call divided by `count` units.
 * flops of one unit (0: not printed); peaks: the rates to compare with, or
 * NULL. */
void bench_print(const bench_options *o, const char *unit, double count,
                 bench_timing t, double flops, const bench_peaks *peaks);

/* ---- subcommands ------------------------------------------------------- */

void bench_image(const bench_options *o); /* towers.c */
void bench_text(const bench_options *o);
void bench_labels(const bench_options *o);     /* labels.c */
void bench_preprocess(const bench_options *o); /* pictures.c */
void bench_decode(const bench_options *o);
void bench_resize(const bench_options *o);
void bench_cold(const bench_options *o);    /* cold.c */
void bench_kernels(const bench_options *o); /* kernels.c */
void bench_peak(const bench_options *o);

#endif /* CLIPC_BENCH_H */
