/* SPDX-License-Identifier: MIT
 *
 * ids.h - a growable list of token ids.
 */
#ifndef CLIPC_IDS_H
#define CLIPC_IDS_H

#include "base/base.h"

/* All zero is empty. Free ids with free(). */
typedef struct clipc_ids {
    int32_t *ids;
    size_t n, capacity;
} clipc_ids;

/* Appends; false when memory runs out. */
bool clipc_ids_push(clipc_ids *ids, int32_t id);

/* Leaves at most n of the ids from `begin` on: the first, or the last. */
void clipc_ids_cut(clipc_ids *ids, size_t begin, size_t n, bool last);

#endif /* CLIPC_IDS_H */
