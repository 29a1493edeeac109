/* SPDX-License-Identifier: MIT
 *
 * test_shards.c - two runs of clipc-embed that write the same shards: none
 * replaces what the other has finished.
 */
#include "support/test.h"

#include "embed/shards.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DIM = 2 };

/* What another run does while this one is between the two files of a shard:
 * called before an index is opened. */
static void (*before_index)(void);

static bool ends_in(const char *path, const char *end)
{
    const size_t n = strlen(path), n_end = strlen(end);
    return n >= n_end && strcmp(path + n - n_end, end) == 0;
}

/* In place of the C library's, in this program. */
int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;

    if (flags & O_CREAT) {
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    if (before_index && ends_in(path, ".jsonl.tmp")) {
        void (*call)(void) = before_index;
        before_index = NULL;
        call();
    }
    return openat(AT_FDCWD, path, flags, mode);
}

static tool_shards *open_shards(void)
{
    const tool_shards_params params = {
        .prefix = test_path("x"), .dim = DIM, .max_rows = 4, .append = true
    };
    char message[256] = "";
    tool_shards *shards = tool_shards_open(&params, message);

    if (!shards)
        FAIL("%s", message);
    return shards;
}

static bool add(tool_shards *shards, char message[256])
{
    static const float embedding[DIM] = { 0.6f, 0.8f };

    return tool_shards_add(shards, json_pack("{s:s}", "text", "a"), embedding,
                           message);
}

static void check_content(const char *name, const char *want)
{
    size_t n;
    char *text = test_read(test_path(name), &n);

    CHECK_STR(text, want);
    free(text);
}

static bool exists(const char *name)
{
    return access(test_path(name), F_OK) == 0;
}

static void finish_by_another(void)
{
    test_write(test_path("x-00000.npy"), "theirs", 6);
    test_write(test_path("x-00000.jsonl"), "theirs", 6);
}

/* The other run gives its files their names, first the array, then the index.
 * This run has a lock on the array's next temporary file in between. */
TEST(a_shard_that_another_run_finishes_meanwhile_is_kept)
{
    char message[256] = "";
    tool_shards *shards = open_shards();

    before_index = finish_by_another;
    CHECK(!add(shards, message));
    CHECK(before_index == NULL);
    CHECK_HAS(message, "x-00000.npy: another run has written it");
    tool_shards_close(shards);
    check_content("x-00000.npy", "theirs");
    check_content("x-00000.jsonl", "theirs");
    CHECK(!exists("x-00000.npy.tmp") && !exists("x-00000.jsonl.tmp"));
}

TEST(a_shard_that_another_run_writes_is_left_to_it)
{
    char message[256] = "", byte = 0;
    int ready[2], go[2], status;

    CHECK(pipe(ready) == 0 && pipe(go) == 0);
    (void)test_folder(); /* made here, for both */
    const pid_t pid = test_fork();
    if (pid == 0) {
        close(go[1]);
        tool_shards *theirs = open_shards();
        bool good = add(theirs, message) && write(ready[1], "x", 1) == 1 &&
                    read(go[0], &byte, 1) == 1 &&
                    tool_shards_finish(theirs, message);
        tool_shards_close(theirs);
        _exit(good ? 0 : 1);
    }
    close(ready[1]); /* a child that fails is the end of the file */
    tool_shards *shards = open_shards();
    CHECK_INT(read(ready[0], &byte, 1), 1);
    CHECK(!add(shards, message));
    CHECK_HAS(message, "x-00000.npy.tmp: another run is writing it");
    tool_shards_close(shards);
    CHECK_INT(write(go[1], "x", 1), 1);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(exists("x-00000.npy") && exists("x-00000.jsonl"));

    shards = open_shards(); /* goes on after it */
    CHECK(add(shards, message));
    CHECK(tool_shards_finish(shards, message));
    tool_shards_close(shards);
    CHECK(exists("x-00001.npy") && exists("x-00001.jsonl"));
    CHECK(!exists("x-00001.npy.tmp") && !exists("x-00001.jsonl.tmp"));
    close(ready[0]);
    close(go[0]);
    close(go[1]);
}
