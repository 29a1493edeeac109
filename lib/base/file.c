/* SPDX-License-Identifier: MIT
 *
 * file.c - whole files: read with a limit, map, replace atomically.
 *
 * Everything is opened O_NONBLOCK and looked at before it is read, so that a
 * FIFO or a device given as a file is refused at once instead of waited for.
 * Interrupted and short system calls are continued.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* madvise */
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
#include "base/file.h"
#include "base/os.h"
#include "base/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_IO = 1 << 30,    /* bytes of one system call */
    MAX_TEMPORARIES = 64 /* names tried for a temporary file */
};

/* strerror() follows the locale; these words do not. */
static const char *errno_text(int error)
{
    switch (error) {
    case EACCES: return "permission denied";
    case EDQUOT: return "disk quota exceeded";
    case EEXIST: return "it exists already";
    case EFBIG: return "too large for this system";
    case EIO: return "input/output error";
    case EISDIR: return "it is a directory";
    case ELOOP: return "too many symbolic links";
    case EMFILE: return "too many files are open in this process";
    case ENAMETOOLONG: return "the name is too long";
    case ENFILE: return "too many files are open on this system";
    case ENODEV: return "it cannot be mapped";
    case ENOENT: return "no such file or folder";
    case ENOMEM: return "out of memory";
    case ENOSPC: return "the disk is full";
    case ENOTDIR: return "part of the path is not a folder";
    case EPERM: return "not permitted";
    case EROFS: return "read-only file system";
    }
    return NULL;
}

clipc_status clipc_fail_errno(clipc_error *err, const char *verb,
                              const char *name, int error)
{
    const char *text = errno_text(error);
    clipc_status code = CLIPC_ERR_IO;

    if (error == ENOENT || error == ENOTDIR)
        code = CLIPC_ERR_NOT_FOUND;
    else if (error == ENOMEM)
        code = CLIPC_ERR_NOMEM;
    if (text)
        return clipc_fail(err, code, -1, "cannot %s %s: %s", verb,
                          CLIPC_QUOTE(name), text);
    return clipc_fail(err, code, -1, "cannot %s %s: system error %d", verb,
                      CLIPC_QUOTE(name), error);
}

/* Opens a regular file for reading and tells its size. */
static clipc_status open_regular(int *fd_out, size_t *size, const char *path,
                                 clipc_error *err)
{
    struct stat st;
    int fd;

    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return clipc_fail_errno(err, "open", path, errno);
    if (fstat(fd, &st) != 0) {
        int error = errno;
        close(fd);
        return clipc_fail_errno(err, "examine", path, error);
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return clipc_fail(err, CLIPC_ERR_IO, -1, "cannot read %s: it is %s",
                          CLIPC_QUOTE(path),
                          S_ISDIR(st.st_mode) ? "a directory"
                                              : "not a regular file");
    }
    if (st.st_size < 0 || (uintmax_t)st.st_size > SIZE_MAX / 2) {
        close(fd);
        return clipc_fail_errno(err, "read", path, EFBIG);
    }
    *fd_out = fd;
    *size = (size_t)st.st_size;
    return CLIPC_OK;
}

/* read() that continues after signals. -1: errno. */
static ssize_t read_some(int fd, void *data, size_t n)
{
    ssize_t got;

    do
        got = read(fd, data, n < MAX_IO ? n : MAX_IO);
    while (got < 0 && errno == EINTR);
    return got;
}

clipc_status clipc_file_fail_limit(const char *name, size_t max_bytes,
                                   const char *limit_name, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                      "%s is larger than %zu bytes (%s)", CLIPC_QUOTE(name),
                      max_bytes, limit_name);
}

/* Reads to the end of fd into a buffer that grows from `expected` bytes. The
 * size a file claims is only a hint: it may change, and /proc says 0. */
static clipc_status read_all(clipc_bytes *bytes, int fd, size_t expected,
                             const char *name, size_t max_bytes,
                             const char *limit_name, clipc_error *err)
{
    unsigned char *data = NULL;
    size_t n = 0, capacity = 0;
    clipc_status status;

    if (max_bytes > SIZE_MAX / 2)
        max_bytes = SIZE_MAX / 2;
    for (;;) {
        if (n == capacity) {
            size_t want = capacity ? capacity * 2 : expected + 1;
            if (want > max_bytes + 1)
                want = max_bytes + 1;
            /* One more byte for the NUL that follows the data. */
            unsigned char *grown = clipc_realloc(data, want + 1, 1);
            if (!grown) {
                status = clipc_fail_nomem(err, "contents of a file");
                goto fail;
            }
            data = grown;
            capacity = want;
        }
        ssize_t got = read_some(fd, data + n, capacity - n);
        if (got < 0) {
            status = clipc_fail_errno(err, "read", name, errno);
            goto fail;
        }
        if (got == 0)
            break;
        n += (size_t)got;
        if (n > max_bytes) {
            status = clipc_file_fail_limit(name, max_bytes, limit_name, err);
            goto fail;
        }
    }
    data[n] = '\0';
    *bytes = (clipc_bytes){ .data = data, .n = n };
    return CLIPC_OK;
fail:
    free(data);
    return status;
}

clipc_status clipc_file_read(clipc_bytes *bytes, const char *path,
                             size_t max_bytes, const char *limit_name,
                             clipc_error *err)
{
    clipc_status status;
    size_t size;
    int fd;

    *bytes = (clipc_bytes){ 0 };
    CLIPC_TRY(open_regular(&fd, &size, path, err));
    if (size > max_bytes)
        status = clipc_file_fail_limit(path, max_bytes, limit_name, err);
    else
        status = read_all(bytes, fd, size, path, max_bytes, limit_name, err);
    close(fd);
    return status;
}

clipc_status clipc_file_map(clipc_bytes *bytes, const char *path,
                            clipc_error *err)
{
    clipc_status status = CLIPC_OK;
    struct stat st;
    void *data;
    size_t size;
    int fd;

    *bytes = (clipc_bytes){ 0 };
    CLIPC_TRY(open_regular(&fd, &size, path, err));
    if (size == 0) {
        close(fd);
        return CLIPC_OK;
    }
    data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        status = clipc_fail_errno(err, "map", path, errno);
    } else if (fstat(fd, &st) != 0 || (uintmax_t)st.st_size != size) {
        /* Pages past a new end would be SIGBUS. */
        munmap(data, size);
        status = clipc_fail(err, CLIPC_ERR_IO, -1,
                            "%s changed its size while it was opened",
                            CLIPC_QUOTE(path));
    } else {
        *bytes = (clipc_bytes){ .data = data, .n = size, .mapped = true };
    }
    close(fd);
    return status;
}

void clipc_bytes_forget(const clipc_bytes *bytes, size_t begin, size_t n)
{
    long page = sysconf(_SC_PAGESIZE);

    if (!bytes->mapped || page <= 0)
        return;
    /* Whole pages only; the mapping itself begins on one. */
    size_t first = (begin + (size_t)page - 1) / (size_t)page * (size_t)page;
    size_t end = (begin + n) / (size_t)page * (size_t)page;
    if (first < end)
        madvise(bytes->data + first, end - first, MADV_DONTNEED);
}

void clipc_bytes_scattered(const clipc_bytes *bytes, bool scattered)
{
    if (bytes->mapped)
        madvise(bytes->data, bytes->n, scattered ? MADV_RANDOM : MADV_NORMAL);
}

void clipc_bytes_release(clipc_bytes *bytes)
{
    if (bytes->mapped)
        munmap(bytes->data, bytes->n);
    else
        free(bytes->data);
    *bytes = (clipc_bytes){ 0 };
}

clipc_status clipc_path_join(char **path, const char *folder, const char *name,
                             clipc_error *err)
{
    *path = clipc_format("%s/%s", folder, name);
    return *path ? CLIPC_OK : clipc_fail_nomem(err, "path");
}

bool clipc_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

bool clipc_folder_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

clipc_status clipc_folder_has(bool *has, const char *folder, const char *name,
                              clipc_error *err)
{
    char *path = clipc_format("%s/%s", folder, name);

    if (!path)
        return clipc_fail_nomem(err, "path of a file");
    *has = clipc_file_exists(path);
    free(path);
    return CLIPC_OK;
}

bool clipc_folder_is_empty(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    bool empty = folder != NULL;

    while (empty && (entry = readdir(folder)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 ||
                strcmp(entry->d_name, "..") == 0;
    if (folder)
        closedir(folder);
    return empty;
}

clipc_file_stamp clipc_file_stamp_get(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return (clipc_file_stamp){ 0 };
    const struct timespec modified = clipc_os_modified(&st);
    const struct timespec changed = clipc_os_changed(&st);
    return (clipc_file_stamp){ .device = (uint64_t)st.st_dev,
                               .inode = (uint64_t)st.st_ino,
                               .bytes = (uint64_t)st.st_size,
                               .mtime_s = (int64_t)modified.tv_sec,
                               .mtime_ns = (int64_t)modified.tv_nsec,
                               .ctime_s = (int64_t)changed.tv_sec,
                               .ctime_ns = (int64_t)changed.tv_nsec };
}

bool clipc_file_stamp_equal(const clipc_file_stamp *a,
                            const clipc_file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode &&
           a->bytes == b->bytes && a->mtime_s == b->mtime_s &&
           a->mtime_ns == b->mtime_ns;
}

/* Creates a file of a name nobody has, and locks the file where locks exist:
 * see clipc_temporary_sweep(). mkstemp() would ignore the umask. */
static int create_temporary(char **name_out, const char *path)
{
    for (unsigned i = 0; i < MAX_TEMPORARIES; i++) {
        char *name = clipc_temporary_name(path, i, "tmp");
        if (!name) {
            errno = ENOMEM;
            return -1;
        }
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            (void)flock(fd, LOCK_EX | LOCK_NB);
            *name_out = name;
            return fd;
        }
        int error = errno;
        free(name);
        errno = error;
        if (error != EEXIST && error != EINTR)
            return -1;
    }
    return -1;
}

/* 0 or errno. */
static int write_all(int fd, const unsigned char *data, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, data, n < MAX_IO ? n : MAX_IO);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno;
        data += done;
        n -= (size_t)done;
    }
    return 0;
}

/* Reports the failure of a write and leaves nothing behind. */
static clipc_status fail_write(clipc_file_writer *writer, int error,
                               clipc_error *err)
{
    clipc_status status = clipc_fail_errno(err, "write", writer->path, error);
    clipc_file_writer_abort(writer);
    return status;
}

/* The file that path stands for, malloc'ed: rename() would replace a link and
 * not the file behind the link, and a device or a pipe by a file. *st: of the
 * target, if it exists. */
static clipc_status find_target(char **target, const char *path,
                                struct stat *st, bool *exists,
                                clipc_error *err)
{
    *exists = lstat(path, st) == 0;
    if (*exists && S_ISLNK(st->st_mode)) {
        *target = realpath(path, NULL);
        if (!*target)
            return clipc_fail_errno(err, "follow the link", path, errno);
        *exists = stat(*target, st) == 0;
    } else {
        *target = clipc_strndup(path, strlen(path));
        if (!*target)
            return clipc_fail_nomem(err, "name of a file");
    }
    if (!*exists || S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))
        return CLIPC_OK; /* rename() refuses a folder with its own reason */
    free(*target);
    *target = NULL;
    return clipc_fail(err, CLIPC_ERR_IO, -1,
                      "cannot write %s: it is not a regular file",
                      CLIPC_QUOTE(path));
}

clipc_status clipc_file_writer_open(clipc_file_writer *writer,
                                    const char *path, clipc_error *err)
{
    struct stat old;
    bool exists;

    *writer = (clipc_file_writer){ .fd = -1 };
    CLIPC_TRY(find_target(&writer->path, path, &old, &exists, err));
    writer->fd = create_temporary(&writer->temporary, writer->path);
    if (writer->fd < 0) {
        int error = errno;
        clipc_file_writer_abort(writer);
        return clipc_fail_errno(err, "create", path, error);
    }
    /* Now, so that nobody reads meanwhile what only the owner may. */
    if (exists)
        clipc_os_copy_rights(writer->fd, &old);
    return CLIPC_OK;
}

clipc_status clipc_file_writer_write(clipc_file_writer *writer,
                                     const void *data, size_t n,
                                     clipc_error *err)
{
    int error = write_all(writer->fd, data, n);
    return error ? fail_write(writer, error, err) : CLIPC_OK;
}

clipc_status clipc_file_writer_commit(clipc_file_writer *writer,
                                      clipc_error *err)
{
    int error = 0;

    if (fsync(writer->fd) != 0 && errno != EINVAL)
        error = errno; /* EINVAL: a file system without fsync */
    if (close(writer->fd) != 0 && !error && errno != EINTR)
        error = errno;
    writer->fd = -1;
    if (!error && rename(writer->temporary, writer->path) != 0)
        error = errno;
    if (error)
        return fail_write(writer, error, err);
    free(writer->temporary);
    writer->temporary = NULL;
    clipc_file_writer_abort(writer);
    return CLIPC_OK;
}

void clipc_file_writer_abort(clipc_file_writer *writer)
{
    if (writer->fd >= 0)
        close(writer->fd);
    if (writer->temporary)
        unlink(writer->temporary);
    free(writer->temporary);
    free(writer->path);
    *writer = (clipc_file_writer){ .fd = -1 };
}

clipc_status clipc_file_replace(const char *path, const void *data, size_t n,
                                clipc_error *err)
{
    clipc_file_writer writer;

    CLIPC_TRY(clipc_file_writer_open(&writer, path, err));
    CLIPC_TRY(clipc_file_writer_write(&writer, data, n, err));
    return clipc_file_writer_commit(&writer, err);
}

clipc_status clipc_folder_make(const char *path, clipc_error *err)
{
    char *prefix = clipc_strndup(path, strlen(path));
    int error = 0;

    if (!prefix)
        return clipc_fail_nomem(err, "name of a folder");
    for (size_t i = 1; !error && prefix[0]; i++) {
        bool last = prefix[i] == '\0';
        if (!last && prefix[i] != '/')
            continue;
        prefix[i] = '\0';
        if (mkdir(prefix, 0777) != 0) {
            /* A parent may exist although it may not be made: "/" says
             * EEXIST, a read-only file system EROFS. */
            error = errno;
            if (clipc_folder_exists(prefix))
                error = 0;
            else if (error == EEXIST)
                error = ENOTDIR;
        }
        if (last)
            break;
        prefix[i] = '/';
    }
    if (!prefix[0])
        error = ENOENT;
    free(prefix);
    return error ? clipc_fail_errno(err, "make the folder", path, error)
                 : CLIPC_OK;
}
