/* SPDX-License-Identifier: MIT
 *
 * test_thread.c - the pool: every part runs once, barriers hold, the pool
 * works without threads that cannot start; and the number of processors.
 */
#define _GNU_SOURCE /* sched_setaffinity */
#include "support/test.h"

#include "base/cpu.h"
#include "base/os.h"
#include "base/processors.h"
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_THREADS = 16 };

typedef struct count {
    clipc_pool *pool;
    unsigned calls[MAX_THREADS]; /* each written by its own thread */
    unsigned n_threads;
    pthread_t ids[MAX_THREADS];
} count;

static void count_call(void *arg, unsigned thread, unsigned n_threads)
{
    count *c = arg;
    c->calls[thread]++;
    c->ids[thread] = pthread_self();
    if (thread == 0)
        c->n_threads = n_threads;
}

TEST(every_part_runs_once)
{
    clipc_error err = CLIPC_ERROR_INIT;

    for (unsigned n = 1; n <= 8; n++) {
        count c = { 0 };
        CHECK_OK(clipc_pool_create(&c.pool, n, &err), err);
        for (unsigned i = 0; i < 200; i++)
            clipc_pool_run(c.pool, count_call, &c);
        CHECK_INT(c.n_threads, n);
        CHECK_INT(clipc_pool_size(c.pool), n);
        for (unsigned i = 0; i < n; i++)
            CHECK_INT(c.calls[i], 200);
        CHECK(pthread_equal(c.ids[0], pthread_self()));
        clipc_pool_destroy(c.pool);
    }
}

TEST(zero_threads_means_the_caller)
{
    clipc_pool *pool;
    clipc_error err = CLIPC_ERROR_INIT;
    CHECK_OK(clipc_pool_create(&pool, 0, &err), err);
    CHECK_INT(clipc_pool_size(pool), 1);
    clipc_pool_destroy(pool);
}

TEST(absurd_numbers_are_refused)
{
    clipc_pool *pool;
    clipc_error err = CLIPC_ERROR_INIT;
    CHECK_STATUS(clipc_pool_create(&pool, 1000000, &err), CLIPC_ERR_LIMIT);
    CHECK(pool == NULL);
    CHECK_HAS(err.message, "1024");
}

TEST(destroy_takes_null_and_pools_never_run)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_pool_destroy(NULL);
    for (int i = 0; i < 1000; i++) {
        clipc_pool *pool;
        CHECK_OK(clipc_pool_create(&pool, 8, &err), err);
        clipc_pool_destroy(pool);
    }
}

typedef struct relay {
    clipc_pool *pool;
    unsigned values[MAX_THREADS]; /* plain: the barrier orders them */
    atomic_uint wrong;
} relay;

/* Each round reads what the neighbour wrote in the round before. */
static void pass_on(void *arg, unsigned thread, unsigned n_threads)
{
    relay *r = arg;
    for (unsigned round = 1; round <= 300; round++) {
        r->values[thread] = round * 100 + thread;
        clipc_pool_barrier(r->pool);
        unsigned next = (thread + 1) % n_threads;
        if (r->values[next] != round * 100 + next)
            atomic_fetch_add(&r->wrong, 1);
        clipc_pool_barrier(r->pool);
    }
}

TEST(barriers_order_what_threads_write)
{
    const unsigned ns[] = { 1, 2, 3, 7 }; /* also more than processors */
    clipc_error err = CLIPC_ERROR_INIT;

    for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
        relay r = { 0 };
        CHECK_OK(clipc_pool_create(&r.pool, ns[i], &err), err);
        clipc_pool_run(r.pool, pass_on, &r);
        clipc_pool_run(r.pool, pass_on, &r);
        clipc_pool_destroy(r.pool);
        CHECK_INT(atomic_load(&r.wrong), 0);
    }
}

/* Between runs workers fall asleep; a later run wakes them. */
TEST(workers_wake_after_sleeping)
{
    clipc_error err = CLIPC_ERROR_INIT;
    count c = { 0 };

    CHECK_OK(clipc_pool_create(&c.pool, 3, &err), err);
    for (int i = 0; i < 5; i++) {
        clipc_pool_run(c.pool, count_call, &c);
        usleep(3000);
    }
    clipc_pool_destroy(c.pool);
    for (unsigned i = 0; i < 3; i++)
        CHECK_INT(c.calls[i], 5);
}

static void *own_pool(void *arg)
{
    relay r = { 0 };
    if (clipc_pool_create(&r.pool, 2, NULL) != CLIPC_OK)
        return arg;
    clipc_pool_run(r.pool, pass_on, &r);
    clipc_pool_destroy(r.pool);
    return atomic_load(&r.wrong) ? arg : NULL;
}

TEST(pools_of_several_threads_do_not_meet)
{
    pthread_t threads[4];
    void *failed;

    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, own_pool, &threads) == 0);
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], &failed) == 0);
        CHECK(failed == NULL);
    }
}

static void look_at_mask(void *arg, unsigned thread, unsigned n_threads)
{
    int *blocked = arg;
    sigset_t mask;
    (void)n_threads;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    blocked[thread] = sigismember(&mask, SIGTERM) &&
                      sigismember(&mask, SIGINT) &&
                      sigismember(&mask, SIGPROF);
}

TEST(workers_block_signals_and_the_caller_keeps_its_mask)
{
    clipc_pool *pool;
    clipc_error err = CLIPC_ERROR_INIT;
    int blocked[2] = { -1, -1 };

    CHECK_OK(clipc_pool_create(&pool, 2, &err), err);
    clipc_pool_run(pool, look_at_mask, blocked);
    clipc_pool_destroy(pool);
    CHECK_INT(blocked[0], 0);
    CHECK_INT(blocked[1], 1);
}

/* In a child with no right to more threads the pool works with one. */
TEST(threads_that_cannot_start_are_done_without)
{
    int status;
    pid_t child = test_fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct rlimit none = { 0, 0 };
        count c = { 0 };
        /* Root is not bound by the limit; an ordinary user is. */
        if (getuid() == 0 && setuid(65534) != 0)
            _exit(77);
        if (setrlimit(RLIMIT_NPROC, &none) != 0 ||
            clipc_pool_create(&c.pool, 4, NULL) != CLIPC_OK)
            _exit(2);
        if (clipc_pool_size(c.pool) != 1)
            _exit(77); /* the limit is not enforced here (qemu, TSan) */
        clipc_pool_run(c.pool, count_call, &c);
        clipc_pool_destroy(c.pool);
        _exit(c.n_threads == 1 && c.calls[0] == 1 ? 0 : 3);
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        SKIP("the limit on threads is not enforced here");
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

TEST(split_covers_all_items_in_order)
{
    for (size_t n = 0; n < 40; n++) {
        for (unsigned parts = 1; parts < 10; parts++) {
            size_t at = 0, begin, end;
            for (unsigned i = 0; i < parts; i++) {
                clipc_split(n, i, parts, &begin, &end);
                CHECK_INT(begin, at);
                CHECK(end >= begin && end - begin <= n / parts + 1);
                at = end;
            }
            CHECK_INT(at, n);
        }
    }
}

/* ---- processors -------------------------------------------------------- */

TEST(count_follows_the_affinity_mask)
{
    cpu_set_t before, one;
    unsigned count_before = clipc_cpu_count();

    bool may_run[1];
    CHECK(count_before >= 1);
    if (clipc_os_affinity(may_run, 1) == 0 ||
        sched_getaffinity(0, sizeof before, &before) != 0)
        SKIP("no affinity masks here");
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
            break;
        }
    }
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    unsigned count_one = clipc_cpu_count();
    CHECK(sched_setaffinity(0, sizeof before, &before) == 0);
    CHECK_INT(count_one, 1);
    CHECK_INT(clipc_cpu_count(), count_before);
    CHECK(clipc_cpu_available() >= count_before);
}

static unsigned quota_of(const char *cgroup)
{
    test_write(test_path("cgroup"), cgroup, strlen(cgroup));
    return clipc_cpu_quota(test_path("cgroup"), test_folder());
}

static void group(const char *folder)
{
    CHECK(mkdir(test_path(folder), 0700) == 0);
}

static void group_file(const char *name, const char *text)
{
    test_write(test_path(name), text, strlen(text));
}

TEST(quota_of_version_2_is_the_least_upward)
{
    group("a");
    group("a/b");
    CHECK_INT(quota_of("0::/a/b\n"), 0);
    group_file("a/b/cpu.max", "max 100000\n");
    CHECK_INT(quota_of("0::/a/b\n"), 0);
    group_file("a/b/cpu.max", "800000 100000\n");
    CHECK_INT(quota_of("0::/a/b\n"), 8);
    group_file("a/cpu.max", "250000 100000\n");
    CHECK_INT(quota_of("0::/a/b\n"), 3); /* 2.5 */
    group_file("cpu.max", "50000 100000\n");
    CHECK_INT(quota_of("0::/a/b\n"), 1);
    CHECK_INT(quota_of("0::/\n"), 1);
    CHECK_INT(quota_of("0::/not/here\n"), 1); /* the host's path */
    CHECK_INT(quota_of("1:memory:/a\n"), 0);
}

TEST(quota_of_version_1_is_found)
{
    group("cpu,cpuacct");
    group("cpu,cpuacct/x");
    const char *cgroup = "5:memory:/x\n4:cpu,cpuacct:/x\n0::/\n";
    CHECK_INT(quota_of(cgroup), 0);
    group_file("cpu,cpuacct/x/cpu.cfs_quota_us", "-1\n");
    group_file("cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
    CHECK_INT(quota_of(cgroup), 0);
    group_file("cpu,cpuacct/x/cpu.cfs_quota_us", "400000\n");
    CHECK_INT(quota_of(cgroup), 4);
}

TEST(odd_quota_files_mean_no_quota)
{
    const char *const texts[] = {
        "", "\n", "max", "x y", "100000", "100000 0", "0 100000", "-5 100000"
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        group_file("cpu.max", texts[i]);
        CHECK_INT(quota_of("0::/\n"), 0);
    }
    group_file("cpu.max", "99999999999999999999999999 1");
    CHECK(quota_of("0::/\n") > 0);
    CHECK_INT(quota_of("no colon\n0\n:\n::\n"), 1 << 20);
    CHECK_INT(clipc_cpu_quota("/nonexistent", "/nonexistent"), 0);
}

/* cpu0, cpu1, ... with these capacities; 0: the file is absent. */
static void processors_of(const int *capacities, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char name[64], text[32];
        snprintf(name, sizeof name, "cpu%zu", i);
        (void)mkdir(test_path(name), 0700);
        snprintf(name, sizeof name, "cpu%zu/cpu_capacity", i);
        snprintf(text, sizeof text, "%d\n", capacities[i]);
        if (capacities[i])
            group_file(name, text);
        else
            (void)unlink(test_path(name));
    }
}

TEST(slow_processors_are_left_out_where_they_set_the_pace)
{
    static const struct {
        int capacities[8];
        unsigned n, fast;
    } table[] = {
        { { 1024, 1024, 1024, 1024 }, 4, 4 },
        { { 380, 380, 380, 380, 1024, 1024, 1024, 1024 }, 8, 4 },
        { { 280, 280, 280, 280, 800, 800, 800, 1024 }, 8, 4 },
        { { 900, 900, 900, 900, 900, 900, 1024, 1024 }, 8, 8 },
        { { 160, 1024 }, 2, 1 },
        { { 1024, 0 }, 2, 0 }, /* one is not known */
        { { 0, 0 }, 2, 0 },
    };
    const bool all[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        processors_of(table[i].capacities, table[i].n);
        CHECK_INT(clipc_cpu_fast(test_folder(), all, table[i].n),
                  table[i].fast);
    }
    /* Of those that this process may run on. */
    processors_of(table[1].capacities, 8);
    const bool slow[8] = { 1, 1, 1, 0, 0, 0, 0, 0 };
    CHECK_INT(clipc_cpu_fast(test_folder(), slow, 8), 3);
    CHECK_INT(clipc_cpu_fast(test_folder(), NULL, 0), 0);
    CHECK_INT(clipc_cpu_fast("/nonexistent", all, 8), 0);
}

TEST(cache_is_that_of_the_fastest_processor)
{
    const int capacities[] = { 380, 1024 };
    const bool all[] = { 1, 1 };

    processors_of(capacities, 2);
    CHECK_INT(clipc_cpu_cache(test_folder(), all, 2), 0);
    for (int i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "cpu%d/cache", i);
        group(name);
        for (int level = 0; level < 3; level++) {
            snprintf(name, sizeof name, "cpu%d/cache/index%d", i, level);
            group(name);
            snprintf(name, sizeof name, "cpu%d/cache/index%d/level", i, level);
            group_file(name, level == 2 ? "2\n" : "1\n");
            snprintf(name, sizeof name, "cpu%d/cache/index%d/size", i, level);
            group_file(name, level < 2 ? "64K\n" : i ? "512K\n" : "128K\n");
        }
    }
    CHECK_INT(clipc_cpu_cache(test_folder(), all, 2), 512 << 10);
    CHECK_INT(clipc_cpu_cache(test_folder(), all, 1), 128 << 10);

    /* Where cores share it, a core's part; the threads of one core are one. */
    static const struct {
        const char *sharers, *threads;
        int kib;
    } shared[] = {
        { "0-3\n", NULL, 32 },         { "0,2,4-5\n", NULL, 32 },
        { "0-7\n", "0,4\n", 32 },      { "0-1\n", "0-1\n", 128 },
        { "0\n", "0-1\n", 128 },       { "\n", NULL, 128 },
        { "3-1\n", NULL, 128 },        { "0-\n", NULL, 128 },
        { "0-99999999\n", NULL, 128 }, { "all\n", NULL, 128 },
    };
    group("cpu0/topology");
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
        group_file("cpu0/cache/index2/shared_cpu_list", shared[i].sharers);
        if (shared[i].threads)
            group_file("cpu0/topology/thread_siblings_list",
                       shared[i].threads);
        else
            (void)unlink(test_path("cpu0/topology/thread_siblings_list"));
        CHECK_INT(clipc_cpu_cache(test_folder(), all, 1), shared[i].kib << 10);
    }
    CHECK(clipc_cpu_cache_bytes() >= 16 << 10);
}

TEST(features_are_consistent)
{
    unsigned features = clipc_cpu_features();
    CHECK_INT(features, clipc_cpu_features());
    if (features & (CLIPC_CPU_HAS_VNNI | CLIPC_CPU_HAS_BF16))
        CHECK(features & CLIPC_CPU_HAS_AVX512);
    if (features & (CLIPC_CPU_HAS_AMX_INT8 | CLIPC_CPU_HAS_AMX_BF16))
        CHECK(features & CLIPC_CPU_HAS_AVX512);
    if (features & (CLIPC_CPU_HAS_AVX512 | CLIPC_CPU_HAS_AVXVNNI))
        CHECK(features & CLIPC_CPU_HAS_AVX2);
    if (features & CLIPC_CPU_HAS_AVX2)
        CHECK(features & CLIPC_CPU_HAS_AVX);
    if (features & (CLIPC_CPU_HAS_AVX | CLIPC_CPU_HAS_FMA4))
        CHECK(features & CLIPC_CPU_HAS_SSE41);
    if (features &
        (CLIPC_CPU_HAS_DOTPROD | CLIPC_CPU_HAS_I8MM | CLIPC_CPU_HAS_ARM_BF16))
        CHECK(features & CLIPC_CPU_HAS_NEON);
    CHECK_INT((features & CLIPC_CPU_SME_UNTIMED) != 0,
              (features & CLIPC_CPU_ALL_SME) != 0);
    if (features & CLIPC_CPU_ALL_SME)
        CHECK(features & CLIPC_CPU_HAS_NEON &&
              features & ~CLIPC_CPU_SME_UNTIMED & CLIPC_CPU_ALL_SME);
    if (features & CLIPC_CPU_HAS_SSE41)
        CHECK(features & CLIPC_CPU_HAS_SSSE3);
    if (features & CLIPC_CPU_HAS_SSSE3)
        CHECK(features & CLIPC_CPU_HAS_SSE3);
}
