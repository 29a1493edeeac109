/* SPDX-License-Identifier: MIT
 *
 * hub_cache.c - writes the tree that huggingface_hub 2.4 reads:
 *
 *     models--ORG--NAME/blobs/ETAG                  the bytes
 *     models--ORG--NAME/blobs/ETAG.clipc.incomplete a download to be continued
 *     models--ORG--NAME/snapshots/COMMIT/FILE       -> ../../blobs/ETAG
 *     models--ORG--NAME/refs/REVISION               COMMIT, no newline
 *     models--ORG--NAME/.no_exist/COMMIT/FILE       empty
 *     .locks/models--ORG--NAME/ETAG.lock            flock()
 *
 * A blob gets its name by rename, once its checksum is right and its bytes are
 * on the disk. A blob is never written into. Files of other programs stay.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* flock */
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
#include "hub/hub_cache.h"

#include "base/file.h"
#include "base/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/md5.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum {
    HASH_BUFFER = 256 * 1024,
    POLL_MS = 100,         /* between two tries of a lock */
    NOTICE_MS = 2000,      /* of waiting before the callback reports a wait */
    MAX_LOCK_REOPENS = 100 /* if other processes remove the lock file */
};

/* ---- paths ------------------------------------------------------------- */

clipc_status clipc_hub_tree_init(clipc_hub_tree *tree,
                                 const clipc_hub_params *params,
                                 const clipc_hub_id *id, clipc_error *err)
{
    *tree = (clipc_hub_tree){ .params = params };
    tree->repository = clipc_hub_repository(params->cache_dir, id);
    char *locks = clipc_format("%s/.locks", params->cache_dir);
    if (locks)
        tree->locks = clipc_hub_repository(locks, id);
    free(locks);
    if (tree->repository && tree->locks)
        return CLIPC_OK;
    clipc_hub_tree_release(tree);
    return clipc_fail_nomem(err, "path in the hub cache");
}

void clipc_hub_tree_release(clipc_hub_tree *tree)
{
    free(tree->repository);
    free(tree->locks);
    *tree = (clipc_hub_tree){ 0 };
}

clipc_status clipc_hub_tree_path(char **path, const clipc_hub_tree *tree,
                                 const char *below, const char *name,
                                 clipc_error *err)
{
    *path = clipc_format("%s/%s/%s", tree->repository, below, name);
    return *path ? CLIPC_OK : clipc_fail_nomem(err, "path in the hub cache");
}

/* Makes the parent folders of path. */
static clipc_status make_parents(const char *path, clipc_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? clipc_strndup(path, (size_t)(slash - path)) : NULL;

    if (!folder)
        return clipc_fail_nomem(err, "path in the hub cache");
    clipc_status status = CLIPC_OK;
    if (!clipc_folder_exists(folder))
        status = clipc_folder_make(folder, err);
    free(folder);
    return status;
}

static int open_again(const char *path, int flags, mode_t mode)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* ---- checksums --------------------------------------------------------- */

static void write_hex(char *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}

/* The sums that a blob's name may be, by its length. */
typedef struct checksum {
    size_t n_bytes; /* of the digest */
    struct md5_ctx md5;
    struct sha1_ctx sha1, git; /* of the bytes alone, and as git counts them */
    struct sha256_ctx sha256;
} checksum;

static void checksum_add(checksum *sum, const void *data, size_t n)
{
    if (sum->n_bytes == MD5_DIGEST_SIZE)
        md5_update(&sum->md5, n, data);
    if (sum->n_bytes == SHA256_DIGEST_SIZE)
        sha256_update(&sum->sha256, n, data);
    if (sum->n_bytes == SHA1_DIGEST_SIZE) {
        sha1_update(&sum->sha1, n, data);
        sha1_update(&sum->git, n, data);
    }
}

static void checksum_init(checksum *sum, const char *etag, uint64_t size)
{
    uint8_t header[32];
    /* git hashes "blob SIZE" and a zero byte first */
    const int n = snprintf((char *)header, sizeof header, "blob %llu",
                           (unsigned long long)size);

    sum->n_bytes = strlen(etag) / 2;
    md5_init(&sum->md5);
    sha1_init(&sum->sha1);
    sha1_init(&sum->git);
    sha1_update(&sum->git, (size_t)n + 1, header);
    sha256_init(&sum->sha256);
}

static bool checksum_is(checksum *sum, const char *etag)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    char hex[2 * SHA256_DIGEST_SIZE + 1];

    if (sum->n_bytes == MD5_DIGEST_SIZE) {
        md5_digest(&sum->md5, MD5_DIGEST_SIZE, digest);
    } else if (sum->n_bytes == SHA256_DIGEST_SIZE) {
        sha256_digest(&sum->sha256, SHA256_DIGEST_SIZE, digest);
    } else {
        sha1_digest(&sum->git, SHA1_DIGEST_SIZE, digest);
        write_hex(hex, digest, SHA1_DIGEST_SIZE);
        if (strcmp(hex, etag) == 0)
            return true;
        sha1_digest(&sum->sha1, SHA1_DIGEST_SIZE, digest);
    }
    write_hex(hex, digest, sum->n_bytes);
    return strcmp(hex, etag) == 0;
}

clipc_status clipc_hub_blob_check_fd(bool *good, const clipc_hub_blob *blob,
                                     int fd, const char *name,
                                     clipc_error *err)
{
    unsigned char *buffer = NULL;
    clipc_status status = CLIPC_OK;
    uint64_t n = 0;
    struct stat st;
    checksum sum;

    *good = false;
    if (fstat(fd, &st) != 0 || lseek(fd, 0, SEEK_SET) != 0)
        return clipc_fail_errno(err, "examine", name, errno);
    if (blob->has_size && (uint64_t)st.st_size != blob->size)
        return CLIPC_OK;
    buffer = clipc_alloc(HASH_BUFFER, 1);
    if (!buffer)
        return clipc_fail_nomem(err, "checksum");
    checksum_init(&sum, blob->etag, (uint64_t)st.st_size);
    for (;;) {
        ssize_t got = read(fd, buffer, HASH_BUFFER);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = clipc_fail_errno(err, "read", name, errno);
        if (got <= 0)
            break;
        checksum_add(&sum, buffer, (size_t)got);
        n += (uint64_t)got;
    }
    free(buffer);
    *good = status == CLIPC_OK && n == (uint64_t)st.st_size &&
            checksum_is(&sum, blob->etag);
    return status;
}

clipc_status clipc_hub_blob_check(bool *good, const clipc_hub_blob *blob,
                                  const char *path, bool deep,
                                  clipc_error *err)
{
    clipc_status status = CLIPC_OK;
    struct stat st;

    *good = stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
            (!blob->has_size || (uint64_t)st.st_size == blob->size);
    if (!*good || !deep)
        return CLIPC_OK;
    int fd = open_again(path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return clipc_fail_errno(err, "open", path, errno);
    status = clipc_hub_blob_check_fd(good, blob, fd, path, err);
    close(fd);
    return status;
}

/* ---- waiting, locks ---------------------------------------------------- */

clipc_status clipc_hub_pause(const clipc_hub_params *params, const char *file,
                             uint64_t done, uint64_t total, unsigned ms,
                             clipc_error *err)
{
    const clipc_progress progress = { file, done, total };

    do {
        unsigned slice = ms < POLL_MS ? ms : POLL_MS;
        struct timespec t = { 0, (long)slice * 1000000 };
        if (params->progress &&
            params->progress(params->progress_user, &progress))
            return clipc_fail(err, CLIPC_ERR_CANCELLED, -1, "%s: cancelled",
                              CLIPC_QUOTE(file));
        nanosleep(&t, NULL);
        ms -= slice;
    } while (ms > 0);
    return CLIPC_OK;
}

static void tell(const clipc_hub_params *params, const char *file)
{
    char text[256];

    if (!params->notice)
        return;
    snprintf(text, sizeof text,
             "waiting for another process that downloads %s",
             CLIPC_QUOTE(file));
    params->notice(params->notice_user, text);
}

/* Opens the lock file. The mode is 0664 whatever the umask, so that a group
 * can share a cache. Of another user's file that may only be read, reading is
 * enough for flock(). */
static int open_lock(const char *path)
{
    struct stat st;
    int fd = open_again(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK,
                        0664);

    if (fd < 0 && errno == EACCES) {
        fd = open_again(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
        if (fd < 0)
            errno = EACCES;
    }
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
        (st.st_mode & 0777) != 0664)
        (void)!fchmod(fd, 0664);
    return fd;
}

/* Waits for the lock on fd. */
static clipc_status take(int fd, const clipc_hub_params *params,
                         const char *path, const char *file, unsigned *waited,
                         bool *has_locks, clipc_error *err)
{
    *has_locks = true;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR)
            continue;
        /* EBADF: a file system that locks only what may be written. */
        if (errno == ENOSYS || errno == EOPNOTSUPP || errno == ENOLCK ||
            errno == EBADF) {
            *has_locks = false;
            return CLIPC_OK;
        }
        if (errno != EWOULDBLOCK)
            return clipc_fail_errno(err, "lock", path, errno);
        if (*waited >= params->lock_timeout_ms)
            return clipc_fail(err, CLIPC_ERR_TIMEOUT, -1,
                              "another process has held %s for %u ms "
                              "(lock_timeout_ms)",
                              CLIPC_QUOTE(path), *waited);
        CLIPC_TRY(clipc_hub_pause(params, file, 0, 0, POLL_MS, err));
        *waited += POLL_MS;
        if (*waited == NOTICE_MS)
            tell(params, file);
    }
    return CLIPC_OK;
}

clipc_status clipc_hub_lock(int *lock, const clipc_hub_tree *tree,
                            const char *etag, const char *file,
                            clipc_error *err)
{
    char *path = clipc_format("%s/%s.lock", tree->locks, etag);
    clipc_status status;
    unsigned waited = 0;

    *lock = -1;
    if (!path)
        return clipc_fail_nomem(err, "path in the hub cache");
    status = make_parents(path, err);
    for (int i = 0; status == CLIPC_OK && i < MAX_LOCK_REOPENS; i++) {
        struct stat st;
        bool has_locks;
        int fd = open_lock(path);
        if (fd < 0) {
            status = clipc_fail_errno(err, "create", path, errno);
            break;
        }
        status = take(fd, tree->params, path, file, &waited, &has_locks, err);
        /* If the file was removed between open and lock, another process may
         * lock the file's successor. */
        if (status == CLIPC_OK && has_locks && fstat(fd, &st) == 0 &&
            st.st_nlink > 0) {
            *lock = fd;
            break;
        }
        close(fd);
        if (status == CLIPC_OK && !has_locks)
            break;
    }
    free(path);
    return status;
}

void clipc_hub_unlock(int lock)
{
    if (lock >= 0)
        close(lock);
}

/* ---- blobs ------------------------------------------------------------- */

clipc_status clipc_hub_partial_open(clipc_hub_partial *partial,
                                    const clipc_hub_tree *tree,
                                    const char *etag, int lock,
                                    clipc_error *err)
{
    clipc_status status;
    struct stat st;
    int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK;

    *partial = (clipc_hub_partial){ .fd = -1, .unique = lock < 0 };
    CLIPC_TRY(
        clipc_hub_tree_path(&partial->blob_path, tree, "blobs", etag, err));
    if (partial->unique) {
        flags |= O_EXCL;
        clipc_temporary_sweep(partial->blob_path, "incomplete");
        partial->path = clipc_temporary_name(partial->blob_path, 0,
                                             "incomplete");
    } else {
        partial->path = clipc_format("%s.clipc.incomplete",
                                     partial->blob_path);
    }
    if (!partial->path) {
        status = clipc_fail_nomem(err, "path in the hub cache");
        goto fail;
    }
    CLIPC_TRY_GOTO(status, fail, make_parents(partial->path, err));
    partial->fd = open_again(partial->path, flags, 0666);
    if (partial->fd < 0 || fstat(partial->fd, &st) != 0 ||
        (S_ISREG(st.st_mode) && lseek(partial->fd, 0, SEEK_END) < 0)) {
        status = clipc_fail_errno(err, "create", partial->path, errno);
        goto fail;
    }
    if (!S_ISREG(st.st_mode)) {
        status = clipc_fail(err, CLIPC_ERR_IO, -1,
                            "cannot write %s: it is not a regular file",
                            CLIPC_QUOTE(partial->path));
        goto fail;
    }
    partial->have = (uint64_t)st.st_size;
    return CLIPC_OK;
fail:
    clipc_hub_partial_close(partial, false);
    return status;
}

/* Megabytes of n blocks, without an overflow in between. */
static unsigned long long megabytes(uint64_t n, uint64_t block_bytes)
{
    const uint64_t million = 1000000;

    return n / million * block_bytes + n % million * block_bytes / million;
}

clipc_status clipc_hub_partial_room(const clipc_hub_partial *partial,
                                    uint64_t more, clipc_error *err)
{
    struct statvfs fs;

    if (fstatvfs(partial->fd, &fs) != 0 || fs.f_blocks == 0 ||
        fs.f_frsize == 0) /* the file system gives no size */
        return CLIPC_OK;
    uint64_t blocks = more / fs.f_frsize;
    if (blocks <= fs.f_bavail)
        return CLIPC_OK;
    return clipc_fail(err, CLIPC_ERR_IO, -1,
                      "cannot write %s: %llu MB are needed and the disk has "
                      "%llu MB left",
                      CLIPC_QUOTE(partial->path), megabytes(more, 1),
                      megabytes(fs.f_bavail, fs.f_frsize));
}

clipc_status clipc_hub_partial_empty(const clipc_hub_partial *partial,
                                     clipc_error *err)
{
    if (ftruncate(partial->fd, 0) != 0 || lseek(partial->fd, 0, SEEK_SET) != 0)
        return clipc_fail_errno(err, "write", partial->path, errno);
    return CLIPC_OK;
}

/* Syncs the folder, so that the file's name survives a crash. If a folder
 * cannot be synced, a later run downloads again. */
static void sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? clipc_strndup(path, (size_t)(slash - path)) : NULL;
    int fd = folder ? open_again(folder, O_RDONLY | O_DIRECTORY, 0) : -1;

    if (fd >= 0) {
        (void)!fsync(fd);
        close(fd);
    }
    free(folder);
}

clipc_status clipc_hub_partial_keep(clipc_hub_partial *partial,
                                    clipc_error *err)
{
    if (fsync(partial->fd) != 0 && errno != EINVAL)
        return clipc_fail_errno(err, "write", partial->path, errno);
    if (rename(partial->path, partial->blob_path) != 0)
        return clipc_fail_errno(err, "write", partial->blob_path, errno);
    sync_folder_of(partial->blob_path);
    free(partial->path);
    partial->path = NULL; /* the partial file has its new name */
    return CLIPC_OK;
}

void clipc_hub_partial_close(clipc_hub_partial *partial, bool discard)
{
    if (partial->fd >= 0) {
        /* A partial file without bytes has nothing to continue. */
        bool empty = lseek(partial->fd, 0, SEEK_END) == 0;
        if (partial->path && (discard || partial->unique || empty))
            unlink(partial->path);
        close(partial->fd);
    }
    free(partial->path);
    free(partial->blob_path);
    *partial = (clipc_hub_partial){ .fd = -1 };
}

/* ---- snapshots, refs, absences ----------------------------------------- */

/* Returns "../../blobs/ETAG" with a "../" more for each folder in the file's
 * name. */
static char *link_target(const char *file, const char *etag)
{
    char *target = clipc_format("../../blobs/%s", etag);

    for (const char *p = file; target && (p = strchr(p, '/')) != NULL; p++) {
        char *deeper = clipc_format("../%s", target);
        free(target);
        target = deeper;
    }
    return target;
}

/* Makes the link, by rename if a file has the name. Returns 0 or errno. */
static int make_link(const char *target, const char *path)
{
    if (symlink(target, path) == 0)
        return 0;
    if (errno != EEXIST)
        return errno;
    char *temporary = clipc_temporary_name(path, 0, "tmp");
    if (!temporary)
        return ENOMEM;
    int error = 0;
    if (symlink(target, temporary) != 0)
        error = errno;
    if (!error && rename(temporary, path) != 0) {
        error = errno;
        unlink(temporary);
    }
    free(temporary);
    return error;
}

clipc_status clipc_hub_link(const clipc_hub_tree *tree, const char *commit,
                            const char *file, const char *etag,
                            clipc_error *err)
{
    char *name = clipc_format("%s/%s", commit, file), *path = NULL;
    char *target = link_target(file, etag), *blob = NULL;
    clipc_status status;

    if (!name || !target) {
        status = clipc_fail_nomem(err, "path in the hub cache");
        goto done;
    }
    CLIPC_TRY_GOTO(status, done,
                   clipc_hub_tree_path(&path, tree, "snapshots", name, err));
    CLIPC_TRY_GOTO(status, done, make_parents(path, err));
    int error = make_link(target, path);
    if (error == EPERM || error == EOPNOTSUPP || error == ENOSYS) {
        CLIPC_TRY_GOTO(status, done,
                       clipc_hub_tree_path(&blob, tree, "blobs", etag, err));
        error = rename(blob, path) == 0 ? 0 : errno;
    }
    if (error)
        status = clipc_fail_errno(err, "create", path, error);
done:
    free(name);
    free(path);
    free(target);
    free(blob);
    return status;
}

clipc_status clipc_hub_ref_write(const clipc_hub_tree *tree,
                                 const char *revision, const char *commit,
                                 clipc_error *err)
{
    clipc_bytes old = { 0 };
    clipc_status status;
    char *path;

    CLIPC_TRY(clipc_hub_tree_path(&path, tree, "refs", revision, err));
    bool same = clipc_file_read(&old, path, CLIPC_HUB_COMMIT_DIGITS, "a ref",
                                NULL) == CLIPC_OK &&
                old.n == CLIPC_HUB_COMMIT_DIGITS &&
                memcmp(old.data, commit, old.n) == 0;
    clipc_bytes_release(&old);
    status = same ? CLIPC_OK : make_parents(path, err);
    if (status == CLIPC_OK && !same)
        status = clipc_file_replace(path, commit, CLIPC_HUB_COMMIT_DIGITS,
                                    err);
    free(path);
    return status;
}

void clipc_hub_absent_write(const clipc_hub_tree *tree, const char *commit,
                            const char *file)
{
    char *name = clipc_format("%s/%s", commit, file), *path = NULL;

    if (name &&
        clipc_hub_tree_path(&path, tree, ".no_exist", name, NULL) ==
            CLIPC_OK &&
        make_parents(path, NULL) == CLIPC_OK) {
        int fd = open_again(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0666);
        if (fd >= 0)
            close(fd);
    }
    free(name);
    free(path);
}
