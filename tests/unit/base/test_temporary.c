/* SPDX-License-Identifier: MIT
 *
 * test_temporary.c - names of temporary files differ, and what a killed
 * process leaves is removed, nothing else.
 */
#define _GNU_SOURCE /* flock */
#include "support/files.h"
#include "support/test.h"

#include "base/file.h"
#include "base/temporary.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* A file that was last written an hour ago. */
static char *old_file(const char *path, const char *ending)
{
    static char names[8][600];
    static unsigned next;
    char *name = names[next++ % 8];
    struct timespec times[2];

    snprintf(name, sizeof names[0], "%s%s", path, ending);
    test_write(name, "x", 1);
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= 3600;
    times[1] = times[0];
    CHECK(utimensat(AT_FDCWD, name, times, 0) == 0);
    return name;
}

TEST(names_differ)
{
    char *a = clipc_temporary_name("folder/x", 0, "tmp");
    char *b = clipc_temporary_name("folder/x", 1, "tmp");

    CHECK(a && b);
    CHECK(strncmp(a, "folder/x.", 9) == 0 && strcmp(a, b) != 0);
    CHECK(strcmp(a + strlen(a) - 4, ".tmp") == 0);
    free(a);
    free(b);
}

TEST(what_a_killed_process_leaves_is_removed)
{
    char path[512];

    snprintf(path, sizeof path, "%s", test_path("model.clipc"));
    char *made = clipc_temporary_name(path, 0, "tmp");
    CHECK(made != NULL);
    old_file(made, "");
    char *left = old_file(path, ".3f2-1a2b-0.tmp");
    char *locked = old_file(path, ".3f2-1a2b-1.tmp");
    char *others[] = { old_file(path, ""), old_file(path, ".tmp"),
                       old_file(path, ".3f2-1a2b.tmp"),
                       old_file(path, ".3f2-1a2g-0.tmp"),
                       old_file(path, ".3f2-1a2b-0.part") };
    int fd = open(locked, O_RDWR);
    char *young = clipc_temporary_name(path, 7, "tmp");
    CHECK(fd >= 0 && young);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        SKIP("the file system has no locks");
    test_write(young, "x", 1);

    clipc_temporary_sweep(path, "tmp");
    CHECK(!exists(made) && !exists(left));
    CHECK(exists(locked) && exists(young));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CHECK(exists(others[i]));
    close(fd);
    clipc_temporary_sweep(path, "tmp");
    CHECK(!exists(locked) && exists(young));
    free(made);
    free(young);
}

/* A writer's own file is locked: another writer of the same name leaves it. */
TEST(a_writer_is_not_swept_away)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_file_writer writer;
    const char *path = test_path("written");
    struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

    CHECK_OK(clipc_file_writer_open(&writer, path, &err), err);
    CHECK_OK(clipc_file_writer_write(&writer, "whole", 5, &err), err);
    CHECK(utimensat(AT_FDCWD, writer.temporary, times, 0) == 0);
    int fd = open(writer.temporary, O_RDONLY);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        SKIP("the file system has no locks");
    close(fd);
    clipc_temporary_sweep(path, "tmp");
    CHECK(exists(writer.temporary));
    CHECK_OK(clipc_file_writer_commit(&writer, &err), err);
    CHECK(exists(path));
}
