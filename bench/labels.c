/* SPDX-License-Identifier: MIT
 *
 * labels.c - `clipc-bench labels`: embeddings of --batch images against those
 * of many labels, the best five of each.
 */
#include "bench.h"

#include <stdlib.h>

enum { TOP = 5 };

typedef struct labels {
    const bench_options *options;
    bench_session session;
    float *queries; /* [B, dim] */
    float *labels;  /* [count, dim] */
    size_t count;
    clipc_result *results; /* [B, TOP] */
} labels;

static void search(void *state)
{
    labels *l = state;
    clipc_error err = CLIPC_ERROR_INIT;
    if (clipc_similarity_topk(l->session.ctx, l->queries, l->options->batch,
                              l->labels, l->count, l->session.info.dim, TOP,
                              l->results, &err))
        bench_die("labels", &err);
}

void bench_labels(const bench_options *o)
{
    labels l = { .options = o, .count = o->count ? o->count : 100000 };

    bench_open(&l.session, o);
    l.queries = bench_floats(o->batch * l.session.info.dim);
    l.labels = bench_floats(l.count * l.session.info.dim);
    l.results = bench_alloc(o->batch * TOP * sizeof *l.results);
    bench_timing t = bench_measure(search, &l, o->reps, NULL);
    bench_print(o, "query", o->batch, t, 0.0, NULL);
    free(l.queries);
    free(l.labels);
    free(l.results);
    bench_close(&l.session);
}
