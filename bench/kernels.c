/* SPDX-License-Identifier: MIT
 *
 * kernels.c - `clipc-bench kernels`: every inner loop of the table (kernels.h)
 * on data in the first-level cache, in C and in the form chosen for this CPU;
 * products are also compared with the peak on registers. One thread.
 */
#include "bench.h"
#include "base/cpu.h"
#include "kernels/kernels.h"
#include "kernels/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 768, /* of a row, and the depth of a product */
    STRIPS_BYTES = CLIPC_MAX_TILE_STRIPS * WIDTH * CLIPC_STRIP_BYTES
};

typedef struct lab {
    float *x, *y, *gain, *bias;   /* [WIDTH] */
    float *scales;                /* [WIDTH] */
    int32_t *sums;                /* [WIDTH] */
    uint16_t *halves;             /* [WIDTH], bf16 of x */
    unsigned char *rows, *strips; /* of a tile */
    float *acc;                   /* [32, 64] */
    const void *weights[16];      /* rows of 16 x WIDTH floats */
    const uint16_t *half_rows[16];
    void *weights_data, *half_data;
    volatile float sink;
} lab;

typedef struct subject {
    const char *name;
    const char *dtype; /* of a product, else NULL */
    double work;       /* operations (products) or elements of one call */
    void (*run)(const clipc_kernels *k, lab *l);
} subject;

/* ---- products ---------------------------------------------------------- */

static size_t operand_bytes(clipc_operand_format format)
{
    switch (format) {
    case CLIPC_OPERAND_F32:
    case CLIPC_OPERAND_F32_BF16: return 4;
    case CLIPC_OPERAND_BF16: return 2;
    default: return 1;
    }
}

/* A full tile over a depth of WIDTH; g inputs share a k-step. */
static void tile(const clipc_tile_kernel *kernel, lab *l, size_t g)
{
    const size_t row = WIDTH * operand_bytes(kernel->format) + 64;
    const clipc_tile t = {
        .c = l->acc,
        .c_stride = CLIPC_MAX_TILE_STRIPS * CLIPC_STRIP_COLUMNS * 4,
        .a = l->rows,
        .a_stride = kernel->group ? kernel->group * row : row,
        .b = l->strips,
        .b_stride = WIDTH / g * CLIPC_STRIP_BYTES,
        .k_steps = WIDTH / g,
        .rows = kernel->max_rows,
        .strips = kernel->max_strips,
    };
    if (kernel->begin)
        kernel->begin(t.rows);
    kernel->run(&t);
}

static void tile_f32(const clipc_kernels *k, lab *l)
{
    tile(clipc_layer_tile_f32(k), l, 1);
}

static void tile_bf16(const clipc_kernels *k, lab *l)
{
    tile(&k->bf16, l, 2);
}

static void tile_s8(const clipc_kernels *k, lab *l)
{
    tile(&k->s8, l, 4);
}

/* ---- finishing a product ----------------------------------------------- */

static void finish_activation(const clipc_kernels *k, lab *l,
                              clipc_finish_op op)
{
    const clipc_finish finish = {
        .bias = l->bias, .scale = 1.0f, .op = op, .out = l->y, .out_stride = 0
    };
    k->finish_f32(&finish, l->x, 0, 0, 1, 0, WIDTH);
}

static void finish_quick_gelu(const clipc_kernels *k, lab *l)
{
    finish_activation(k, l, CLIPC_FINISH_QUICK_GELU);
}

static void finish_gelu(const clipc_kernels *k, lab *l)
{
    finish_activation(k, l, CLIPC_FINISH_GELU);
}

static void finish_gelu_tanh(const clipc_kernels *k, lab *l)
{
    finish_activation(k, l, CLIPC_FINISH_GELU_TANH);
}

static void finish_add(const clipc_kernels *k, lab *l)
{
    const clipc_finish finish = {
        .bias = l->bias, .scale = 1.0f, .add = true, .out = l->y
    };
    memset(l->y, 0, WIDTH * sizeof *l->y); /* or sums would grow */
    k->finish_f32(&finish, l->x, 0, 0, 1, 0, WIDTH);
}

static void finish_s8(const clipc_kernels *k, lab *l)
{
    const clipc_finish finish = { .bias = l->bias,
                                  .scale = 1.0f,
                                  .out = l->y,
                                  .row_scale = l->scales,
                                  .column_scale = l->scales,
                                  .column_sums = l->sums };
    k->finish_s8(&finish, l->sums, 0, 0, 1, 0, WIDTH);
}

/* ---- packing ----------------------------------------------------------- */

static void pack_f32(const clipc_kernels *k, lab *l)
{
    k->pack_f32((float *)(void *)l->strips, l->weights, CLIPC_STORE_F32, 16,
                WIDTH);
}

static void pack_bf16(const clipc_kernels *k, lab *l)
{
    k->pack_bf16((uint16_t *)(void *)l->strips, l->weights, CLIPC_STORE_F32,
                 16, WIDTH);
}

static void pack_f16(const clipc_kernels *k, lab *l)
{
    k->pack_f16((uint16_t *)(void *)l->strips, l->half_rows, 16, WIDTH);
}

static void pack_s8(const clipc_kernels *k, lab *l)
{
    k->pack_s8((int8_t *)l->strips, l->scales, l->sums, l->weights,
               CLIPC_STORE_F32, 16, WIDTH);
}

static void widen_strip(const clipc_kernels *k, lab *l)
{
    k->widen_strip((float *)(void *)l->strips, l->half_data, CLIPC_STORE_BF16,
                   WIDTH);
}

/* ---- rows -------------------------------------------------------------- */

static void layernorm(const clipc_kernels *k, lab *l)
{
    k->layernorm(l->y, l->x, l->gain, l->bias, 1e-5f, WIDTH);
}

static void row_bf16(const clipc_kernels *k, lab *l)
{
    k->row_bf16((uint16_t *)(void *)l->rows, l->x, WIDTH, WIDTH);
}

static void row_f32_bf16(const clipc_kernels *k, lab *l)
{
    k->row_f32_bf16(l->y, l->x, WIDTH);
}

static void row_s8(const clipc_kernels *k, lab *l)
{
    k->row_s8(l->rows, l->scales, l->x, WIDTH, WIDTH);
}

static void row_u8(const clipc_kernels *k, lab *l)
{
    k->row_u8(l->rows, l->scales, l->x, WIDTH, WIDTH);
}

static void widen(const clipc_kernels *k, lab *l)
{
    k->widen(l->y, l->halves, CLIPC_STORE_BF16, WIDTH);
}

static void add(const clipc_kernels *k, lab *l)
{
    memset(l->y, 0, WIDTH * sizeof *l->y);
    k->add(l->y, l->x, WIDTH);
}

static void softmax(const clipc_kernels *k, lab *l)
{
    memcpy(l->y, l->x, WIDTH * sizeof *l->y);
    k->softmax(l->y, WIDTH);
}

static void dot(const clipc_kernels *k, lab *l)
{
    l->sink = k->dot(l->x, l->gain, CLIPC_STORE_F32, WIDTH);
}

static void dot_f16(const clipc_kernels *k, lab *l)
{
    l->sink = k->dot(l->x, l->half_data, CLIPC_STORE_F16, WIDTH);
}

static void dot_s8(const clipc_kernels *k, lab *l)
{
    l->sink = k->dot(l->x, l->half_data, CLIPC_STORE_S8, WIDTH);
}

static void dot_squares_of(const clipc_kernels *k, lab *l, const void *y,
                           clipc_storage storage)
{
    double squares;

    l->sink = k->dot_squares(&squares, l->x, y, storage, WIDTH) +
              (float)squares;
}

static void dot_squares(const clipc_kernels *k, lab *l)
{
    dot_squares_of(k, l, l->gain, CLIPC_STORE_F32);
}

static void dot_squares_f16(const clipc_kernels *k, lab *l)
{
    dot_squares_of(k, l, l->half_data, CLIPC_STORE_F16);
}

static void dot_squares_s8(const clipc_kernels *k, lab *l)
{
    dot_squares_of(k, l, l->half_data, CLIPC_STORE_S8);
}

static const subject subjects[] = {
    { "tile f32", "f32", 0, tile_f32 },
    { "tile bf16", "bf16", 0, tile_bf16 },
    { "tile s8", "int8", 0, tile_s8 },
    { "finish f32, quick_gelu", NULL, WIDTH, finish_quick_gelu },
    { "finish f32, gelu", NULL, WIDTH, finish_gelu },
    { "finish f32, gelu_tanh", NULL, WIDTH, finish_gelu_tanh },
    { "finish f32, residual", NULL, WIDTH, finish_add },
    { "finish s8", NULL, WIDTH, finish_s8 },
    { "pack f32", NULL, 16 * WIDTH, pack_f32 },
    { "pack bf16", NULL, 16 * WIDTH, pack_bf16 },
    { "pack f16", NULL, 16 * WIDTH, pack_f16 },
    { "pack s8", NULL, 16 * WIDTH, pack_s8 },
    { "widen strip", NULL, 16 * WIDTH, widen_strip },
    { "layernorm", NULL, WIDTH, layernorm },
    { "row bf16", NULL, WIDTH, row_bf16 },
    { "row f32 bf16", NULL, WIDTH, row_f32_bf16 },
    { "row s8", NULL, WIDTH, row_s8 },
    { "row u8", NULL, WIDTH, row_u8 },
    { "widen", NULL, WIDTH, widen },
    { "add", NULL, WIDTH, add },
    { "softmax", NULL, WIDTH, softmax },
    { "dot", NULL, WIDTH, dot },
    { "dot f16", NULL, WIDTH, dot_f16 },
    { "dot s8", NULL, WIDTH, dot_s8 },
    { "dot and squares", NULL, WIDTH, dot_squares },
    { "dot and squares f16", NULL, WIDTH, dot_squares_f16 },
    { "dot and squares s8", NULL, WIDTH, dot_squares_s8 },
};

/* ---- timing ------------------------------------------------------------ */

static const clipc_tile_kernel *product(const clipc_kernels *k,
                                        const char *dtype)
{
    return *dtype == 'f'   ? clipc_layer_tile_f32(k)
           : *dtype == 'b' ? &k->bf16
                           : &k->s8;
}

/* 1e9 operations or elements a second: the best of --reps runs of about half
 * a millisecond; 0 where the table has no such kernel. */
static double rate(const subject *s, const clipc_kernels *k, lab *l,
                   unsigned reps)
{
    double work = s->work, best = 0.0;
    const clipc_tile_kernel *kernel = s->dtype ? product(k, s->dtype) : NULL;
    size_t calls = 1;

    if (kernel && !kernel->run)
        return 0.0;
    if (kernel)
        work = 2.0 * WIDTH * CLIPC_STRIP_COLUMNS * kernel->max_rows *
               kernel->max_strips;
    for (unsigned i = 0; i < reps; i++) {
        double start = bench_now_ms();
        for (size_t j = 0; j < calls; j++)
            s->run(k, l);
        double ms = bench_now_ms() - start;
        if (ms < 0.5) { /* too short for the clock: not counted */
            calls *= 2;
            i--;
            continue;
        }
        if (work * (double)calls / ms / 1e6 > best)
            best = work * (double)calls / ms / 1e6;
    }
    if (kernel && kernel->done)
        kernel->done();
    return best;
}

static void open_lab(lab *l)
{
    *l = (lab){
        .x = bench_floats(WIDTH),
        .y = bench_floats(WIDTH),
        .gain = bench_floats(WIDTH),
        .bias = bench_floats(WIDTH),
        .scales = bench_floats(WIDTH),
        .sums = calloc(WIDTH, sizeof(int32_t)),
        .halves = calloc(WIDTH, sizeof(uint16_t)),
        .rows = aligned_alloc(64, CLIPC_MAX_TILE_ROWS * (WIDTH * 4 + 64)),
        .strips = aligned_alloc(64, STRIPS_BYTES),
        .acc = aligned_alloc(64, CLIPC_MAX_TILE_ROWS * CLIPC_MAX_TILE_STRIPS *
                                     CLIPC_STRIP_COLUMNS * 4),
        .weights_data = bench_floats(16 * WIDTH),
        .half_data = aligned_alloc(64, WIDTH * CLIPC_STRIP_BYTES),
    };
    if (!l->sums || !l->halves || !l->rows || !l->strips || !l->acc ||
        !l->half_data)
        bench_die("memory", NULL);
    memset(l->rows, 0, CLIPC_MAX_TILE_ROWS * (WIDTH * 4 + 64));
    memset(l->strips, 0, STRIPS_BYTES);
    memset(l->half_data, 0, WIDTH * CLIPC_STRIP_BYTES);
    for (size_t i = 0; i < 16; i++) {
        l->weights[i] = (const float *)l->weights_data + i * WIDTH;
        l->half_rows[i] = (const uint16_t *)l->half_data + i * WIDTH;
    }
}

static void close_lab(lab *l)
{
    free(l->x);
    free(l->y);
    free(l->gain);
    free(l->bias);
    free(l->scales);
    free(l->sums);
    free(l->halves);
    free(l->rows);
    free(l->strips);
    free(l->acc);
    free(l->weights_data);
    free(l->half_data);
}

static void report(const bench_options *o, const subject *s,
                   const clipc_kernels *best, double c, double ours,
                   const bench_peaks *peaks)
{
    const char *name = s->dtype ? product(best, s->dtype)->name : best->name;
    const char *unit = s->dtype ? "Gop/s" : "Gelement/s";
    double peak = 0.0;

    if (s->dtype)
        bench_peaks_for(peaks, s->dtype, &peak);
    if (o->json) {
        printf("{\"command\": \"kernels\", \"kernel\": \"%s\", \"variant\": "
               "\"%s\", \"unit\": \"%s\", \"c\": %.4f, \"best\": %.4f",
               s->name, name, unit, c, ours);
        if (peak > 0.0)
            printf(", \"peak\": %.2f, \"share_of_peak\": %.4f", peak,
                   ours / peak);
        printf("}\n");
        return;
    }
    printf("%-24s C %9.3f  %-14s %9.3f %-10s", s->name, c, name, ours, unit);
    if (c > 0.0)
        printf("  %6.1f x C", ours / c);
    if (peak > 0.0)
        printf("  %5.1f %% of the peak", 100.0 * ours / peak);
    printf("\n");
}

void bench_peak(const bench_options *o)
{
    bench_peaks peaks;

    bench_peaks_open(&peaks, o->threads, o->features);
    for (unsigned i = 0; i < o->reps; i++)
        bench_peaks_round(&peaks);
    if (o->json)
        printf("{\"threads\": %u, \"reps\": %u, \"peaks\": {", o->threads,
               o->reps);
    for (size_t i = 0; i < peaks.n; i++) {
        const bench_peak_loop *loop = peaks.loops[i];
        if (o->json)
            printf("%s\"%s\": %.2f", i ? ", " : "", loop->name, peaks.best[i]);
        else
            printf("peak       %-16s %-4s  %u threads  %8.1f Gop/s\n",
                   loop->name, loop->dtype, o->threads, peaks.best[i]);
    }
    if (o->json)
        printf("}}\n");
    bench_peaks_close(&peaks);
}

void bench_kernels(const bench_options *o)
{
    clipc_kernels in_c, best;
    bench_peaks peaks;
    lab l;

    clipc_kernels_init(&in_c, 0);
    clipc_kernels_init(&best, o->features);
    bench_peaks_open(&peaks, 1, o->features);
    open_lab(&l);
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        const subject *s = &subjects[i];
        bench_peaks_round(&peaks);
        double c = rate(s, &in_c, &l, 3), ours = rate(s, &best, &l, o->reps);
        bench_peaks_round(&peaks);
        if (c > 0.0 || ours > 0.0)
            report(o, s, &best, c, ours, &peaks);
    }
    close_lab(&l);
    bench_peaks_close(&peaks);
}
