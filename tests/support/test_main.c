/* SPDX-License-Identifier: MIT
 *
 * test_main.c - runs the registered tests: see test.h. Exit status 1 when a
 * test failed.
 */
#define _GNU_SOURCE /* nftw */
#include "support/test.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_TESTS = 512 };

static struct {
    const char *name;
    test_fn function;
} tests[MAX_TESTS];
static size_t n_tests;

static jmp_buf test_end;
static enum { PASSED, FAILED, SKIPPED } outcome;
static char reason[2048];
static char folder[256];

void test_register(const char *name, test_fn function)
{
    if (n_tests == MAX_TESTS) {
        fprintf(stderr, "more than %d tests in one program\n", MAX_TESTS);
        exit(1);
    }
    tests[n_tests].name = name;
    tests[n_tests++].function = function;
}

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    int n = snprintf(reason, sizeof reason, "%s:%d: ", file, line);
    va_start(args, format);
    vsnprintf(reason + n, sizeof reason - (size_t)n, format, args);
    va_end(args);
    outcome = FAILED;
    longjmp(test_end, 1);
}

void test_skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    outcome = SKIPPED;
    longjmp(test_end, 1);
}

bool emulated(void)
{
    const char *runner = getenv("RUNNER");
    return runner && *runner;
}

long status_kilobytes(const char *line)
{
    char text[256];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "r");

    while (file && value < 0 && fgets(text, sizeof text, file))
        if (strncmp(text, line, strlen(line)) == 0)
            sscanf(text + strlen(line), "%ld", &value);
    if (file)
        fclose(file);
    return value;
}

int test_fork(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        FAIL("fork: %s", strerror(errno));
    return pid;
}

static int remove_entry(const char *path, const struct stat *st, int type,
                        struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

const char *test_folder(void)
{
    if (!folder[0]) {
        const char *tmp = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/clipc-test-XXXXXX",
                 tmp && *tmp ? tmp : "/tmp");
        if (!mkdtemp(folder))
            FAIL("mkdtemp %s: %s", folder, strerror(errno));
    }
    return folder;
}

const char *test_path(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", test_folder(), name);
    return path;
}

void test_write(const char *path, const void *data, size_t n)
{
    FILE *file = fopen(path, "wb");
    if (!file || (n && fwrite(data, 1, n, file) != n) || fclose(file) != 0)
        FAIL("cannot write %s: %s", path, strerror(errno));
}

char *test_read(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        FAIL("cannot read %s: %s (tests run from the repository root)", path,
             strerror(errno));
    long size = ftell(file);
    char *data = malloc((size_t)size + 1);
    rewind(file);
    if (!data || fread(data, 1, (size_t)size, file) != (size_t)size)
        FAIL("cannot read %s", path);
    fclose(file);
    data[size] = '\0';
    if (n)
        *n = (size_t)size;
    return data;
}

static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i]))
            return true;
    return argc < 2;
}

int main(int argc, char **argv)
{
    static size_t i; /* static: kept over longjmp */
    static size_t n_failed;
    const char *program = strrchr(argv[0], '/');

    program = program ? program + 1 : argv[0];
    for (i = 0; i < n_tests; i++) {
        if (!wanted(tests[i].name, argc, argv))
            continue;
        outcome = PASSED;
        if (setjmp(test_end) == 0)
            tests[i].function();
        if (outcome == PASSED)
            printf("ok - %s %s\n", program, tests[i].name);
        else if (outcome == SKIPPED)
            printf("skip - %s %s: %s\n", program, tests[i].name, reason);
        else
            printf("not ok - %s %s: %s\n", program, tests[i].name, reason);
        n_failed += outcome == FAILED;
        fflush(stdout);
        if (folder[0]) {
            nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
            folder[0] = '\0';
        }
    }
    return n_failed != 0;
}
