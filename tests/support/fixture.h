/* SPDX-License-Identifier: MIT
 *
 * fixture.h - what the tests of the public calls share: the tiny model opened
 * from memory, contexts, pictures, weights changed in place, checks that run
 * in a child process.
 */
#ifndef CLIPC_TEST_FIXTURE_H
#define CLIPC_TEST_FIXTURE_H

#include "support/test.h"
#include "support/tiny_model.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DIM = TINY_DIM, PIXEL_FLOATS = 3 * TINY_IMAGE_SIZE * TINY_IMAGE_SIZE };

/* Of the running test: open_all() makes them, after those of a test that
 * failed, close_all() frees them. */
static clipc_model_files files;
static clipc_model *model;
static clipc_ctx *ctx;
static clipc_error err;

static inline clipc_text text(const char *s)
{
    return (clipc_text){ s, strlen(s) };
}

/* The files must outlive the model. */
static inline clipc_model *open_tiny(clipc_model_files *made,
                                     const tiny_model_options *options)
{
    clipc_model *opened;

    tiny_model_files(made, options);
    CHECK_OK(clipc_model_open_memory(&opened, made, NULL, &err), err);
    return opened;
}

static inline clipc_ctx *make_ctx(const clipc_model *of, unsigned threads)
{
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_ctx *made;

    params.threads = threads;
    params.gemm = CLIPC_GEMM_NATIVE;
    CHECK_OK(clipc_ctx_create(&made, of, &params, &err), err);
    return made;
}

static inline void close_all(void)
{
    clipc_ctx_free(ctx);
    clipc_model_free(model);
    tiny_model_free(&files);
    ctx = NULL;
    model = NULL;
}

static inline void open_all(void)
{
    close_all();
    err = (clipc_error)CLIPC_ERROR_INIT;
    model = open_tiny(&files, NULL);
    ctx = make_ctx(model, 1);
}

/* A drawing of its own for every seed; fitted when fit is not NULL. */
static inline clipc_image *draw(unsigned seed, size_t width, size_t height,
                                const clipc_model *fit)
{
    clipc_image_params params = clipc_image_params_default();
    clipc_image *image;
    uint8_t *rgb = malloc(width * height * 3);

    CHECK(rgb != NULL);
    for (size_t i = 0; i < width * height * 3; i++)
        rgb[i] = (uint8_t)(i * (seed * 2 + 3) + i / (3 * width) * (seed + 5) +
                           seed * 40);
    params.fit = fit;
    clipc_status status = clipc_image_from_rgb(&image, rgb, width, height,
                                               width * 3, &params, &err);
    free(rgb);
    CHECK_OK(status, err);
    return image;
}

/* The bytes of one F32 tensor of the files, to be changed before opening. */
static inline float *tensor_data(const clipc_model_files *in,
                                 const char *name, size_t *n)
{
    union { const void *in; unsigned char *out; } bytes = { in->weights };
    char key[160];
    uint64_t header;
    size_t begin, end;

    memcpy(&header, bytes.out, 8);
    snprintf(key, sizeof key, "\"%s\":", name);
    char *copy = malloc(header + 1);
    CHECK(copy != NULL);
    memcpy(copy, bytes.out + 8, header);
    copy[header] = '\0';
    const char *at = strstr(copy, key);
    at = at ? strstr(at, "\"data_offsets\":[") : NULL;
    int found = at ? sscanf(at, "\"data_offsets\":[%zu,%zu]", &begin, &end)
                   : 0;
    free(copy);
    CHECK_INT(found, 2);
    *n = (end - begin) / sizeof(float);
    return (float *)(void *)(bytes.out + 8 + header + begin);
}

static inline void fill_tensor(const clipc_model_files *in,
                               const char *name, float value)
{
    size_t n;
    float *data = tensor_data(in, name, &n);
    for (size_t i = 0; i < n; i++)
        data[i] = value;
}

/* ---- child processes --------------------------------------------------- */

/* A check in a child returns the line it fails in: CHECK itself would go on
 * with the parent's tests there. */
#define CHILD_CHECK(condition)   \
    do {                         \
        if (!(condition))        \
            return __LINE__;     \
    } while (0)

/* What a child says, in memory shared with the parent. */
typedef struct child_report {
    int line;         /* 0: all good */
    long value;       /* for the test to use */
    char message[256];
} child_report;

static inline child_report *child_memory(void)
{
    child_report *report =
        mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(report != MAP_FAILED);
    memset(report, 0, sizeof *report);
    return report;
}

/* Runs fn in a child; fails the test when the child does or dies. Returns
 * the child's value. */
static inline long run_child(int (*fn)(child_report *, void *), void *arg)
{
    child_report *report = child_memory();
    int status;

    pid_t pid = test_fork();
    if (pid == 0) {
        report->line = -1;
        report->line = fn(report, arg);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    child_report got = *report;
    munmap(report, sizeof *report);
    if (WIFSIGNALED(status))
        FAIL("the child died of signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        FAIL("the child ended with status %d", WEXITSTATUS(status));
    if (got.line)
        FAIL("the child failed in line %d: %s", got.line, got.message);
    return got.value;
}

#endif /* CLIPC_TEST_FIXTURE_H */
