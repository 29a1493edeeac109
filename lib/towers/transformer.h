/* SPDX-License-Identifier: MIT
 *
 * transformer.h - the pre-LN transformer that both towers share.
 */
#ifndef CLIPC_TRANSFORMER_H
#define CLIPC_TRANSFORMER_H

#include "towers/lane.h"

/* Runs a lane on one of its threads, from tower->embed() to the projection, and
 * writes the rows of `out` that belong to the lane. */
void clipc_lane_run(const clipc_worker *worker, float *out);

#endif /* CLIPC_TRANSFORMER_H */
