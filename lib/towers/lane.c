/* SPDX-License-Identifier: MIT
 *
 * lane.c - see lane.h.
 */
#include "towers/lane.h"

void clipc_lane_barrier(const clipc_worker *worker)
{
    if (worker->n_threads > 1)
        clipc_pool_barrier(worker->tower->engine->pool);
}

void clipc_lane_share(const clipc_worker *worker, size_t n, size_t *begin,
                      size_t *end)
{
    if (clipc_cancelled(&worker->tower->engine->cancel))
        n = 0;
    clipc_split(n, worker->thread, worker->n_threads, begin, end);
}

void clipc_lane_linear(const clipc_worker *worker, const clipc_linear *linear,
                       const clipc_linear *next, clipc_precision precision,
                       const clipc_operand *in, size_t n_rows,
                       const clipc_finish *finish)
{
    const clipc_linear_run run = {
        .linear = linear,
        .precision = clipc_linear_precision(linear, precision),
        .in = in,
        .n_rows = n_rows,
        .finish = *finish,
        .thread = worker->thread,
        .n_threads = worker->n_threads,
        .next = next,
        .scratch = worker->scratch->linear,
        .cancel = &worker->tower->engine->cancel,
    };
    clipc_linear_compute(&worker->tower->engine->linear, &run);
}
