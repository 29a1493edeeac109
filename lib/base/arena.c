/* SPDX-License-Identifier: MIT
 *
 * arena.c - cuts at a growing offset; without a base only the offset moves.
 */
#include "base/arena.h"

/* To whole units; false on overflow. */
static bool round_up(size_t *bytes, size_t unit)
{
    if (!clipc_add(*bytes, unit - 1, bytes))
        return false;
    *bytes &= ~(unit - 1);
    return true;
}

size_t clipc_arena_place(clipc_arena *arena, size_t n, size_t element_bytes,
                         size_t unit)
{
    size_t at = arena->used, bytes;

    if (arena->overflow || !round_up(&at, unit) ||
        !clipc_mul(n, element_bytes, &bytes) || !round_up(&bytes, unit) ||
        !clipc_add(at, bytes, &bytes)) {
        arena->overflow = true;
        return 0;
    }
    arena->used = bytes;
    return at;
}

void *clipc_arena_cut(clipc_arena *arena, size_t n, size_t element_bytes,
                      size_t unit)
{
    size_t at = clipc_arena_place(arena, n, element_bytes, unit);

    return arena->base && !arena->overflow ? arena->base + at : NULL;
}
