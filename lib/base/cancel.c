/* SPDX-License-Identifier: MIT
 *
 * cancel.c - see cancel.h.
 */
#include "base/cancel.h"

#include <stddef.h>
#include <time.h>

/* Ticks of the kernel, some milliseconds apart: reading them costs a fraction
 * of reading the exact time. */
static int64_t ticks_ns(void)
{
    struct timespec t;
#ifdef CLOCK_MONOTONIC_COARSE
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
#else
    clock_gettime(CLOCK_MONOTONIC, &t);
#endif
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void clipc_cancel_begin(clipc_cancel *cancel, bool (*ask)(void *user),
                        void *user)
{
    cancel->ask = ask;
    cancel->user = user;
    cancel->asker = pthread_self();
    cancel->asked_ns = ask ? ticks_ns() : 0;
    cancel->ask_always = false;
    atomic_store_explicit(&cancel->cancelled, false, memory_order_relaxed);
}

bool clipc_cancelled(clipc_cancel *cancel)
{
    if (!cancel || !cancel->ask)
        return false;
    if (atomic_load_explicit(&cancel->cancelled, memory_order_relaxed))
        return true;
    if (!pthread_equal(cancel->asker, pthread_self()))
        return false;
    if (!cancel->ask_always && ticks_ns() - cancel->asked_ns < CLIPC_CANCEL_NS)
        return false;
    bool stop = cancel->ask(cancel->user);
    cancel->asked_ns = ticks_ns();
    if (stop)
        atomic_store_explicit(&cancel->cancelled, true, memory_order_relaxed);
    return stop;
}
