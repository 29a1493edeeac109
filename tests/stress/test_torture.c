/* SPDX-License-Identifier: MIT
 *
 * test_torture.c - the quick part of `make torture`: some sixteen failing
 * calls of each kind in each operation, and in each request to clipc-serve.
 * These tests run tests/stress/torture and torture_serve under
 * tests/support/shim.so.
 */
#include "support/loopback.h"
#include "support/test.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Makes the path of a built file; name counts from this program's folder. */
static void sibling(char *path, size_t size, const char *name)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 32);
    if (n < 0)
        SKIP("no /proc/self/exe to find tests/stress/torture by");
    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, name);
    if (access(path, R_OK) != 0)
        FAIL("%s: not built", path);
}

/* Runs a program of this folder; fails the test where it finds a fault. */
static void run(const char *name, unsigned at_least)
{
    static char torture[4096], shim[4096];
    const char *runner = getenv("RUNNER");
    char line[512], wrong[512] = "";
    unsigned n_ok = 0;
    int ends[2], status;

#ifndef __GLIBC__
    SKIP("the shim stands before glibc's allocator");
#endif
    if (SANITIZED)
        SKIP("the sanitizer has the allocator");
    if (runner && strstr(runner, "qemu"))
        SKIP("no LD_PRELOAD under qemu");
    sibling(torture, sizeof torture, name);
    sibling(shim, sizeof shim, "../support/shim.so");
    CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        setenv("LD_PRELOAD", shim, 1);
        setenv("MALLOC_PERTURB_", "165", 1);
        execl(torture, torture, "--quick", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    CHECK(output != NULL);
    while (fgets(line, sizeof line, output)) {
        line[strcspn(line, "\n")] = '\0';
        n_ok += strncmp(line, "ok - ", 5) == 0;
        if (strncmp(line, "not ok - ", 9) == 0 && !wrong[0])
            memcpy(wrong, line, sizeof wrong);
    }
    fclose(output);
    CHECK(waitpid(pid, &status, 0) == pid);
    if (wrong[0])
        FAIL("%s", wrong + 9);
    CHECK_INT(status, 0);
    CHECK(n_ok >= at_least);
}

TEST(faults_leave_nothing_behind_and_the_next_call_works)
{
    run("torture", 100);
}

TEST(faults_in_a_request_leave_the_server_well)
{
    static char path[4096];

    sibling(path, sizeof path, "../../clipc-classify");
    strcpy(strrchr(path, '/') + 1, "clipc-serve");
    if (access(path, X_OK) != 0)
        SKIP("no clipc-serve in the build folder (SERVE=0)");
    if (!has_loopback())
        SKIP("no loopback network here");
    run("torture_serve", 40);
}
