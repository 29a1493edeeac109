/* SPDX-License-Identifier: MIT
 *
 * arena.h - one block of memory cut into pieces. Run the code that cuts twice:
 * over an arena without a base, which counts the bytes that the block needs,
 * and over the block.
 *
 *     clipc_arena count = { 0 };
 *     cut_everything(&count);
 *     if (count.overflow) ...
 *     clipc_arena arena = { .base = clipc_alloc_aligned(count.used, 1) };
 *     cut_everything(&arena);
 */
#ifndef CLIPC_ARENA_H
#define CLIPC_ARENA_H

#include "base/base.h"

enum { CLIPC_ARENA_LINE = 64 }; /* unit of vectors: a cache line */

typedef struct clipc_arena {
    unsigned char *base; /* NULL: count */
    size_t used;         /* bytes. Set it back to cut the same place again. */
    bool overflow;       /* the pieces together have no size */
} clipc_arena;

/* Cuts a piece of n elements in whole units of `unit` bytes, a power of two:
 * the piece begins and ends at a multiple of it. Returns where the piece
 * begins, in bytes from the base. */
size_t clipc_arena_place(clipc_arena *arena, size_t n, size_t element_bytes,
                         size_t unit);

/* The same as a pointer; NULL when the arena counts or overflowed. The base
 * must be aligned to the unit. */
void *clipc_arena_cut(clipc_arena *arena, size_t n, size_t element_bytes,
                      size_t unit);

#endif /* CLIPC_ARENA_H */
