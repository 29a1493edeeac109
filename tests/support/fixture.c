/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "support/fixture.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

clipc_model_files files;
clipc_model *model;
clipc_ctx *ctx;
clipc_error err;

clipc_text text(const char *s)
{
    return (clipc_text){ s, strlen(s) };
}

clipc_model *open_tiny(clipc_model_files *made,
                       const tiny_model_options *options)
{
    clipc_model *opened;

    tiny_model_files(made, options);
    CHECK_OK(clipc_model_open_memory(&opened, made, NULL, &err), err);
    return opened;
}

clipc_ctx *make_ctx(const clipc_model *of, unsigned threads)
{
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_ctx *made;

    params.threads = threads;
    params.gemm = CLIPC_GEMM_NATIVE;
    CHECK_OK(clipc_ctx_create(&made, of, &params, &err), err);
    return made;
}

void close_all(void)
{
    clipc_ctx_free(ctx);
    clipc_model_free(model);
    tiny_model_free(&files);
    ctx = NULL;
    model = NULL;
}

void open_all_as(const tiny_model_options *options)
{
    close_all();
    err = (clipc_error)CLIPC_ERROR_INIT;
    model = open_tiny(&files, options);
    ctx = make_ctx(model, 1);
}

void open_all(void)
{
    open_all_as(NULL);
}

clipc_image *draw(unsigned seed, size_t width, size_t height,
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

float *tensor_data(const clipc_model_files *in, const char *name, size_t *n)
{
    union {
        const void *in;
        unsigned char *out;
    } bytes = { in->weights };
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

void fill_tensor(const clipc_model_files *in, const char *name, float value)
{
    size_t n;
    float *data = tensor_data(in, name, &n);
    for (size_t i = 0; i < n; i++)
        data[i] = value;
}

static child_report *child_memory(void)
{
    child_report *report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(report != MAP_FAILED);
    memset(report, 0, sizeof *report);
    return report;
}

long run_child(int (*fn)(child_report *, void *), void *arg)
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
