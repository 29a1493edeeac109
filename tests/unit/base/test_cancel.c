/* SPDX-License-Identifier: MIT
 *
 * test_cancel.c - who is asked whether to go on, how often, and what a long
 * hash does about the answer.
 */
#include "support/test.h"

#include "base/cancel.h"
#include "base/digest.h"
#include "base/thread.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct asked {
    int n, stop_at; /* stop_at 0: never */
    pthread_t thread;
} asked;

static bool ask(void *user)
{
    asked *a = user;
    a->n++;
    a->thread = pthread_self();
    return a->stop_at && a->n >= a->stop_at;
}

/* As if the last question were long ago. */
static void let_time_pass(clipc_cancel *cancel)
{
    cancel->asked_ns -= CLIPC_CANCEL_NS;
}

TEST(the_caller_is_asked_after_a_while)
{
    clipc_cancel cancel;
    asked a = { .stop_at = 2 };

    clipc_cancel_begin(&cancel, ask, &a);
    let_time_pass(&cancel);
    CHECK(!clipc_cancelled(&cancel));
    CHECK_INT(a.n, 1);
    let_time_pass(&cancel);
    CHECK(clipc_cancelled(&cancel));
    CHECK_INT(a.n, 2);
    let_time_pass(&cancel);
    CHECK(clipc_cancelled(&cancel)); /* and is not asked again */
    CHECK_INT(a.n, 2);
    clipc_cancel_begin(&cancel, ask, &a);
    a.stop_at = 0;
    let_time_pass(&cancel);
    CHECK(!clipc_cancelled(&cancel));
}

TEST(real_time_passes)
{
    clipc_cancel cancel;
    asked a = { .stop_at = 1 };
    const struct timespec step = { .tv_nsec = 5000000 };

    clipc_cancel_begin(&cancel, ask, &a);
    for (int i = 0; i < 2000 && !clipc_cancelled(&cancel); i++)
        nanosleep(&step, NULL);
    CHECK(clipc_cancelled(&cancel));
    CHECK_INT(a.n, 1);
}

TEST(without_a_question_nothing_is_cancelled)
{
    clipc_cancel cancel;

    CHECK(!clipc_cancelled(NULL));
    clipc_cancel_begin(&cancel, NULL, NULL);
    let_time_pass(&cancel);
    CHECK(!clipc_cancelled(&cancel));
}

typedef struct shared {
    clipc_cancel cancel;
    clipc_pool *pool;
    bool heard[4];
} shared;

static void look(void *arg, unsigned thread, unsigned n_threads)
{
    shared *s = arg;

    (void)n_threads;
    if (thread != 0)
        s->heard[thread] = clipc_cancelled(&s->cancel); /* not its question */
    clipc_pool_barrier(s->pool);
    if (thread == 0)
        (void)clipc_cancelled(&s->cancel);
    clipc_pool_barrier(s->pool);
    s->heard[thread] = !s->heard[thread] && clipc_cancelled(&s->cancel);
}

TEST(only_the_thread_that_began_is_asked_and_all_hear)
{
    clipc_error err = CLIPC_ERROR_INIT;
    asked a = { .stop_at = 1 };
    shared s = { 0 };

    CHECK_OK(clipc_pool_create(&s.pool, 4, &err), err);
    clipc_cancel_begin(&s.cancel, ask, &a);
    let_time_pass(&s.cancel);
    clipc_pool_run(s.pool, look, &s);
    CHECK_INT(a.n, 1);
    CHECK(pthread_equal(a.thread, pthread_self()));
    for (unsigned i = 0; i < clipc_pool_size(s.pool); i++)
        CHECK(s.heard[i]);
    clipc_pool_destroy(s.pool);
}

/* The asker has no work of its own: it asks while it waits. */
static void uneven(void *arg, unsigned thread, unsigned n_threads)
{
    shared *s = arg;
    const struct timespec step = { .tv_nsec = 5000000 };

    for (int i = 0; thread == n_threads - 1 && i < 2000; i++) {
        if ((s->heard[0] = clipc_cancelled(&s->cancel)))
            break;
        nanosleep(&step, NULL);
    }
    clipc_pool_barrier(s->pool);
}

TEST(a_thread_that_waits_goes_on_asking)
{
    clipc_error err = CLIPC_ERROR_INIT;
    asked a = { .stop_at = 2 };
    shared s = { 0 };

    CHECK_OK(clipc_pool_create(&s.pool, 2, &err), err);
    if (clipc_pool_size(s.pool) < 2)
        SKIP("no second thread");
    clipc_pool_set_cancel(s.pool, &s.cancel);
    clipc_cancel_begin(&s.cancel, ask, &a);
    clipc_pool_run(s.pool, uneven, &s);
    CHECK(s.heard[0]);
    CHECK_INT(a.n, 2);
    clipc_pool_destroy(s.pool);
}

/* The first thread comes later than the other, which waits for it and, for the
 * most part, does not sleep yet. */
static void late(void *arg, unsigned thread, unsigned n_threads)
{
    const struct timespec moment = { .tv_nsec = 20000 };

    (void)arg, (void)n_threads;
    if (thread == 0)
        nanosleep(&moment, NULL);
}

/* A thread that leaves a computation reads nothing that the next one writes:
 * ThreadSanitizer watches. */
TEST(one_computation_begins_when_another_is_over)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_cancel cancel = { 0 };
    asked a = { 0 };
    clipc_pool *pool;

    CHECK_OK(clipc_pool_create(&pool, 2, &err), err);
    clipc_pool_set_cancel(pool, &cancel);
    for (int i = 0; i < (emulated() ? 50 : 500); i++) {
        clipc_cancel_begin(&cancel, ask, &a);
        clipc_pool_run(pool, late, NULL);
    }
    clipc_pool_destroy(pool);
}

TEST(a_long_piece_hashes_as_a_piece_and_stops)
{
    enum { N = (3 << 20) + 5 };
    char *data = calloc(N, 1);
    asked a = { 0 };
    clipc_cancel cancel;
    clipc_hash whole, parts;

    CHECK(data != NULL);
    memset(data, 'x', N / 2);
    for (size_t n = 0; n <= N; n += N / 3) {
        clipc_hash_start(&whole);
        clipc_hash_start(&parts);
        clipc_hash_piece(&whole, data, n);
        CHECK(clipc_hash_long_piece(&parts, data, n, NULL));
        clipc_digest want = clipc_hash_finish(&whole);
        clipc_digest got = clipc_hash_finish(&parts);
        CHECK(clipc_digest_equal(&want, &got));
    }
    a.stop_at = 1;
    clipc_cancel_begin(&cancel, ask, &a);
    let_time_pass(&cancel);
    clipc_hash_start(&parts);
    CHECK(!clipc_hash_long_piece(&parts, data, N, &cancel));
    free(data);
}
