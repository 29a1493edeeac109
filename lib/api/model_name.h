/* SPDX-License-Identifier: MIT
 *
 * model_name.h - from the name that a caller gives to the folder of a model.
 */
#ifndef CLIPC_MODEL_NAME_H
#define CLIPC_MODEL_NAME_H

#include "hub/hub.h"

/* Where a model is. */
typedef struct clipc_model_place {
    char *folder;
    char *adapter;    /* of the adapter that was asked for, or whose folder
                       * stands for the model; or NULL */
    const char *file; /* the weights, where the name is theirs; or NULL */
    /* Whether the folder and the adapter are in a hub cache, by their ids. */
    bool is_id, adapter_is_id;
    clipc_hub_id id, adapter_id;
    clipc_hub_params hub;
} clipc_model_place;

/* Looks the name up: the demo model, a folder, a file of weights, a repository
 * id. A folder of sentence-transformers or diffusers stands for the model in
 * it, an adapter for the model that it names. After a failure the place has the
 * ids that were found, for clipc_model_repair(); release the place in any
 * case. */
clipc_status clipc_model_find(clipc_model_place *place, const char *name,
                              const clipc_model_params *params,
                              clipc_error *err);
void clipc_model_place_release(clipc_model_place *place);

/* When a model does not open, compares its files, and its adapter's, with the
 * hub's checksums, and downloads damaged files again: files that Python put
 * into the cache were never checked, and a disk may damage files that were.
 * False: no file was downloaded. */
bool clipc_model_repair(const clipc_model_place *place, clipc_status status);

/* Whether it is a file with the name of weights. */
bool clipc_model_is_weights(const char *name);

#endif /* CLIPC_MODEL_NAME_H */
