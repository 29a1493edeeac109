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

#endif /* CLIPC_IDS_H */
