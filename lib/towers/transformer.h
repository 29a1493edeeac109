/* SPDX-License-Identifier: MIT
 *
 * transformer.h - the pre-LN transformer that both towers share.
 */
#ifndef CLIPC_TRANSFORMER_H
#define CLIPC_TRANSFORMER_H

#include "towers/lane.h"

/* A whole lane, from embed() to its rows of out. */
void clipc_lane_run(const clipc_worker *worker, float *out);

#endif /* CLIPC_TRANSFORMER_H */
