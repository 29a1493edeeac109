/* SPDX-License-Identifier: MIT
 *
 * hub_file.h - one file of a repository: asked for, downloaded, checked, put
 * into the cache.
 */
#ifndef CLIPC_HUB_FILE_H
#define CLIPC_HUB_FILE_H

#include "hub/hub_cache.h"

/* A download of some files of one revision. */
typedef struct clipc_hub_task {
    const clipc_hub_params *params;
    const clipc_hub_id *id;
    clipc_hub_session *session;
    clipc_hub_tree tree;
    char commit[CLIPC_HUB_COMMIT_DIGITS + 1]; /* "": not known yet */
    bool impatient; /* the cache will do: no retry before the first answer */
    bool verify, repaired;
    bool taken; /* a file of the commit has come into the snapshot */
    bool final; /* the failure is no reason to use what the cache has */
} clipc_hub_task;

typedef enum clipc_hub_need {
    CLIPC_HUB_OPTIONAL,
    CLIPC_HUB_REQUIRED
} clipc_hub_need;

/* Asks for the commit of the revision: fills task->commit. */
clipc_status clipc_hub_learn_commit(clipc_hub_task *task, clipc_error *err);

/* Gets a file of task->commit, in the id's subfolder, into the snapshot,
 * unless the file is there. *found false: the commit has no such file, which
 * is an error for a required file. */
clipc_status clipc_hub_file_get(clipc_hub_task *task, const char *file,
                                clipc_hub_need need, uint64_t max_bytes,
                                bool *found, clipc_error *err);

#endif /* CLIPC_HUB_FILE_H */
