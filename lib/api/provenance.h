/* SPDX-License-Identifier: MIT
 *
 * provenance.h - where a packed file's weights came from, for its header.
 */
#ifndef CLIPC_PROVENANCE_H
#define CLIPC_PROVENANCE_H

#include "api/objects.h"
#include "base/json.h"

/* {"format", "precision", "clipc_version", "source", "revision",
 * "weights_sha256"}: a new reference. Source and revision are the params', or
 * guessed from the model's path. Reads all weights, to hash them. */
clipc_status clipc_provenance(json_t **out, const clipc_model *model,
                              clipc_precision precision,
                              const clipc_pack_params *params,
                              clipc_error *err);

#endif /* CLIPC_PROVENANCE_H */
