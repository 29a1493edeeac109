/* SPDX-License-Identifier: MIT
 *
 * other_networks.h - networks that are taken for CLIP or SigLIP and are not:
 * from the type or class in config.json, or from a checkpoint's tensors.
 */
#ifndef CLIPC_NETWORKS_H
#define CLIPC_NETWORKS_H

#include "base/base.h"

/* "BLIP" for the model_type "blip" or the class "BlipModel"; NULL for an
 * unknown type or class. */
const char *clipc_network_of_type(const char *model_type);
const char *clipc_network_of_class(const char *architecture);

/* A network other than `own` ("CLIP", "SigLIP") that has a tensor of this name;
 * else NULL. */
const char *clipc_network_of_tensor(const char *name, const char *own);

#endif /* CLIPC_NETWORKS_H */
