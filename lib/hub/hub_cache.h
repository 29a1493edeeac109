/* SPDX-License-Identifier: MIT
 *
 * hub_cache.h - writing into a Hugging Face hub cache, one repository at a
 * time. Every name given here has been checked: etags and commits are hex,
 * files and revisions have no part that leads out of the folder.
 */
#ifndef CLIPC_HUB_CACHE_H
#define CLIPC_HUB_CACHE_H

#include "hub/hub.h"

typedef struct clipc_hub_tree {
    char *repository; /* CACHE/models--ORG--NAME */
    char *locks;      /* CACHE/.locks/models--ORG--NAME */
    const clipc_hub_params *params;
} clipc_hub_tree;

/* Makes no folder yet. */
clipc_status clipc_hub_tree_init(clipc_hub_tree *tree,
                                 const clipc_hub_params *params,
                                 const clipc_hub_id *id, clipc_error *err);
void clipc_hub_tree_release(clipc_hub_tree *tree);

/* A path below the repository's folder, malloc'ed. */
clipc_status clipc_hub_tree_path(char **path, const clipc_hub_tree *tree,
                                 const char *below, const char *name,
                                 clipc_error *err);

/* The content that a file of the repository has. */
typedef struct clipc_hub_blob {
    char etag[CLIPC_HUB_MAX_ETAG + 1]; /* 32 hex digits: MD5; 40: SHA-1, as
                                        * git counts it or of the bytes alone;
                                        * 64: SHA-256 */
    bool has_size;
    uint64_t size;
} clipc_hub_blob;

/* Whether the regular file at path has the blob's size, where that is known,
 * and, with `deep`, its checksum. */
clipc_status clipc_hub_blob_check(bool *good, const clipc_hub_blob *blob,
                                  const char *path, bool deep,
                                  clipc_error *err);

/* The same for all bytes of an open file. */
clipc_status clipc_hub_blob_check_fd(bool *good, const clipc_hub_blob *blob,
                                     int fd, const char *name,
                                     clipc_error *err);

/* Sleeps; the progress callback may end the sleep. */
clipc_status clipc_hub_pause(const clipc_hub_params *params, const char *file,
                             uint64_t done, uint64_t total, unsigned ms,
                             clipc_error *err);

/* Locks a blob against other processes and threads, as huggingface_hub does.
 * *lock -1: the file system has no locks, which is not an error. */
clipc_status clipc_hub_lock(int *lock, const clipc_hub_tree *tree,
                            const char *etag, const char *file,
                            clipc_error *err);
void clipc_hub_unlock(int lock);

/* A blob in the making. */
typedef struct clipc_hub_partial {
    int fd;
    char *path, *blob_path;
    uint64_t have; /* bytes found */
    bool unique;   /* nobody will continue the file: a failure removes it */
} clipc_hub_partial;

/* Opens the file that an interrupted download left, or a new one. */
clipc_status clipc_hub_partial_open(clipc_hub_partial *partial,
                                    const clipc_hub_tree *tree,
                                    const char *etag, int lock,
                                    clipc_error *err);
/* CLIPC_ERR_IO when the disk has no room for `more` bytes. */
clipc_status clipc_hub_partial_room(const clipc_hub_partial *partial,
                                    uint64_t more, clipc_error *err);
clipc_status clipc_hub_partial_empty(const clipc_hub_partial *partial,
                                     clipc_error *err);
/* Makes the partial file the blob: synced to the disk, then renamed. */
clipc_status clipc_hub_partial_keep(clipc_hub_partial *partial,
                                    clipc_error *err);
/* Closes the partial file. A file that can be continued stays, unless
 * `discard`. */
void clipc_hub_partial_close(clipc_hub_partial *partial, bool discard);

/* snapshots/COMMIT/FILE -> blobs/ETAG; without links in the file system the
 * blob itself is moved there. */
clipc_status clipc_hub_link(const clipc_hub_tree *tree, const char *commit,
                            const char *file, const char *etag,
                            clipc_error *err);

/* refs/REVISION = commit. */
clipc_status clipc_hub_ref_write(const clipc_hub_tree *tree,
                                 const char *revision, const char *commit,
                                 clipc_error *err);

/* Remembers that the commit has no such file; failures do not matter. */
void clipc_hub_absent_write(const clipc_hub_tree *tree, const char *commit,
                            const char *file);

#endif /* CLIPC_HUB_CACHE_H */
