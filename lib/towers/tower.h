/* SPDX-License-Identifier: MIT
 *
 * tower.h - cuts the sequences of a call into lanes and runs them through a
 * tower.
 */
#ifndef CLIPC_TOWER_H
#define CLIPC_TOWER_H

#include "towers/lane.h"

/* Runs n sequences through the tower: out [n, E]. */
clipc_status clipc_tower_run(const clipc_tower *tower, size_t n, float *out,
                             clipc_error *err);

#endif /* CLIPC_TOWER_H */
