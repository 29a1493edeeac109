/* SPDX-License-Identifier: MIT
 *
 * cancel.h - ends a long computation early. The thread that began it asks the
 * caller now and then; all threads of the computation look at the answer, skip
 * the work that is left, and return as they would have.
 */
#ifndef CLIPC_CANCEL_H
#define CLIPC_CANCEL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct clipc_cancel {
    bool (*ask)(void *user); /* true: stop; NULL: nobody is asked */
    void *user;
    pthread_t asker;  /* the one thread that calls ask() */
    int64_t asked_ns; /* when it called last */
    bool ask_always;  /* for tests: at every look */
    atomic_bool cancelled;
} clipc_cancel;

/* Begins a computation of the calling thread. */
void clipc_cancel_begin(clipc_cancel *cancel, bool (*ask)(void *user),
                        void *user);

/* Whether to stop. Once true, true until the next clipc_cancel_begin(). Call
 * from any thread of the computation, after each few milliseconds of work at
 * the most: on the asker's thread a call asks where CLIPC_CANCEL_NS have gone
 * by. NULL: false. */
bool clipc_cancelled(clipc_cancel *cancel);

#define CLIPC_CANCEL_NS 20000000

#endif /* CLIPC_CANCEL_H */
