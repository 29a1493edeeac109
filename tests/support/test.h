/* SPDX-License-Identifier: MIT
 *
 * test.h - the test harness: a failed check prints both values.
 *
 *     TEST(empty_text_gives_both_ends) { CHECK_INT(n_ids, 2); }
 *
 * Tests register themselves. test_main.c runs the tests (with arguments: the
 * tests whose name contains an argument) from the repository root and prints a
 * line for each: "ok - name", "not ok - name" or "skip - name: reason". A
 * failed check ends its test.
 */
#ifndef CLIPC_TEST_H
#define CLIPC_TEST_H

#include "clipc.h"

#include <math.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* 1 with AddressSanitizer or ThreadSanitizer. Both sanitizers have their own
 * allocators, frames and address space. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#undef SANITIZED
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

typedef void (*test_fn)(void);
void test_register(const char *name, test_fn function);

/* Ends the running test as failed or skipped, with a message. */
void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));
void test_skip(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* Whether valgrind or qemu runs the test (RUNNER is set). Measurements then
 * include the emulator's memory, stack and time. */
bool emulated(void);

/* A line of /proc/self/status ("VmRSS:"); -1 where there is none. */
long status_kilobytes(const char *line);

/* fork() with the output flushed; fails the test if no process can be made. */
int test_fork(void);

/* Returns a folder for this test's files, made on first use, removed at the
 * end. */
const char *test_folder(void);
/* Returns "FOLDER/name", valid until the 8th call from now. */
const char *test_path(const char *name);
void test_write(const char *path, const void *data, size_t n);
/* Reads a file; malloc'ed, terminated. Fails the test when the file cannot be
 * read. */
char *test_read(const char *path, size_t *n);

#define TEST(name) \
    static void test_##name(void); \
    __attribute__((constructor)) static void register_##name(void) \
    { \
        test_register(#name, test_##name); \
    } \
    static void test_##name(void)

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...) test_skip(__VA_ARGS__)

#define CHECK(condition) \
    do { \
        if (!(condition)) \
            FAIL("%s is false", #condition); \
    } while (0)

#define CHECK_INT(got, want) \
    do { \
        long long got_ = (long long)(got), want_ = (long long)(want); \
        if (got_ != want_) \
            FAIL("%s is %lld, not %lld", #got, got_, want_); \
    } while (0)

#define CHECK_STR(got, want) \
    do { \
        const char *got_ = (got), *want_ = (want); \
        if (!got_ || strcmp(got_, want_) != 0) \
            FAIL("%s is \"%s\", not \"%s\"", #got, got_ ? got_ : "(null)", \
                 want_); \
    } while (0)

/* Checks that a message contains a piece. */
#define CHECK_HAS(got, piece) \
    do { \
        const char *got_ = (got), *piece_ = (piece); \
        if (!got_ || !strstr(got_, piece_)) \
            FAIL("%s is \"%s\", without \"%s\"", #got, \
                 got_ ? got_ : "(null)", piece_); \
    } while (0)

#define CHECK_STATUS(call, want) \
    do { \
        clipc_status got_ = (call), want_ = (want); \
        if (got_ != want_) \
            FAIL("%s gives %s, not %s", #call, clipc_status_name(got_), \
                 clipc_status_name(want_)); \
    } while (0)

/* Checks that the call succeeds; on failure shows err.message. */
#define CHECK_OK(call, err) \
    do { \
        clipc_status got_ = (call); \
        if (got_ != CLIPC_OK) \
            FAIL("%s gives %s: %s", #call, clipc_status_name(got_), \
                 (err).message); \
    } while (0)

#define CHECK_NEAR(got, want, bound) \
    do { \
        double got_ = (got), want_ = (want), bound_ = (bound); \
        if (!(fabs(got_ - want_) <= bound_)) \
            FAIL("%s is %.9g, not within %.3g of %.9g", #got, got_, bound_, \
                 want_); \
    } while (0)

#define CHECK_BYTES(got, want, n) \
    do { \
        const unsigned char *g_ = (const void *)(got); \
        const unsigned char *w_ = (const void *)(want); \
        for (size_t i_ = 0; i_ < (size_t)(n); i_++) \
            if (g_[i_] != w_[i_]) \
                FAIL("%s differs at byte %zu: %u, not %u", #got, i_, g_[i_], \
                     w_[i_]); \
    } while (0)

/* Returns the unit vectors [n, dim] of labels; NULL for NULL. n, dim and
 * n_encoded may be NULL. */
static inline const float *label_vectors(const clipc_labels *labels, size_t *n,
                                         size_t *dim, size_t *n_encoded)
{
    clipc_labels_info info = { .struct_size = sizeof info };

    if (labels)
        CHECK_STATUS(clipc_labels_get_info(labels, &info, NULL), CLIPC_OK);
    if (n)
        *n = info.n;
    if (dim)
        *dim = info.dim;
    if (n_encoded)
        *n_encoded = info.n_encoded;
    return info.embeddings;
}

#endif /* CLIPC_TEST_H */
