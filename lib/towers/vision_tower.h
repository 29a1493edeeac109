/* SPDX-License-Identifier: MIT
 *
 * vision_tower.h - the forward pass of the image tower.
 */
#ifndef CLIPC_VISION_TOWER_H
#define CLIPC_VISION_TOWER_H

#include "checkpoint/parameters.h"
#include "towers/engine.h"

/* pixels [n, 3, S, S] -> raw projections out [n, E]. The pass cuts n into
 * chunks, which bound the scratch memory. */
clipc_status clipc_vision_forward(clipc_engine *engine,
                                  const clipc_config *config,
                                  const clipc_vision_weights *weights,
                                  const float *pixels, size_t n, float *out,
                                  clipc_error *err);

#endif /* CLIPC_VISION_TOWER_H */
