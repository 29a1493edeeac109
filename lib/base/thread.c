/* SPDX-License-Identifier: MIT
 *
 * thread.c - the pool: n - 1 workers and the calling thread run one task side
 * by side and meet at barriers.
 *
 * A gate is a counter that waiters watch: they spin on it for SPIN_NS, then
 * sleep in the system on the counter itself (os.h). Opening a gate is one
 * atomic increment while nobody sleeps. Whoever is about to sleep first counts
 * itself in n_sleepers, then the system looks at the counter again; the opener
 * first increments the counter, then looks at n_sleepers; both in sequentially
 * consistent order, so one of them sees the other and no wake-up is lost.
 */
#include "base/thread.h"

#include "base/os.h"
#include "base/processors.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Spinning longer than a sleep and a wake-up cost (tens of microseconds)
 * gains nothing; pieces of a static split end within this of each other. */
#define SPIN_NS 200000

/* Frames of the library are small; OpenBLAS keeps its blocks elsewhere. */
#ifndef CLIPC_STACK_BYTES
#define CLIPC_STACK_BYTES 262144
#endif

#define MAX_THREADS 1024u

typedef struct gate {
    _Alignas(64) atomic_uint value;
    atomic_uint n_sleepers;
} gate;

typedef struct worker {
    clipc_pool *pool;
    unsigned index;
    pthread_t thread;
} worker;

struct clipc_pool {
    gate start;   /* opened for every run and for the end */
    gate barrier; /* opened by the last thread to arrive */
    _Alignas(64) atomic_uint n_arrived;
    unsigned n_wanted;
    unsigned n_threads; /* 0: not started yet */
    bool spin;          /* false where threads outnumber processors */
    bool stop;
    clipc_cancel *cancel; /* or NULL */
    clipc_task_fn task;   /* of the run, with its argument */
    void *arg;
    worker workers[]; /* [n_wanted - 1] */
};

/* ---- gates ------------------------------------------------------------- */

static void gate_init(gate *g)
{
    atomic_init(&g->value, 0);
    atomic_init(&g->n_sleepers, 0);
}

static void gate_open(gate *g)
{
    atomic_fetch_add(&g->value, 1);
    if (atomic_load(&g->n_sleepers) > 0)
        clipc_os_wake(&g->value);
}

/* Tells the core that this is a spin loop. */
static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Whether this thread is the one that `cancel` asks. */
static bool asks(const clipc_cancel *cancel)
{
    return cancel && cancel->ask &&
           pthread_equal(cancel->asker, pthread_self());
}

/* Returns when the gate's value is no longer `seen`. cancel: NULL but for the
 * thread that it asks. */
static void gate_wait(gate *g, unsigned seen, bool spin, clipc_cancel *cancel)
{
    const int64_t timeout_ns = cancel ? CLIPC_CANCEL_NS / 2 : 0;

    if (spin) {
        int64_t end = 0;
        do {
            for (int i = 0; i < 64; i++) {
                if (atomic_load_explicit(&g->value, memory_order_acquire) !=
                    seen)
                    return;
                relax();
            }
            if (end == 0)
                end = now_ns() + SPIN_NS;
        } while (now_ns() < end);
    }
    atomic_fetch_add(&g->n_sleepers, 1);
    while (atomic_load(&g->value) == seen) { /* a signal wakes too */
        clipc_os_sleep(&g->value, seen, timeout_ns);
        if (timeout_ns)
            (void)clipc_cancelled(cancel);
    }
    atomic_fetch_sub(&g->n_sleepers, 1);
}

/* ---- the pool ---------------------------------------------------------- */

clipc_status clipc_pool_create(clipc_pool **pool, unsigned n, clipc_error *err)
{
    *pool = NULL;
    if (n == 0)
        n = 1;
    if (n > MAX_THREADS)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%u threads: the limit is %u", n, MAX_THREADS);
    clipc_pool *p = clipc_alloc_aligned(1,
                                        sizeof *p + (size_t)(n - 1) *
                                                        sizeof p->workers[0]);
    if (!p)
        return clipc_fail_nomem(err, "the thread pool");
    memset(p, 0, sizeof *p);
    p->n_wanted = n;
    atomic_init(&p->n_arrived, 0);
    gate_init(&p->start);
    gate_init(&p->barrier);
    *pool = p;
    return CLIPC_OK;
}

void clipc_pool_destroy(clipc_pool *pool)
{
    if (!pool)
        return;
    pool->stop = true;
    gate_open(&pool->start);
    for (unsigned i = 1; i < pool->n_threads; i++)
        pthread_join(pool->workers[i - 1].thread, NULL);
    clipc_free_aligned(pool);
}

void clipc_pool_set_cancel(clipc_pool *pool, clipc_cancel *cancel)
{
    pool->cancel = cancel;
}

void clipc_pool_barrier(clipc_pool *pool)
{
    unsigned seen = atomic_load(&pool->barrier.value);

    if (pool->n_threads <= 1)
        return;
    /* Looked at before the arrival: when all have arrived, the caller may begin
     * the next computation while others have not left yet. */
    clipc_cancel *cancel = asks(pool->cancel) ? pool->cancel : NULL;
    if (atomic_fetch_add(&pool->n_arrived, 1) + 1 == pool->n_threads) {
        atomic_store(&pool->n_arrived, 0);
        gate_open(&pool->barrier);
    } else {
        gate_wait(&pool->barrier, seen, pool->spin, cancel);
    }
}

static void *work(void *arg)
{
    const worker *self = arg;
    clipc_pool *pool = self->pool;

    for (unsigned seen = 0;; seen++) {
        gate_wait(&pool->start, seen, pool->spin && seen > 0, NULL);
        if (pool->stop)
            return NULL;
        pool->task(pool->arg, self->index, pool->n_threads);
        clipc_pool_barrier(pool);
    }
}

/* Starts the worker with a small stack; with the default stack where the
 * program's thread-local data leave no room in a small one. */
static bool start_worker(worker *w)
{
    pthread_attr_t attr;
    bool ok = false;

    if (pthread_attr_init(&attr) == 0) {
        ok = pthread_attr_setstacksize(&attr, CLIPC_STACK_BYTES) == 0 &&
             pthread_create(&w->thread, &attr, work, w) == 0;
        pthread_attr_destroy(&attr);
    }
    return ok || pthread_create(&w->thread, NULL, work, w) == 0;
}

static void start_workers(void *arg)
{
    clipc_pool *pool = arg;

    while (pool->n_threads < pool->n_wanted) {
        worker *w = &pool->workers[pool->n_threads - 1];
        *w = (worker){ .pool = pool, .index = pool->n_threads };
        if (!start_worker(w))
            break;
        pool->n_threads++;
    }
}

static void start(clipc_pool *pool)
{
    pool->spin = pool->n_wanted > 1 && pool->n_wanted <= clipc_cpu_available();
    pool->n_threads = 1;
    /* Signals stay with the program's threads. */
    if (pool->n_wanted > 1)
        clipc_os_without_signals(start_workers, pool);
}

unsigned clipc_pool_size(clipc_pool *pool)
{
    if (pool->n_threads == 0)
        start(pool);
    return pool->n_threads;
}

void clipc_pool_run(clipc_pool *pool, clipc_task_fn task, void *arg)
{
    unsigned n = clipc_pool_size(pool);

    if (n > 1) {
        pool->task = task;
        pool->arg = arg;
        gate_open(&pool->start);
    }
    task(arg, 0, n);
    clipc_pool_barrier(pool);
}
