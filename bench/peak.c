/* SPDX-License-Identifier: MIT
 *
 * peak.c - which register-only loops this CPU has, and their rates.
 */
#include "peak.h"

#include "util.h"
#include "base/cpu.h"
#include "kernels/kernels.h"
#include "kernels/dispatch.h"

#include <stdio.h>
#include <string.h>

static const double loop_ms = 2.0;

static const struct {
    unsigned needs;
    bench_peak_loop loop;
} all_loops[] = {
/* operations of a turn: instructions x lanes x products x 2 */
#if defined(__x86_64__)
    { CLIPC_CPU_HAS_AVX2,
      { "vfmadd231ps ymm", "f32", 48 * 8 * 2, bench_peak_f32_ymm } },
    { CLIPC_CPU_HAS_AVX512,
      { "vfmadd231ps zmm", "f32", 48 * 16 * 2, bench_peak_f32_zmm } },
    { CLIPC_CPU_HAS_BF16,
      { "vdpbf16ps zmm", "bf16", 48 * 32 * 2, bench_peak_bf16_zmm } },
    { CLIPC_CPU_HAS_AVXVNNI,
      { "vpdpbusd ymm", "int8", 48 * 32 * 2, bench_peak_int8_ymm } },
    { CLIPC_CPU_HAS_VNNI,
      { "vpdpbusd zmm", "int8", 48 * 64 * 2, bench_peak_int8_zmm } },
    { CLIPC_CPU_HAS_AMX_BF16,
      { "tdpbf16ps tmm", "bf16", 8 * 256 * 32 * 2, bench_peak_bf16_amx } },
    { CLIPC_CPU_HAS_AMX_INT8,
      { "tdpbssd tmm", "int8", 8 * 256 * 64 * 2, bench_peak_int8_amx } },
#elif defined(__aarch64__)
    { CLIPC_CPU_HAS_NEON,
      { "fmla 4s", "f32", 48 * 4 * 2, bench_peak_f32_neon } },
    { CLIPC_CPU_HAS_DOTPROD,
      { "sdot 4s", "int8", 48 * 16 * 2, bench_peak_int8_dotprod } },
    { CLIPC_CPU_HAS_I8MM,
      { "smmla 4s", "int8", 48 * 32 * 2, bench_peak_int8_i8mm } },
    { CLIPC_CPU_HAS_ARM_BF16,
      { "bfmmla 4s", "bf16", 48 * 16 * 2, bench_peak_bf16_arm } },
    { CLIPC_CPU_HAS_SME_F32,
      { "fmopa za", "f32", 8 * 256 * 2, bench_peak_f32_sme } },
    { CLIPC_CPU_HAS_SME_BF16,
      { "bfmopa za", "bf16", 8 * 256 * 2 * 2, bench_peak_bf16_sme } },
    { CLIPC_CPU_HAS_SME_INT8,
      { "smopa za", "int8", 8 * 256 * 4 * 2, bench_peak_int8_sme } },
#else
    { 0, { "", "", 0, NULL } }, /* none */
#endif
};

static void choose(bench_peaks *peaks, unsigned features)
{
    for (size_t i = 0; i < sizeof all_loops / sizeof all_loops[0]; i++)
        if (all_loops[i].needs & features)
            peaks->loops[peaks->n++] = &all_loops[i].loop;
}

typedef struct peak_task {
    const bench_peak_loop *loop;
    size_t turns;
} peak_task;

static void run_loop(void *arg, unsigned thread, unsigned n_threads)
{
    const peak_task *task = arg;
    (void)thread;
    (void)n_threads;
    task->loop->run(task->turns);
}

/* Whether the kernel's sums are in the tiles of AMX or SME. */
static bool in_tiles(const clipc_tile_kernel *kernel)
{
    return kernel->run &&
           (strstr(kernel->name, "amx") || strstr(kernel->name, "sme"));
}

void bench_peaks_open(bench_peaks *peaks, unsigned threads, unsigned features)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_kernels kernels;

    *peaks = (bench_peaks){ 0 };
    choose(peaks, features);
    clipc_kernels_init(&kernels, features);
    peaks->tiles_f32 = in_tiles(clipc_layer_tile_f32(&kernels));
    peaks->tiles_bf16 = in_tiles(&kernels.bf16);
    peaks->tiles_int8 = in_tiles(&kernels.s8);
    if (clipc_pool_create(&peaks->pool, threads, &err))
        bench_die("threads", &err);
    peaks->threads = clipc_pool_size(peaks->pool);
    for (size_t i = 0; i < peaks->n; i++) {
        const size_t some = 1000;
        double start = bench_now_ms();
        peaks->loops[i]->run(some);
        double ms = bench_now_ms() - start;
        peaks->turns[i] = some + (size_t)(loop_ms / (ms + 1e-3) * some);
    }
}

void bench_peaks_close(bench_peaks *peaks)
{
    clipc_pool_destroy(peaks->pool);
    *peaks = (bench_peaks){ 0 };
}

void bench_peaks_round(bench_peaks *peaks)
{
    for (size_t i = 0; i < peaks->n; i++) {
        peak_task task = { peaks->loops[i], peaks->turns[i] };
        double start = bench_now_ms();
        clipc_pool_run(peaks->pool, run_loop, &task);
        double ms = bench_now_ms() - start;
        double gops = task.loop->ops * (double)task.turns * peaks->threads /
                      ms / 1e6;
        if (gops > peaks->best[i])
            peaks->best[i] = gops;
    }
}

const bench_peak_loop *bench_peaks_for(const bench_peaks *peaks,
                                       const char *dtype, double *gops)
{
    const bench_peak_loop *found = NULL;
    bool narrow = strcmp(dtype, "bf16") == 0;
    bool tiles = narrow                      ? peaks->tiles_bf16
                 : strcmp(dtype, "f32") == 0 ? peaks->tiles_f32
                                             : peaks->tiles_int8;

    *gops = 0.0;
    for (size_t i = 0; i < peaks->n; i++) {
        const bench_peak_loop *loop = peaks->loops[i];
        bool fits = strcmp(loop->dtype, dtype) == 0 ||
                    (narrow && strcmp(loop->dtype, "f32") == 0);
        const bool in_tile = strstr(loop->name, "tmm") ||
                             strstr(loop->name, "za");
        if (fits && (tiles || !in_tile) && peaks->best[i] > *gops) {
            *gops = peaks->best[i];
            found = loop;
        }
    }
    return found;
}

/* ---- the subcommand ---------------------------------------------------- */
