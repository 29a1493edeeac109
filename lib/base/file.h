/* SPDX-License-Identifier: MIT
 *
 * file.h - whole files: read with a limit, map, replace atomically.
 */
#ifndef CLIPC_FILE_H
#define CLIPC_FILE_H

#include "base/base.h"

/* Bytes of a file, read or mapped. All zero is empty. */
typedef struct clipc_bytes {
    unsigned char *data;
    size_t n;
    bool mapped;
} clipc_bytes;

/* A failed system call: "cannot read NAME: permission denied". verb: "read".
 * ENOENT and ENOTDIR are CLIPC_ERR_NOT_FOUND, ENOMEM is CLIPC_ERR_NOMEM,
 * everything else CLIPC_ERR_IO. The text does not depend on the locale. */
clipc_status clipc_fail_errno(clipc_error *err, const char *verb,
                              const char *name, int error);

/* Reads the regular file `path`; a directory, FIFO, socket or device is
 * refused without blocking. Over max_bytes: CLIPC_ERR_LIMIT naming
 * limit_name. data is followed by one NUL byte that is not counted. */
clipc_status clipc_file_read(clipc_bytes *bytes, const char *path,
                             size_t max_bytes, const char *limit_name,
                             clipc_error *err);

/* That limit's error, for contents that are in memory already. */
clipc_status clipc_file_fail_limit(const char *name, size_t max_bytes,
                                   const char *limit_name, clipc_error *err);

/* Maps the regular file `path` MAP_PRIVATE, read-only, re-checking its size
 * after mapping. An empty file gives n 0 and data NULL. */
clipc_status clipc_file_map(clipc_bytes *bytes, const char *path,
                            clipc_error *err);

/* Lets go of the memory that holds data[begin .. begin + n) of mapped bytes;
 * the next access reads the file again. Bytes that were read stay. */
void clipc_bytes_forget(const clipc_bytes *bytes, size_t begin, size_t n);

/* scattered: mapped bytes will be read in no order, so that the system should
 * not read the pages after a page from the disk too. */
void clipc_bytes_scattered(const clipc_bytes *bytes, bool scattered);

/* Frees or unmaps, and zeroes *bytes. */
void clipc_bytes_release(clipc_bytes *bytes);

/* FOLDER/NAME in *path, malloc'ed. */
clipc_status clipc_path_join(char **path, const char *folder, const char *name,
                             clipc_error *err);

/* Whether path names a regular file, a folder (following links). */
bool clipc_file_exists(const char *path);
bool clipc_folder_exists(const char *path);

/* Whether the folder has a regular file of the name. Fails only when memory
 * runs out: then the file may be there. */
clipc_status clipc_folder_has(bool *has, const char *folder, const char *name,
                              clipc_error *err);

/* Whether it is a folder with nothing in it. */
bool clipc_folder_is_empty(const char *path);

/* What tells one state of a file from another. All zero: no regular file is
 * there. The struct has no padding: a digest may take its bytes. */
typedef struct clipc_file_stamp {
    uint64_t device, inode, bytes;
    int64_t mtime_s, mtime_ns, ctime_s, ctime_ns;
} clipc_file_stamp;

clipc_file_stamp clipc_file_stamp_get(const char *path);
/* Compares all but ctime: a chmod or a new hard link moves ctime, and an open
 * model survives both. Compare ctime too where a hash can be redone. */
bool clipc_file_stamp_equal(const clipc_file_stamp *a,
                            const clipc_file_stamp *b);

/* Replaces `path` by n bytes: unique temporary in the same folder, fsync,
 * rename. Nothing is left behind on failure. A link is followed; a device, a
 * pipe or a socket is CLIPC_ERR_IO and stays. The new file has the mode of the
 * user's own old one, otherwise 0666 less the umask. */
clipc_status clipc_file_replace(const char *path, const void *data, size_t n,
                                clipc_error *err);

/* The same piece by piece. After open, write as often as needed, then
 * commit. Each call cleans up when it fails; abort cleans up without a
 * message. */
typedef struct clipc_file_writer {
    char *path, *temporary; /* NULL: nothing is open */
    int fd;
} clipc_file_writer;

clipc_status clipc_file_writer_open(clipc_file_writer *writer,
                                    const char *path, clipc_error *err);
clipc_status clipc_file_writer_write(clipc_file_writer *writer,
                                     const void *data, size_t n,
                                     clipc_error *err);
clipc_status clipc_file_writer_commit(clipc_file_writer *writer,
                                      clipc_error *err);
void clipc_file_writer_abort(clipc_file_writer *writer);

/* Makes the folder and its parents, mode 0777 less the umask. */
clipc_status clipc_folder_make(const char *path, clipc_error *err);

#endif /* CLIPC_FILE_H */
