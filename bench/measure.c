/* SPDX-License-Identifier: MIT
 *
 * measure.c - sessions, times and the report of clipc-bench.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- the model --------------------------------------------------------- */

void bench_read_floats(const char *path, float *x, size_t n)
{
    size_t n_bytes;
    char *data = bench_read_file(path, &n_bytes);

    if (n_bytes != n * sizeof *x)
        bench_usage_error("not a batch of raw float32 pixels", path);
    memcpy(x, data, n_bytes);
    free(data);
}

void bench_write_floats(const char *path, const float *x, size_t n)
{
    FILE *file = fopen(path, "wb");

    if (!file || fwrite(x, sizeof *x, n, file) != n || fclose(file))
        bench_die(path, NULL);
}

void bench_open(bench_session *session, const bench_options *o)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_params model_params = clipc_model_params_default();
    clipc_ctx_params ctx_params = clipc_ctx_params_default();

    model_params.data_dir = o->data_dir;
    ctx_params.threads = o->threads;
    ctx_params.gemm = o->gemm;
    ctx_params.cpu = o->cpu;
    ctx_params.precision = o->precision;
    ctx_params.packing = o->packing;
    session->info.struct_size = sizeof session->info;
    if (clipc_model_open(&session->model, o->model, &model_params, &err) ||
        clipc_ctx_create(&session->ctx, session->model, &ctx_params, &err) ||
        clipc_model_get_info(session->model, &session->info, &err))
        bench_die(o->model, &err);
}

void bench_close(bench_session *session)
{
    clipc_ctx_free(session->ctx);
    clipc_model_free(session->model);
}

/* ---- timing ------------------------------------------------------------ */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bench_timing bench_summary(double *times, size_t n)
{
    qsort(times, n, sizeof *times, compare_doubles);
    return (bench_timing){ times[0], times[n / 2], times[n - 1] };
}

static double timed(bench_call call, void *state)
{
    double start = bench_now_ms();
    call(state);
    return bench_now_ms() - start;
}

bench_timing bench_measure(bench_call call, void *state, unsigned reps,
                           bench_peaks *peaks)
{
    double *times = bench_alloc(reps * sizeof *times);

    call(state);
    for (unsigned i = 0; i < reps; i++) {
        if (peaks)
            bench_peaks_round(peaks);
        times[i] = timed(call, state);
    }
    bench_timing t = bench_summary(times, reps);
    free(times);
    return t;
}

void bench_rounds(bench_call call, void *state)
{
    const int warm_ups = 5;
    unsigned n;

    for (int i = 0; i < warm_ups; i++)
        call(state);
    printf("{\"ready\": true}\n");
    fflush(stdout);
    while (scanf("%u", &n) == 1) {
        printf("{\"ms\": [");
        for (unsigned i = 0; i < n; i++)
            printf("%s%.4f", i ? ", " : "", timed(call, state));
        printf("]}\n");
        fflush(stdout);
    }
}

/* ---- report ------------------------------------------------------------ */

static void print_json_string(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20)
            printf("\\u%04x", (unsigned char)*s);
        else
            printf(*s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    }
    putchar('"');
}

const char *bench_dtype(const bench_options *o)
{
    static const char *const names[] = {
        [CLIPC_PRECISION_AUTO] = "auto",
        [CLIPC_PRECISION_F32] = "f32",
        [CLIPC_PRECISION_BF16] = "bf16",
        [CLIPC_PRECISION_INT8] = "int8",
    };
    return names[o->precision];
}

static void print_json(const bench_options *o, const char *unit, double count,
                       bench_timing t, double gflops, const bench_peaks *peaks)
{
    double peak;
    const bench_peak_loop *against =
        peaks ? bench_peaks_for(peaks, bench_dtype(o), &peak) : NULL;

    printf("{\"command\": \"%s\", \"model\": ", o->command);
    print_json_string(o->model);
    printf(
        ", \"dtype\": \"%s\", \"threads\": %u, \"batch\": %u, \"reps\": %u, \"ms_per_%s\": "
        "{\"min\": %.4f, \"median\": %.4f, \"max\": %.4f}",
        bench_dtype(o), o->threads, o->batch, o->reps, unit, t.min / count,
        t.median / count, t.max / count);
    if (gflops > 0.0)
        printf(", \"gflops\": %.2f", gflops);
    if (against) {
        printf(", \"peak_instruction\": \"%s\", \"peak_gflops\": %.2f, "
               "\"share_of_peak\": %.4f, \"peaks\": {",
               against->name, peak, gflops / peak);
        for (size_t i = 0; i < peaks->n; i++)
            printf("%s\"%s\": %.2f", i ? ", " : "", peaks->loops[i]->name,
                   peaks->best[i]);
        printf("}");
    }
    printf("}\n");
}

void bench_print(const bench_options *o, const char *unit, double count,
                 bench_timing t, double flops, const bench_peaks *peaks)
{
    double gflops = flops * count / t.min / 1e6, peak;

    if (o->json) {
        print_json(o, unit, count, t, gflops, peaks);
        return;
    }
    printf("%-10s %s: min %.3f  median %.3f  max %.3f ms per %s", o->command,
           o->model, t.min / count, t.median / count, t.max / count, unit);
    if (gflops > 0.0)
        printf("  %.1f GFLOP/s", gflops);
    const bench_peak_loop *against =
        peaks ? bench_peaks_for(peaks, bench_dtype(o), &peak) : NULL;
    if (against)
        printf(", %.1f %% of %s's %.1f", 100.0 * gflops / peak, against->name,
               peak);
    printf("\n");
}
