/* SPDX-License-Identifier: MIT
 *
 * fixture.h - shared by the tests of the public calls: the tiny model opened
 * from memory, contexts, pictures, weights changed in place, checks that run
 * in a child process.
 */
#ifndef CLIPC_TEST_FIXTURE_H
#define CLIPC_TEST_FIXTURE_H

#include "support/test.h"
#include "support/tiny_model.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DIM = TINY_DIM, PIXEL_FLOATS = 3 * TINY_IMAGE_SIZE * TINY_IMAGE_SIZE };

/* The running test's objects. open_all() frees a failed test's objects and
 * makes new objects; close_all() frees the objects. */
extern clipc_model_files files;
extern clipc_model *model;
extern clipc_ctx *ctx;
extern clipc_error err;

clipc_text text(const char *s);

/* The files must outlive the model. */
clipc_model *open_tiny(clipc_model_files *made,
                       const tiny_model_options *options);
clipc_ctx *make_ctx(const clipc_model *of, unsigned threads);
void open_all(void);
void open_all_as(const tiny_model_options *options);
void close_all(void);

/* Makes another drawing for every seed; fitted when fit is not NULL. */
clipc_image *draw(unsigned seed, size_t width, size_t height,
                  const clipc_model *fit);

/* Returns one F32 tensor of the files. Change the tensor before opening. */
float *tensor_data(const clipc_model_files *in, const char *name, size_t *n);
void fill_tensor(const clipc_model_files *in, const char *name, float value);

/* ---- child processes --------------------------------------------------- */

/* A failed check in a child returns its line: CHECK would go on with the
 * parent's tests in the child. */
#define CHILD_CHECK(condition) \
    do { \
        if (!(condition)) \
            return __LINE__; \
    } while (0)

/* The child's answer, in memory shared with the parent. */
typedef struct child_report {
    int line;   /* 0: all good */
    long value; /* the test's own answer */
    char message[256];
} child_report;

/* Runs fn in a child; fails the test when the child fails or dies. Returns
 * the child's value. */
long run_child(int (*fn)(child_report *, void *), void *arg);

#endif /* CLIPC_TEST_FIXTURE_H */
