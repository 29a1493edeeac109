/* SPDX-License-Identifier: MIT
 *
 * hub_snapshot.h - what a snapshot of a hub cache has of a model.
 */
#ifndef CLIPC_HUB_SNAPSHOT_H
#define CLIPC_HUB_SNAPSHOT_H

#include "checkpoint/component.h"
#include "hub/hub.h"
#include "base/json.h"

/* The JSON file at `path`, its numbers as reals; NULL: it cannot be read as
 * such, which opening the model will tell. */
json_t *clipc_hub_json(const char *path, size_t max_bytes);

/* The file of weights that a config.json names, "transformers_weights"; "":
 * none. */
enum { CLIPC_HUB_MAX_WEIGHTS = 127 };
void clipc_hub_named_weights(char name[CLIPC_HUB_MAX_WEIGHTS + 1],
                             const char *config_path);

/* Whether a tokenizer_config.json names the class that reads spiece.model. */
bool clipc_hub_needs_spiece(const char *path);

/* The id of a subfolder of the id's folder; false: its name is too long. */
bool clipc_hub_id_below(clipc_hub_id *out, const clipc_hub_id *id,
                        const char *path);

/* The id of the folder beside the id's that may have its tokenizer and its
 * preprocessing (component.h); false: there is none. */
bool clipc_hub_id_beside(clipc_hub_id *out, const clipc_hub_id *id);

#endif /* CLIPC_HUB_SNAPSHOT_H */
