/* SPDX-License-Identifier: MIT
 *
 * ids.c - see ids.h.
 */
#include "text/ids.h"

#include <string.h>

bool clipc_ids_push(clipc_ids *ids, int32_t id)
{
    if (ids->n == ids->capacity) {
        size_t capacity = ids->capacity ? ids->capacity * 2 : 32;
        int32_t *grown = clipc_realloc(ids->ids, capacity, sizeof *grown);
        if (!grown)
            return false;
        ids->ids = grown;
        ids->capacity = capacity;
    }
    ids->ids[ids->n++] = id;
    return true;
}

void clipc_ids_cut(clipc_ids *ids, size_t begin, size_t n, bool last)
{
    const size_t had = ids->n - begin;

    if (had <= n)
        return;
    if (last && n > 0)
        memmove(ids->ids + begin, ids->ids + begin + (had - n),
                n * sizeof *ids->ids);
    ids->n = begin + n;
}
