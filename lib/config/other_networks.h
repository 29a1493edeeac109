/* SPDX-License-Identifier: MIT
 *
 * other_networks.h - networks that are taken for CLIP and are not, by name: from
 * what config.json says of itself, or from the tensors of a checkpoint.
 */
#ifndef CLIPC_NETWORKS_H
#define CLIPC_NETWORKS_H

#include "base/base.h"

/* "SigLIP" for the model_type "siglip" or the class "SiglipModel"; NULL for
 * one that is not known. */
const char *clipc_network_of_type(const char *model_type);
const char *clipc_network_of_class(const char *architecture);

/* The network that has a tensor of this name and CLIP has not; else NULL. */
const char *clipc_network_of_tensor(const char *name);

#endif /* CLIPC_NETWORKS_H */
