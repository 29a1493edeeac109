/* SPDX-License-Identifier: MIT
 *
 * test_file.c - lib/base/file.c: limits, odd files, atomic replacement,
 * folders.
 */
#include "base/file.h"
#include "support/files.h"
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

TEST(file_limit_is_the_largest_size_read)
{
    static const struct {
        size_t size, limit;
        clipc_status status;
    } cases[] = {
        { 0, 0, CLIPC_OK },
        { 1, 0, CLIPC_ERR_LIMIT },
        { 99, 100, CLIPC_OK },
        { 100, 100, CLIPC_OK },
        { 101, 100, CLIPC_ERR_LIMIT },
        { 100000, SIZE_MAX, CLIPC_OK },
    };
    clipc_error err = CLIPC_ERROR_INIT;
    const char *path = test_path("data");
    static char data[100000];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_bytes bytes = { 0 };
        test_write(path, data, cases[i].size);
        CHECK_STATUS(clipc_file_read(&bytes, path, cases[i].limit,
                                     "limit of a test", &err),
                     cases[i].status);
        if (cases[i].status == CLIPC_OK) {
            CHECK_INT(bytes.n, cases[i].size);
            CHECK_BYTES(bytes.data, data, bytes.n);
            CHECK_INT(bytes.data[bytes.n], 0);
        } else {
            CHECK(bytes.data == NULL && bytes.n == 0);
            CHECK_HAS(err.message, "limit of a test");
        }
        clipc_bytes_release(&bytes);
    }
}

TEST(what_is_no_regular_file_is_refused_at_once)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes bytes;
    const char *fifo = test_path("fifo"), *loop = test_path("loop");

    CHECK(mkfifo(fifo, 0600) == 0);
    CHECK(symlink(loop, loop) == 0);
    const struct {
        const char *path, *message;
        clipc_status status;
    } cases[] = {
        { fifo, "not a regular file", CLIPC_ERR_IO },
        { test_folder(), "a directory", CLIPC_ERR_IO },
        { "/dev/zero", "not a regular file", CLIPC_ERR_IO },
        { loop, "symbolic links", CLIPC_ERR_IO },
        { test_path("absent"), "no such file", CLIPC_ERR_NOT_FOUND },
        { "tests/support/test.h/x", "not a folder", CLIPC_ERR_NOT_FOUND },
        { "", "no such file", CLIPC_ERR_NOT_FOUND },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_STATUS(clipc_file_read(&bytes, cases[i].path, 10, "", &err),
                     cases[i].status);
        CHECK_HAS(err.message, cases[i].message);
        CHECK(bytes.data == NULL);
        CHECK_STATUS(clipc_file_map(&bytes, cases[i].path, &err),
                     cases[i].status);
        CHECK(bytes.data == NULL);
        CHECK(!clipc_file_exists(cases[i].path));
    }
    CHECK(clipc_folder_exists(test_folder()));
    CHECK(clipc_file_exists("tests/support/test.h"));
}

TEST(unreadable_file_says_permission_denied)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes bytes;
    const char *path = test_path("secret");

    bool root = geteuid() == 0; /* root may read everything */
    test_write(path, "x", 1);
    CHECK(chmod(path, 0) == 0);
    CHECK(!root || seteuid(65534) == 0);
    clipc_status status = clipc_file_read(&bytes, path, 10, "", &err);
    CHECK(!root || seteuid(0) == 0);
    CHECK_INT(status, CLIPC_ERR_IO);
    CHECK_HAS(err.message, "permission denied");
}

TEST(no_descriptor_left_is_an_io_error)
{
    struct rlimit old, none;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes bytes;

    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    none = old;
    none.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    clipc_status status = clipc_file_read(&bytes, "tests/support/test.h",
                                          1 << 20, "", &err);
    CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
    CHECK_INT(status, CLIPC_ERR_IO);
    CHECK_HAS(err.message, "too many files are open in this process");
}

TEST(file_of_claimed_size_zero_is_read_whole)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes bytes;

    if (access("/proc/self/status", R_OK) != 0)
        SKIP("no /proc");
    CHECK_OK(clipc_file_read(&bytes, "/proc/self/status", 1 << 20, "", &err),
             err);
    CHECK(bytes.n > 100);
    clipc_bytes_release(&bytes);
}

TEST(system_errors_are_told_in_words)
{
    static const struct {
        int error;
        clipc_status status;
        const char *text;
    } cases[] = {
        { EACCES, CLIPC_ERR_IO, "permission denied" },
        { EDQUOT, CLIPC_ERR_IO, "quota" },
        { EEXIST, CLIPC_ERR_IO, "exists already" },
        { EIO, CLIPC_ERR_IO, "input/output" },
        { EISDIR, CLIPC_ERR_IO, "directory" },
        { ENAMETOOLONG, CLIPC_ERR_IO, "too long" },
        { ENFILE, CLIPC_ERR_IO, "on this system" },
        { ENODEV, CLIPC_ERR_IO, "mapped" },
        { ENOENT, CLIPC_ERR_NOT_FOUND, "no such file" },
        { ENOMEM, CLIPC_ERR_NOMEM, "memory" },
        { ENOSPC, CLIPC_ERR_IO, "full" },
        { ENOTDIR, CLIPC_ERR_NOT_FOUND, "not a folder" },
        { EPERM, CLIPC_ERR_IO, "not permitted" },
        { EROFS, CLIPC_ERR_IO, "read-only" },
        { 12345, CLIPC_ERR_IO, "system error 12345" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        CHECK_STATUS(clipc_fail_errno(&err, "open", "a\tb", cases[i].error),
                     cases[i].status);
        CHECK_HAS(err.message, cases[i].text);
        CHECK_HAS(err.message, "cannot open a\\x09b: ");
    }
}

TEST(mapped_bytes_outlive_a_rename_over_the_file)
{
    clipc_error err = CLIPC_ERROR_INIT;
    const char *path = test_path("weights");
    clipc_bytes bytes;

    test_write(path, "first", 5);
    CHECK_OK(clipc_file_map(&bytes, path, &err), err);
    CHECK(bytes.mapped && bytes.n == 5);
    CHECK_OK(clipc_file_replace(path, "second one", 10, &err), err);
    CHECK_BYTES(bytes.data, "first", 5);
    clipc_bytes_release(&bytes);
    CHECK(bytes.data == NULL && !bytes.mapped);
    CHECK_OK(clipc_file_read(&bytes, path, 100, "", &err), err);
    CHECK_STR((const char *)bytes.data, "second one");
    clipc_bytes_release(&bytes);

    test_write(path, "", 0);
    CHECK_OK(clipc_file_map(&bytes, path, &err), err);
    CHECK(bytes.n == 0 && bytes.data == NULL);
    clipc_bytes_release(&bytes);
}

TEST(forgotten_bytes_are_read_again)
{
    static char data[70000];
    clipc_error err = CLIPC_ERROR_INIT;
    const char *path = test_path("pages");
    clipc_bytes bytes;

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i % 251);
    test_write(path, data, sizeof data);
    for (int mapped = 0; mapped < 2; mapped++) {
        CHECK_OK(mapped ? clipc_file_map(&bytes, path, &err)
                        : clipc_file_read(&bytes, path, sizeof data, "", &err),
                 err);
        clipc_bytes_forget(&bytes, 0, bytes.n);
        clipc_bytes_forget(&bytes, 5000, 60000);
        clipc_bytes_forget(&bytes, 1, 10);
        clipc_bytes_forget(&bytes, bytes.n, 0);
        CHECK_BYTES(bytes.data, data, sizeof data);
        clipc_bytes_release(&bytes);
    }
}

TEST(replace_leaves_nothing_behind)
{
    clipc_error err = CLIPC_ERROR_INIT;
    const char *folder = test_path("into"), *taken = test_path("into/taken");

    CHECK_OK(clipc_folder_make(folder, &err), err);
    CHECK_OK(clipc_folder_make(taken, &err), err);
    CHECK_OK(clipc_file_replace(test_path("into/a"), "x", 1, &err), err);
    CHECK_INT(list_folder(folder, "", "", NULL), 2);
    /* A folder cannot be replaced by a file: rename fails. */
    CHECK_STATUS(clipc_file_replace(taken, "x", 1, &err), CLIPC_ERR_IO);
    CHECK_INT(list_folder(folder, "", "", NULL), 2);
    CHECK_STATUS(clipc_file_replace(test_path("no/such"), "x", 1, &err),
                 CLIPC_ERR_NOT_FOUND);
}

TEST(a_link_is_followed_and_a_pipe_stays)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes bytes = { 0 };
    struct stat st;

    CHECK_OK(clipc_file_replace(test_path("target"), "a", 1, &err), err);
    CHECK(symlink("target", test_path("link")) == 0);
    CHECK_OK(clipc_file_replace(test_path("link"), "b", 1, &err), err);
    CHECK(lstat(test_path("link"), &st) == 0 && S_ISLNK(st.st_mode));
    CHECK_OK(clipc_file_read(&bytes, test_path("target"), 10, "", &err), err);
    CHECK_BYTES(bytes.data, "b", 1);
    clipc_bytes_release(&bytes);
    CHECK(symlink("nothing", test_path("dangling")) == 0);
    CHECK_STATUS(clipc_file_replace(test_path("dangling"), "b", 1, &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK(mkfifo(test_path("pipe"), 0600) == 0);
    CHECK_STATUS(clipc_file_replace(test_path("pipe"), "b", 1, &err),
                 CLIPC_ERR_IO);
    CHECK_HAS(err.message, "not a regular file");
    CHECK(lstat(test_path("pipe"), &st) == 0 && S_ISFIFO(st.st_mode));
}

/* A file size limit stands for the full disk. */
TEST(short_write_is_reported_and_cleaned_up)
{
    clipc_error err = CLIPC_ERROR_INIT;
    struct rlimit old, small;
    const char *folder = test_path("full"), *path = test_path("full/file");
    static char data[100000];

    CHECK_OK(clipc_folder_make(folder, &err), err);
    CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
    small = old;
    small.rlim_cur = 4096;
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    clipc_status status = clipc_file_replace(path, data, sizeof data, &err);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK_INT(status, CLIPC_ERR_IO);
    CHECK_HAS(err.message, "too large");
    CHECK_INT(list_folder(folder, "", "", NULL), 0);
}

TEST(new_files_follow_the_umask)
{
    clipc_error err = CLIPC_ERROR_INIT;
    const char *path = test_path("mode"), *folder = test_path("m/n");
    struct stat st;
    mode_t old = umask(027);

    clipc_status a = clipc_file_replace(path, "x", 1, &err);
    clipc_status b = clipc_folder_make(folder, &err);
    umask(old);
    CHECK_INT(a, CLIPC_OK);
    CHECK_INT(b, CLIPC_OK);
    CHECK(stat(path, &st) == 0);
    CHECK_INT(st.st_mode & 0777, 0640);
    CHECK(stat(folder, &st) == 0);
    CHECK_INT(st.st_mode & 0777, 0750);
}

TEST(a_file_that_is_replaced_keeps_its_mode)
{
    static const mode_t modes[] = { 0600, 0640, 0444, 0755 };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_file_writer writer;
    char path[600], name[32];
    struct stat st;

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        snprintf(name, sizeof name, "kept%zu", i);
        snprintf(path, sizeof path, "%s", test_path(name));
        test_write(path, "old", 3);
        CHECK(chmod(path, modes[i]) == 0);
        CHECK_OK(clipc_file_replace(path, "new", 3, &err), err);
        CHECK(stat(path, &st) == 0);
        CHECK_INT(st.st_mode & 07777, modes[i]);
    }
    /* Before the first byte is written, and behind a link. */
    CHECK(symlink("kept0", test_path("link0")) == 0);
    CHECK_OK(clipc_file_writer_open(&writer, test_path("link0"), &err), err);
    CHECK(stat(writer.temporary, &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0600);
    clipc_file_writer_abort(&writer);
    /* Of another user's file nothing is taken over. */
    if (geteuid() != 0)
        return;
    const mode_t mask = umask(022);
    CHECK(chown(test_path("kept0"), 12345, 12345) == 0);
    CHECK_OK(clipc_file_replace(test_path("kept0"), "mine", 4, &err), err);
    umask(mask);
    CHECK(stat(test_path("kept0"), &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0644);
}

TEST(folders_are_made_with_their_parents)
{
    clipc_error err = CLIPC_ERROR_INIT;
    const char *deep = test_path("a/b//c/");
    const char *file = test_path("plain");

    CHECK_OK(clipc_folder_make(deep, &err), err);
    CHECK(clipc_folder_exists(deep));
    CHECK_OK(clipc_folder_make(deep, &err), err);
    CHECK_OK(clipc_folder_make("/", &err), err);
    test_write(file, "x", 1);
    CHECK_STATUS(clipc_folder_make(file, &err), CLIPC_ERR_NOT_FOUND);
    CHECK_STATUS(clipc_folder_make(test_path("plain/x"), &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_STATUS(clipc_folder_make("", &err), CLIPC_ERR_NOT_FOUND);
}

TEST(stamps_tell_states_apart)
{
    clipc_error err = CLIPC_ERROR_INIT;
    const char *path = test_path("stamped");
    clipc_file_stamp none = clipc_file_stamp_get(path), zero = { 0 };

    CHECK(clipc_file_stamp_equal(&none, &zero));
    test_write(path, "one", 3);
    clipc_file_stamp first = clipc_file_stamp_get(path);
    clipc_file_stamp again = clipc_file_stamp_get(path);
    CHECK(clipc_file_stamp_equal(&first, &again));
    CHECK(!clipc_file_stamp_equal(&first, &zero));
    CHECK_OK(clipc_file_replace(path, "two", 3, &err), err);
    again = clipc_file_stamp_get(path);
    CHECK(!clipc_file_stamp_equal(&first, &again));

    /* mtime set back: ctime tells. */
    const struct timespec wait = { 0, 20 * 1000 * 1000 };
    struct stat st;
    CHECK(stat(path, &st) == 0);
    const struct timespec times[] = { st.st_atim, st.st_mtim };
    nanosleep(&wait, NULL);
    CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
    first = clipc_file_stamp_get(path);
    CHECK(first.mtime_s == again.mtime_s && first.mtime_ns == again.mtime_ns);
    CHECK(memcmp(&first, &again, sizeof first) != 0);
    CHECK(clipc_file_stamp_equal(&first, &again));
    first = clipc_file_stamp_get("/");
    CHECK(clipc_file_stamp_equal(&first, &zero));
}

TEST(names_with_control_bytes_are_escaped)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_bytes bytes;

    CHECK_STATUS(clipc_file_read(&bytes, "no\nsuch\x1b[31m", 1, "", &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "no\\x0Asuch\\x1B[31m");
}
