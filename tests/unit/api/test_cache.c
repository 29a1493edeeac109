/* SPDX-License-Identifier: MIT
 *
 * test_cache.c - the label cache's files. Hits are exact. A file that is
 * damaged, absent, unwritable or written by two processes is at most a miss.
 */
#include "api/label_cache.h"
#include "support/files.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DIM = 3 };

static clipc_digest key_of(unsigned char first)
{
    clipc_digest key = { { first, 1, 2, 3 } };
    return key;
}

static clipc_text text(const char *s)
{
    return (clipc_text){ s, strlen(s) };
}

/* A vector that no other number gives. */
static void vector(float *v, unsigned number)
{
    for (size_t i = 0; i < DIM; i++)
        v[i] = (float)(number * 10 + i) + 0.123456f;
}

static clipc_text prompt(unsigned number)
{
    static char names[4][32];
    static unsigned next;
    char *name = names[next++ % 4];
    snprintf(name, sizeof names[0], "a photo of car %u", number);
    return text(name);
}

static clipc_cache *open_cache(const char *folder, unsigned char key)
{
    clipc_digest digest = key_of(key);
    clipc_cache *cache = clipc_cache_open(folder, &digest, DIM);
    CHECK(cache != NULL);
    return cache;
}

/* Puts prompts [begin, end) and saves. */
static void store(const char *folder, unsigned char key, unsigned begin,
                  unsigned end)
{
    clipc_cache *cache = open_cache(folder, key);
    for (unsigned i = begin; i < end; i++) {
        float v[DIM];
        vector(v, i);
        clipc_cache_put(cache, prompt(i), v);
    }
    clipc_cache_save(cache);
    clipc_cache_close(cache);
}

/* How many of prompts [begin, end) are hits; a wrong hit fails the test. */
static unsigned count_hits(const char *folder, unsigned char key,
                           unsigned begin, unsigned end)
{
    clipc_cache *cache = open_cache(folder, key);
    unsigned n = 0;
    for (unsigned i = begin; i < end; i++) {
        float v[DIM] = { 0 }, want[DIM];
        vector(want, i);
        if (!clipc_cache_get(cache, prompt(i), v))
            continue;
        n++;
        if (memcmp(v, want, sizeof v) != 0) {
            clipc_cache_close(cache);
            FAIL("prompt %u has another's embedding", i);
        }
    }
    clipc_cache_close(cache);
    return n;
}

/* Changes one byte in place: quicker than writing files anew. */
static void patch(const char *path, size_t offset, char byte)
{
    int fd = open(path, O_WRONLY);
    if (fd < 0 || pwrite(fd, &byte, 1, (off_t)offset) != 1)
        FAIL("cannot write %s", path);
    close(fd);
}

TEST(what_was_put_is_found_again)
{
    const char *folder = test_path("a/b/cache"); /* made with its parents */

    CHECK_INT(count_hits(folder, 1, 0, 5), 0);
    store(folder, 1, 0, 5);
    CHECK_INT(count_hits(folder, 1, 0, 5), 5);
    CHECK_INT(count_hits(folder, 1, 5, 9), 0);
    CHECK_INT(count_hits(folder, 2, 0, 5), 0); /* another key */
    store(folder, 2, 0, 1);
    store(folder, 1, 3, 9); /* merged, the first stays */
    CHECK_INT(count_hits(folder, 1, 0, 9), 9);
    CHECK_INT(count_hits(folder, 2, 0, 9), 1);
    CHECK_INT(list_folder(folder, "labels-", "", NULL), 2);
    CHECK_INT(list_folder(folder, "", "", NULL), 2);
}

TEST(prompts_are_bytes)
{
    const char *folder = test_path("cache");
    const clipc_text prompts[] = { { NULL, 0 },   { "a", 1 }, { "a\0", 2 },
                                   { "a\0b", 3 }, { "A", 1 }, { "a ", 2 } };
    enum { N = sizeof prompts / sizeof *prompts };
    clipc_cache *cache = open_cache(folder, 1);
    float v[DIM], want[DIM];

    for (unsigned i = 0; i < N; i++) {
        vector(v, i);
        CHECK(!clipc_cache_get(cache, prompts[i], want));
        clipc_cache_put(cache, prompts[i], v);
        CHECK(clipc_cache_get(cache, prompts[i], want)); /* before saving */
        CHECK_BYTES(want, v, sizeof v);
    }
    clipc_cache_save(cache);
    clipc_cache_close(cache);
    cache = open_cache(folder, 1);
    for (unsigned i = 0; i < N; i++) {
        vector(want, i);
        CHECK(clipc_cache_get(cache, prompts[i], v));
        CHECK_BYTES(v, want, sizeof v);
    }
    clipc_cache_close(cache);
}

TEST(null_is_a_cache_that_is_always_empty)
{
    clipc_digest key = key_of(1);
    float v[DIM] = { 0 };

    CHECK(clipc_cache_open(NULL, &key, DIM) == NULL);
    CHECK(clipc_cache_open(test_folder(), &key, 0) == NULL);
    CHECK(clipc_cache_open(test_folder(), &key, SIZE_MAX / 4) == NULL);
    CHECK(!clipc_cache_get(NULL, text("a"), v));
    clipc_cache_put(NULL, text("a"), v);
    clipc_cache_save(NULL);
    clipc_cache_close(NULL);
}

/* Every byte of a small file: never a wrong embedding, and the next save
 * heals the file. */
TEST(a_flipped_byte_is_a_miss_at_most)
{
    const char *folder = test_path("cache");
    char path[512];
    size_t n;
    unsigned n_misses = 0;

    store(folder, 1, 0, 3);
    CHECK_INT(list_folder(folder, "labels-", "", path), 1);
    char *good = test_read(path, &n);
    CHECK_INT(n, 56 + 3 * (32 + DIM * 4 + 32));
    for (size_t i = 0; i < n; i++) {
        static const unsigned char flips[] = { 0x01, 0x80, 0xff };
        for (size_t f = 0; f < sizeof flips; f++) {
            patch(path, i, (char)((unsigned char)good[i] ^ flips[f]));
            unsigned hits = count_hits(folder, 1, 0, 3);
            /* The header spoils all, anything else one record. */
            CHECK_INT(hits, i < 56 ? 0 : 2);
            n_misses += 3 - hits;
        }
        if (i + 1 < n)
            patch(path, i, good[i]);
    }
    CHECK(n_misses > 0);
    /* The file is left with a bad last byte: putting all again heals the
     * file. */
    CHECK_INT(count_hits(folder, 1, 0, 3), 2);
    clipc_cache *cache = open_cache(folder, 1);
    for (unsigned i = 0; i < 3; i++) {
        float v[DIM];
        if (!clipc_cache_get(cache, prompt(i), v)) {
            vector(v, i);
            clipc_cache_put(cache, prompt(i), v);
        }
    }
    clipc_cache_save(cache);
    clipc_cache_close(cache);
    CHECK_INT(count_hits(folder, 1, 0, 3), 3);
    free(good);
}

/* Names that meet in one slot: looking each of them up would take minutes. */
TEST(names_made_to_collide_are_dropped)
{
    enum { N = 300000, RECORD = 32 + DIM * 4 + 32 };
    const char *folder = test_path("cache");
    char path[512];
    size_t n;

    store(folder, 1, 0, 1);
    CHECK_INT(list_folder(folder, "labels-", "", path), 1);
    char *good = test_read(path, &n);
    char *file = calloc(56 + (size_t)N * RECORD, 1);
    CHECK(file != NULL && n == 56 + RECORD);
    memcpy(file, good, 56);
    const uint64_t count = N;
    memcpy(file + 48, &count, sizeof count);
    for (uint32_t i = 0; i < N; i++) /* eight equal bytes, then a number */
        memcpy(file + 56 + (size_t)i * 32 + 8, &i, sizeof i);
    test_write(path, file, 56 + (size_t)N * RECORD);
    CHECK_INT(count_hits(folder, 1, 0, 1), 0);
    store(folder, 1, 0, 3); /* heals the file */
    CHECK_INT(count_hits(folder, 1, 0, 3), 3);
    free(good);
    free(file);
}

TEST(a_file_of_another_length_is_ignored)
{
    const char *folder = test_path("cache");
    char path[512];
    size_t n;

    store(folder, 1, 0, 3);
    CHECK_INT(list_folder(folder, "labels-", "", path), 1);
    char *good = test_read(path, &n);
    for (size_t length = n; length-- > 0;) {
        CHECK(truncate(path, (off_t)length) == 0);
        CHECK_INT(count_hits(folder, 1, 0, 3), 0);
    }
    char *longer = calloc(n + 1, 1);
    CHECK(longer != NULL);
    memcpy(longer, good, n);
    test_write(path, longer, n + 1);
    CHECK_INT(count_hits(folder, 1, 0, 3), 0);
    /* n = 2^64 / record: the product must not wrap to a small size. */
    memset(longer + 48, 0xff, 8);
    test_write(path, longer, n);
    CHECK_INT(count_hits(folder, 1, 0, 3), 0);
    store(folder, 1, 1, 3); /* rebuilt */
    CHECK_INT(count_hits(folder, 1, 0, 3), 2);
    free(good);
    free(longer);
}

TEST(records_do_not_answer_for_others)
{
    const char *folder = test_path("cache");
    char path[512];
    size_t n, record = DIM * 4 + 32, names = 56, records = names + 2 * 32;

    store(folder, 1, 0, 2);
    CHECK_INT(list_folder(folder, "labels-", "", path), 1);
    char *data = test_read(path, &n);
    char swap[DIM * 4 + 32];
    memcpy(swap, data + records, record);
    memcpy(data + records, data + records + record, record);
    memcpy(data + records + record, swap, record);
    test_write(path, data, n);
    CHECK_INT(count_hits(folder, 1, 0, 2), 0);
    /* The same name twice: the first is used. */
    memcpy(data + names + 32, data + names, 32);
    test_write(path, data, n);
    CHECK_INT(count_hits(folder, 1, 0, 2), 0);
    free(data);
}

TEST(a_folder_that_cannot_be_used_is_no_error)
{
    const char *file = test_path("file");
    const char *folder = test_path("readonly");
    float v[DIM] = { 1 };

    test_write(file, "x", 1);
    store(file, 1, 0, 3); /* a file is no folder */
    CHECK_INT(count_hits(file, 1, 0, 3), 0);
    CHECK_INT(count_hits("/proc/self/nothing", 1, 0, 3), 0);
    store("/proc/self/nothing", 1, 0, 3);
    store("", 1, 0, 3);

    store(folder, 1, 0, 3);
    CHECK(chmod(folder, 0555) == 0);
    CHECK_INT(count_hits(folder, 1, 0, 3), 3);
    clipc_cache *cache = open_cache(folder, 1);
    clipc_cache_put(cache, text("new"), v);
    clipc_cache_save(cache);
    clipc_cache_close(cache);
    CHECK_INT(list_folder(folder, "", "", NULL), 1); /* no temporary left */
    CHECK_INT(count_hits(folder, 1, 0, 3), 3);
    CHECK(chmod(folder, 0755) == 0);
}

TEST(what_is_no_regular_file_is_a_miss)
{
    const char *folder = test_path("cache");
    char path[512];

    store(folder, 1, 0, 1);
    CHECK_INT(list_folder(folder, "labels-", "", path), 1);
    CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    CHECK_INT(count_hits(folder, 1, 0, 1), 0); /* and does not wait */
    CHECK(unlink(path) == 0 && mkdir(path, 0700) == 0);
    CHECK_INT(count_hits(folder, 1, 0, 1), 0);
    store(folder, 1, 0, 1);
    CHECK_INT(list_folder(folder, "", "", NULL), 1);
    CHECK(rmdir(path) == 0);
}

TEST(an_open_cache_outlives_its_file)
{
    const char *folder = test_path("cache");
    char path[512];
    float v[DIM], want[DIM];

    store(folder, 1, 0, 4);
    clipc_cache *cache = open_cache(folder, 1);
    CHECK_INT(list_folder(folder, "labels-", "", path), 1);
    CHECK(unlink(path) == 0);
    store(folder, 1, 4, 6); /* another process' news */
    CHECK(clipc_cache_get(cache, prompt(0), v));
    CHECK(clipc_cache_get(cache, prompt(2), v));
    vector(want, 2);
    CHECK_BYTES(v, want, sizeof v);
    vector(v, 9);
    clipc_cache_put(cache, prompt(9), v);
    clipc_cache_save(cache);
    clipc_cache_close(cache);
    /* Put, used here, and the other's. */
    CHECK_INT(count_hits(folder, 1, 9, 10), 1);
    CHECK_INT(count_hits(folder, 1, 0, 4), 2);
    CHECK_INT(count_hits(folder, 1, 4, 6), 2);
}

/* Two write at once, a third reads: never an error, never a wrong vector, and
 * afterwards a file that is whole. */
TEST(writers_do_not_damage_each_other)
{
    const char *folder = test_path("cache");
    enum { N_WRITERS = 2, ROUNDS = 8 };
    pid_t pids[N_WRITERS];

    store(folder, 1, 1000, 1001);
    for (unsigned w = 0; w < N_WRITERS; w++) {
        pids[w] = test_fork();
        CHECK(pids[w] >= 0);
        if (pids[w] == 0) {
            for (unsigned i = 0; i < ROUNDS; i++)
                store(folder, 1, w * 100 + i, w * 100 + i + 1);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < 40; i++)
        CHECK_INT(count_hits(folder, 1, 1000, 1001), 1);
    for (unsigned w = 0; w < N_WRITERS; w++) {
        int status;
        CHECK(waitpid(pids[w], &status, 0) == pids[w]);
        CHECK_INT(status, 0);
    }
    unsigned hits = count_hits(folder, 1, 0, 200);
    /* The last file renamed stays. The file holds at least its own record,
     * and the records of others that its writer had read. */
    CHECK(hits >= 1 && hits <= N_WRITERS * ROUNDS);
    CHECK_INT(list_folder(folder, "", "", NULL), 1);
}

TEST(ten_thousand_prompts_are_one_file)
{
    const char *folder = test_path("cache");
    char path[512];
    size_t n;

    store(folder, 1, 0, 10000);
    CHECK_INT(list_folder(folder, "", "", path), 1);
    free(test_read(path, &n));
    CHECK_INT(n, 56 + 10000 * (32 + DIM * 4 + 32));
    CHECK_INT(count_hits(folder, 1, 0, 10050), 10000);
}

TEST(a_file_does_not_grow_past_its_limit)
{
    const char *folder = test_path("cache");
    const size_t limit = 56 + 31 * (32 + DIM * 4 + 32) + 75; /* 31 records */
    char path[512];
    float v[DIM];
    size_t n;

    store(folder, 1, 0, 18);
    for (unsigned round = 0; round < 2; round++) {
        clipc_cache *cache = open_cache(folder, 1);
        clipc_cache_limit(cache, limit);
        CHECK(clipc_cache_get(cache, prompt(3), v)); /* in use: stays */
        for (unsigned i = 18; i < 36; i++) {
            vector(v, i);
            clipc_cache_put(cache, prompt(i), v);
        }
        clipc_cache_save(cache);
        clipc_cache_close(cache);
        CHECK_INT(count_hits(folder, 1, 18, 36), 18);
        CHECK_INT(count_hits(folder, 1, 3, 4), 1);
        CHECK_INT(count_hits(folder, 1, 0, 18), 31 - 18);
    }
    CHECK_INT(list_folder(folder, "labels-", "", path), 1);
    free(test_read(path, &n));
    CHECK_INT(n, limit - 75);

    /* More in one run than fits: the first. */
    clipc_cache *cache = open_cache(folder, 2);
    clipc_cache_limit(cache, limit);
    for (unsigned i = 0; i < 100; i++) {
        vector(v, i);
        clipc_cache_put(cache, prompt(i), v);
    }
    clipc_cache_save(cache);
    clipc_cache_close(cache);
    CHECK_INT(count_hits(folder, 2, 0, 31), 31);
    CHECK_INT(count_hits(folder, 2, 31, 100), 0);
}

TEST(a_folder_does_not_fill_with_old_keys)
{
    const char *folder = test_path("cache");
    struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
    char dead[512], alive[512], path[512];

    store(folder, 1, 0, 1);
    snprintf(dead, sizeof dead, "%s/labels-00.bin.1-2-3.tmp", folder);
    snprintf(alive, sizeof alive, "%s/labels-00.bin.4-5-6.tmp", folder);
    test_write(dead, "x", 1);
    test_write(alive, "x", 1);
    CHECK(utimensat(AT_FDCWD, dead, old, 0) == 0);
    for (unsigned i = 0; i < 63; i++) {
        snprintf(path, sizeof path, "%s/labels-%032x.bin", folder, i);
        test_write(path, "x", 1);
        old[1].tv_nsec = 100 - i; /* the last is the oldest */
        CHECK(utimensat(AT_FDCWD, path, old, 0) == 0);
    }
    CHECK_INT(list_folder(folder, "labels-", "", NULL), 64 + 2);
    store(folder, 2, 0, 1);
    CHECK(access(dead, F_OK) != 0);
    CHECK(access(alive, F_OK) == 0);
    CHECK(access(path, F_OK) != 0);
    CHECK_INT(list_folder(folder, "labels-", "", NULL), 64 + 1);
    CHECK_INT(count_hits(folder, 1, 0, 1), 1);
    CHECK_INT(count_hits(folder, 2, 0, 1), 1);
}

/* ---- identity memo ----------------------------------------------------- */

/* Files of the repository: older than this moment. */
static const char *const old_files[] = { "include/clipc.h",
                                         "lib/api/label_cache.h" };

static void wait_until_old(void)
{
    struct stat st;
    for (size_t i = 0; i < 2; i++) {
        if (stat(old_files[i], &st) != 0)
            FAIL("%s: tests run from the repository root", old_files[i]);
        while (st.st_ctim.tv_sec > time(NULL) - 3 ||
               st.st_mtim.tv_sec > time(NULL) - 3)
            sleep(1);
    }
}

TEST(the_memo_knows_unchanged_files)
{
    const char *folder = test_path("new/cache");
    const char *swapped[] = { old_files[1], old_files[0] };
    clipc_digest stored = key_of(7), got;

    wait_until_old();
    CHECK(!clipc_cache_memo_load(folder, old_files, 2, &got));
    clipc_cache_memo_store(folder, old_files, 2, &stored);
    CHECK(clipc_cache_memo_load(folder, old_files, 2, &got));
    CHECK_BYTES(got.bytes, stored.bytes, sizeof got.bytes);
    CHECK(!clipc_cache_memo_load(folder, old_files, 1, &got));
    CHECK(!clipc_cache_memo_load(folder, swapped, 2, &got));
    stored = key_of(8);
    clipc_cache_memo_store(folder, old_files, 2, &stored);
    CHECK(clipc_cache_memo_load(folder, old_files, 2, &got));
    CHECK_BYTES(got.bytes, stored.bytes, sizeof got.bytes);
    CHECK_INT(list_folder(folder, "", "", NULL), 1);

    CHECK(!clipc_cache_memo_load(NULL, old_files, 2, &got));
    clipc_cache_memo_store(NULL, old_files, 2, &stored);
    clipc_cache_memo_store("/proc/self/nothing", old_files, 2, &stored);
}

TEST(a_changed_or_young_file_has_no_memo)
{
    const char *folder = test_path("cache");
    const char *file = test_path("model");
    const char *missing = test_path("missing");
    const char *mine = test_folder();
    struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
    clipc_digest stored = key_of(7), got;

    test_write(file, "weights", 7);
    clipc_cache_memo_store(folder, &file, 1, &stored);
    CHECK(!clipc_cache_memo_load(folder, &file, 1, &got));
    /* An old mtime does not help: ctime tells. */
    CHECK(utimensat(AT_FDCWD, file, old, 0) == 0);
    clipc_cache_memo_store(folder, &file, 1, &stored);
    CHECK(!clipc_cache_memo_load(folder, &file, 1, &got));
    clipc_cache_memo_store(folder, &missing, 1, &stored);
    CHECK(!clipc_cache_memo_load(folder, &missing, 1, &got));
    clipc_cache_memo_store(folder, &mine, 1, &stored); /* a folder */
    CHECK(!clipc_cache_memo_load(folder, &mine, 1, &got));
    CHECK_INT(list_folder(folder, "", "", NULL), 0);
}

TEST(a_damaged_memo_is_ignored)
{
    const char *folder = test_path("cache");
    clipc_digest stored = key_of(7), got;
    char path[512];
    size_t n;

    wait_until_old();
    clipc_cache_memo_store(folder, old_files, 2, &stored);
    CHECK_INT(list_folder(folder, "model-", "", path), 1);
    char *data = test_read(path, &n);
    CHECK_INT(n, 112);
    for (size_t i = 0; i < n; i++) {
        patch(path, i, data[i] ^ 1);
        CHECK(!clipc_cache_memo_load(folder, old_files, 2, &got));
        patch(path, i, data[i]);
    }
    CHECK(clipc_cache_memo_load(folder, old_files, 2, &got));
    for (size_t length = n; length-- > 0;) {
        CHECK(truncate(path, (off_t)length) == 0);
        CHECK(!clipc_cache_memo_load(folder, old_files, 2, &got));
    }
    free(data);
}
