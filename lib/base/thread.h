/* SPDX-License-Identifier: MIT
 *
 * thread.h - a pool of threads for one context: static split, started lazily,
 * spin-then-sleep barrier.
 */
#ifndef CLIPC_THREAD_H
#define CLIPC_THREAD_H

#include "base/base.h"
#include "base/cancel.h"

typedef struct clipc_pool clipc_pool;

/* Makes a pool of n threads, the caller's included; starts none. */
clipc_status clipc_pool_create(clipc_pool **pool, unsigned n,
                               clipc_error *err);
void clipc_pool_destroy(clipc_pool *pool);

/* Starts the threads, and returns how many a run will have: the number asked
 * for, or fewer where the system refused some. */
unsigned clipc_pool_size(clipc_pool *pool);

/* The thread that `cancel` asks goes on asking while it waits for the others.
 * NULL, as at first: nobody asks. */
void clipc_pool_set_cancel(clipc_pool *pool, clipc_cancel *cancel);

typedef void (*clipc_task_fn)(void *arg, unsigned thread, unsigned n_threads);

/* Calls task(arg, t, n) for t = 0..n-1, t = 0 on the calling thread, and
 * returns when all have returned. */
void clipc_pool_run(clipc_pool *pool, clipc_task_fn task, void *arg);

/* Call inside a task: returns when all n threads have called. Memory that a
 * thread wrote before the barrier, every thread may read after the barrier. */
void clipc_pool_barrier(clipc_pool *pool);

/* Part `thread` of n items split in n_threads even pieces: [*begin, *end). */
static inline void clipc_split(size_t n, unsigned thread, unsigned n_threads,
                               size_t *begin, size_t *end)
{
    *begin = n / n_threads * thread + n % n_threads * thread / n_threads;
    *end = n / n_threads * (thread + 1u) +
           n % n_threads * (thread + 1u) / n_threads;
}

#endif /* CLIPC_THREAD_H */
