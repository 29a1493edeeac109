/* SPDX-License-Identifier: MIT
 *
 * labels.c - `clipc-bench labels`: embeddings of --batch images against those
 * of many labels, the best five of each. In turns with it, as many threads
 * read the labels and do nothing else: what memory allows.
 */
#include "bench.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOP = 5 };

typedef struct labels {
    const bench_options *options;
    bench_session session;
    clipc_pool *pool; /* of the loop that reads */
    float *queries;   /* [B, dim] */
    void *labels;     /* [count, dim] */
    size_t count, dim, bytes;
    clipc_result *results; /* [B, TOP] */
    _Atomic uint64_t sink; /* so that the reads are not left out */
} labels;

static void search(labels *l)
{
    clipc_error err = CLIPC_ERROR_INIT;
    if (clipc_similarity_topk_stored(l->session.ctx, l->queries,
                                     l->options->batch, l->labels,
                                     l->options->vectors, l->count, l->dim,
                                     TOP, l->results, &err))
        bench_die("labels", &err);
}

/* ---- the loop that reads ----------------------------------------------- */

typedef uint64_t word __attribute__((vector_size(32)));

enum { AHEAD = 8192, STEP = 128 };

static void read_part(void *arg, unsigned thread, unsigned n_threads)
{
    labels *l = arg;
    size_t begin, end;
    word sums[4] = { { 0 } }, v[4];

    clipc_split(l->bytes / STEP, thread, n_threads, &begin, &end);
    const char *at = (const char *)l->labels + begin * STEP;
    for (; begin < end; begin++, at += STEP) {
        __builtin_prefetch(at + AHEAD);
        __builtin_prefetch(at + AHEAD + STEP / 2);
        memcpy(v, at, sizeof v);
        for (size_t i = 0; i < 4; i++)
            sums[i] += v[i];
    }
    for (size_t i = 0; i < 4; i++)
        l->sink += sums[i][0] + sums[i][1] + sums[i][2] + sums[i][3];
}

/* ---- report ------------------------------------------------------------ */

static void report(const labels *l, bench_timing t, bench_timing reading)
{
    static const char *const types[] = { [CLIPC_VECTOR_F32] = "f32",
                                         [CLIPC_VECTOR_F16] = "f16",
                                         [CLIPC_VECTOR_INT8] = "int8" };
    const bench_options *o = l->options;
    const char *type = types[o->vectors];
    const double gbytes = (double)l->bytes / 1e6, n = o->batch;

    if (o->json)
        printf("{\"command\": \"labels\", \"vectors\": \"%s\", \"count\": "
               "%zu, \"dim\": %zu, \"threads\": %u, \"batch\": %u, "
               "\"reps\": %u, \"gbytes_per_s\": %.3f, "
               "\"read_gbytes_per_s\": %.3f, \"share_of_reading\": %.4f, "
               "\"ms_per_query\": {\"min\": %.4f, \"median\": %.4f, \"max\": "
               "%.4f}}\n",
               type, l->count, l->dim, o->threads, o->batch, o->reps,
               gbytes / t.min, gbytes / reading.min, reading.min / t.min,
               t.min / n, t.median / n, t.max / n);
    else
        printf("labels     %zu x %zu %s: min %.3f  median %.3f  max %.3f ms "
               "per query  %.1f GB/s, %.1f %% of reading alone's %.1f\n",
               l->count, l->dim, type, t.min / n, t.median / n, t.max / n,
               gbytes / t.min, 100.0 * reading.min / t.min,
               gbytes / reading.min);
}

/* Random labels of the type. */
static void make_labels(labels *l)
{
    static const size_t sizes[] = {
        [CLIPC_VECTOR_F32] = 4, [CLIPC_VECTOR_F16] = 2, [CLIPC_VECTOR_INT8] = 1
    };
    const clipc_vector_dtype type = l->options->vectors;
    const size_t n = l->count * l->dim;
    uint32_t state = 1;

    l->bytes = n * sizes[type];
    if (type == CLIPC_VECTOR_F32) {
        l->labels = bench_floats(n);
        return;
    }
    l->labels = bench_alloc(l->bytes);
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        if (type == CLIPC_VECTOR_INT8) /* -127 to 127 */
            ((int8_t *)l->labels)[i] =
                (int8_t)((int)(state >> 24) * 254 / 255 - 127);
        else /* of both signs, from 2^-5 on and below 1 */
            ((uint16_t *)l->labels)[i] = (uint16_t)((state >> 16 & 0x8000) |
                                                    (0x2800 +
                                                     (state >> 8) % 0x1400));
    }
}

void bench_labels(const bench_options *o)
{
    labels l = { .options = o, .count = o->count ? o->count : 100000 };
    clipc_error err = CLIPC_ERROR_INIT;
    double *times = bench_alloc(2 * o->reps * sizeof *times), start;

    bench_open(&l.session, o);
    if (clipc_pool_create(&l.pool, o->threads, &err))
        bench_die("threads", &err);
    l.dim = o->dim ? o->dim : l.session.info.dim;
    l.queries = bench_floats(o->batch * l.dim);
    make_labels(&l);
    l.results = bench_alloc(o->batch * TOP * sizeof *l.results);
    search(&l);
    for (unsigned i = 0; i < o->reps; i++) {
        start = bench_now_ms();
        clipc_pool_run(l.pool, read_part, &l);
        times[o->reps + i] = bench_now_ms() - start;
        start = bench_now_ms();
        search(&l);
        times[i] = bench_now_ms() - start;
    }
    report(&l, bench_summary(times, o->reps),
           bench_summary(times + o->reps, o->reps));
    free(times);
    free(l.queries);
    free(l.labels);
    free(l.results);
    clipc_pool_destroy(l.pool);
    bench_close(&l.session);
}
