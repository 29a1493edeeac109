/* SPDX-License-Identifier: MIT
 *
 * hub.h - repository ids in an existing Hugging Face cache.
 */
#ifndef CLIPC_HUB_H
#define CLIPC_HUB_H

#include "base.h"

/* Whether `name` has the form of a repository id: NAME or ORG/NAME, optional
 * @revision. */
bool clipc_hub_is_id(const char *name);

/* Folder of the snapshot of `id` (default revision main) in the hub cache,
 * malloc'ed. CLIPC_ERR_NOT_FOUND names the cache and the remedy. */
clipc_status clipc_hub_find(char **folder, const char *cache_dir,
                            const char *id, clipc_error *err);

#endif /* CLIPC_HUB_H */
