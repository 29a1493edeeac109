/* SPDX-License-Identifier: MIT
 *
 * peak.h - the CPU's peak: loops of one multiply-add instruction on registers
 * alone, no memory. A kernel's rate is reported as a share of the peak. The
 * peak is measured between the kernel's own calls, because the clock of a
 * shared machine moves.
 */
#ifndef CLIPC_BENCH_PEAK_H
#define CLIPC_BENCH_PEAK_H

#include "base/thread.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct bench_peak_loop {
    const char *name;  /* of the instruction: "vfmadd231ps zmm" */
    const char *dtype; /* of the factors: "f32", "bf16", "int8" */
    double ops;        /* multiplications and additions of one turn */
    void (*run)(size_t turns);
} bench_peak_loop;

enum { BENCH_PEAKS = 8 };

typedef struct bench_peaks {
    clipc_pool *pool;
    unsigned threads;
    size_t n;
    const bench_peak_loop *loops[BENCH_PEAKS];
    size_t turns[BENCH_PEAKS];
    double best[BENCH_PEAKS]; /* highest rate so far, all threads, Gop/s */
    /* clipc's own kernels use AMX or SME */
    bool tiles_f32, tiles_bf16, tiles_int8;
} bench_peaks;

/* Chooses the loops of these features (CLIPC_CPU_HAS_ bits). */
void bench_peaks_open(bench_peaks *peaks, unsigned threads, unsigned features);
void bench_peaks_close(bench_peaks *peaks);

/* Runs each loop for about two milliseconds on all threads at once. */
void bench_peaks_round(bench_peaks *peaks);

/* The loop to compare a dtype's rate with, or NULL: the fastest of the dtype's
 * instructions, AMX and SME only where clipc's kernels use them. For bf16 also
 * f32's loop is a candidate. */
const bench_peak_loop *bench_peaks_for(const bench_peaks *peaks,
                                       const char *dtype, double *gops);

#if defined(__x86_64__)
/* x86/peak_*.c; call only where the CPU has the instruction. */
void bench_peak_f32_ymm(size_t turns);
void bench_peak_f32_zmm(size_t turns);
void bench_peak_bf16_zmm(size_t turns);
void bench_peak_int8_ymm(size_t turns);
void bench_peak_int8_zmm(size_t turns);
void bench_peak_int8_amx(size_t turns);
void bench_peak_bf16_amx(size_t turns);
#elif defined(__aarch64__)
/* arm/peak_*.c, likewise. */
void bench_peak_f32_neon(size_t turns);
void bench_peak_int8_dotprod(size_t turns);
void bench_peak_int8_i8mm(size_t turns);
void bench_peak_bf16_arm(size_t turns);
void bench_peak_f32_sme(size_t turns);
void bench_peak_bf16_sme(size_t turns);
void bench_peak_int8_sme(size_t turns);
#endif

#endif /* CLIPC_BENCH_PEAK_H */
