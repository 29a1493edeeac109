/* SPDX-License-Identifier: MIT
 *
 * hub.h - repository ids, and their files in a Hugging Face hub cache.
 */
#ifndef CLIPC_HUB_H
#define CLIPC_HUB_H

#include "hub/hub_http.h"

enum {
    CLIPC_HUB_MAX_PART = 96, /* characters of ORG, of NAME */
    CLIPC_HUB_MAX_REVISION = 255,
    CLIPC_HUB_MAX_SUBFOLDER = 255
};

/* A checked id: its parts may be part of a path. */
typedef struct clipc_hub_id {
    char repo[2 * CLIPC_HUB_MAX_PART + 2]; /* "ORG/NAME" or "NAME" */
    char revision[CLIPC_HUB_MAX_REVISION + 1];
    /* Of the model's files within the repository, "a/b"; "": at its top. */
    char subfolder[CLIPC_HUB_MAX_SUBFOLDER + 1];
    bool is_commit; /* revision is 40 hex digits */
} clipc_hub_id;

/* NAME, ORG/NAME or ORG/NAME/SUBFOLDER, optional @revision (default main). */
bool clipc_hub_parse(clipc_hub_id *id, const char *name);

/* "first/SUBFOLDER/last" without what is empty: first, the subfolder, or last
 * (NULL). malloc'ed; NULL: no memory. */
char *clipc_hub_within(const clipc_hub_id *id, const char *first,
                       const char *last);

/* Exactly n hex digits, lower case, and nothing else. */
bool clipc_hub_is_hex(const char *text, size_t n);

/* Begins the name of a repository's folder in the cache. */
#define CLIPC_HUB_PREFIX "models--"

/* CACHE/models--ORG--NAME, malloc'ed; NULL: no memory. */
char *clipc_hub_repository(const char *cache_dir, const clipc_hub_id *id);

/* Turns ORG--NAME, from such a folder's name, into ORG/NAME. */
void clipc_hub_decode(char *repo);

/* Finds the commit of a revision in the cache. CLIPC_ERR_NOT_FOUND: not in the
 * cache; the message lists the contents of the cache. */
clipc_status clipc_hub_commit(char commit[CLIPC_HUB_COMMIT_DIGITS + 1],
                              const char *cache_dir, const clipc_hub_id *id,
                              clipc_error *err);

/* How much of a model a snapshot has. */
typedef enum clipc_hub_state {
    CLIPC_HUB_LACKING, /* no config or no weights */
    CLIPC_HUB_USABLE,  /* both; other files may be missing */
    CLIPC_HUB_COMPLETE /* every file of a model is there, or is known not to
                        * exist in this revision */
} clipc_hub_state;

/* Looks at the names, and into files that name others. id: of the repository;
 * its subfolder counts. missing, of `room` bytes, or NULL: gets the names of
 * files that the hub was never asked for, "a, b". */
clipc_hub_state clipc_hub_examine(const char *repository, const char *commit,
                                  const clipc_hub_id *id, char *missing,
                                  size_t room);

/* Ids of the cache that look like this one: "a/b, c/d", or "". */
void clipc_hub_near_misses(char *text, size_t room, const char *cache_dir,
                           const clipc_hub_id *id);

/* Revisions of the repository that the cache has: "main, refs/pr/15". */
void clipc_hub_revisions(char *text, size_t room, const char *repository);

/* clipc_hub_download() for an id and params that are checked. With `repaired`,
 * each file of the cache is compared with the hub's checksum; *repaired: one
 * file was wrong and is now right. */
clipc_status clipc_hub_get_files(char **folder, const clipc_hub_id *id,
                                 const clipc_hub_params *params,
                                 bool *repaired, clipc_error *err);

/* The defaults overlaid with `given`, checked. */
clipc_status clipc_hub_params_merge(clipc_hub_params *params,
                                    const clipc_hub_params *given,
                                    clipc_error *err);

/* Shards that an index file names, as paths beside it. */
typedef struct clipc_hub_shards {
    char **names; /* [n], malloc'ed each */
    size_t n;
} clipc_hub_shards;
clipc_status clipc_hub_shards_read(clipc_hub_shards *shards,
                                   const char *index_path, clipc_error *err);
void clipc_hub_shards_release(clipc_hub_shards *shards);

#endif /* CLIPC_HUB_H */
