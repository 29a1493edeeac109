/* SPDX-License-Identifier: MIT
 *
 * test_arena.c - memory cut into pieces: units, impossible sizes, agreement of
 * counting and cutting.
 */
#include "support/test.h"

#include "base/arena.h"

#include <stdlib.h>

TEST(pieces_begin_and_end_at_units)
{
    clipc_arena arena = { 0 };

    CHECK_INT(clipc_arena_place(&arena, 3, 1, 1), 0);
    CHECK_INT(arena.used, 3);
    CHECK_INT(clipc_arena_place(&arena, 1, 4, 4), 4);
    CHECK_INT(arena.used, 8);
    CHECK_INT(clipc_arena_place(&arena, 17, 4, 64), 64);
    CHECK_INT(arena.used, 64 + 128);
    CHECK_INT(clipc_arena_place(&arena, 1, 64, 64), 192);
    CHECK_INT(arena.used, 256);
    CHECK(!arena.overflow);
}

TEST(an_empty_piece_takes_nothing)
{
    clipc_arena arena = { 0 };

    CHECK_INT(clipc_arena_place(&arena, 0, 8, 64), 0);
    CHECK_INT(arena.used, 0);
    CHECK_INT(clipc_arena_place(&arena, 1, 1, 1), 0);
    CHECK_INT(clipc_arena_place(&arena, 0, 8, 64), 64);
    CHECK_INT(arena.used, 64);
}

TEST(a_place_is_cut_again)
{
    unsigned char memory[64];
    clipc_arena arena = { .base = memory };

    unsigned char *first = clipc_arena_cut(&arena, 16, 1, 1);
    unsigned char *large = clipc_arena_cut(&arena, 32, 1, 1);
    arena.used = 16;
    unsigned char *small = clipc_arena_cut(&arena, 4, 1, 1);
    CHECK(first == memory && large == memory + 16 && small == large);
    CHECK_INT(arena.used, 20);
}

TEST(pieces_without_a_size_overflow)
{
    static const struct {
        size_t before, n, element, unit;
    } cases[] = {
        { 0, SIZE_MAX / 2, 3, 1 },   /* the product */
        { 0, SIZE_MAX, 1, 64 },      /* its whole units */
        { SIZE_MAX, 1, 1, 64 },      /* the beginning */
        { SIZE_MAX - 63, 1, 1, 64 }, /* the end */
        { SIZE_MAX, 1, 1, 1 },
    };
    unsigned char memory[64];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_arena arena = { .base = memory, .used = cases[i].before };
        CHECK(clipc_arena_cut(&arena, cases[i].n, cases[i].element,
                              cases[i].unit) == NULL);
        CHECK(arena.overflow);
        CHECK_INT(arena.used, cases[i].before);
    }
}

TEST(an_overflow_stays)
{
    unsigned char memory[64];
    clipc_arena arena = { .base = memory };

    clipc_arena_cut(&arena, SIZE_MAX, 2, 1);
    CHECK(arena.overflow);
    CHECK(clipc_arena_cut(&arena, 1, 1, 1) == NULL);
    CHECK(arena.overflow);
    CHECK_INT(arena.used, 0);
}

typedef struct pieces {
    char *a;
    double *b;
    float *c;
} pieces;

static pieces cut_all(clipc_arena *arena)
{
    return (pieces){
        .a = clipc_arena_cut(arena, 7, sizeof(char), 1),
        .b = clipc_arena_cut(arena, 3, sizeof(double), sizeof(double)),
        .c = clipc_arena_cut(arena, 5, sizeof(float), CLIPC_ARENA_LINE),
    };
}

TEST(counting_equals_cutting)
{
    clipc_arena count = { 0 };
    pieces p = cut_all(&count);

    CHECK(!p.a && !p.b && !p.c);
    CHECK_INT(count.used, 128);
    clipc_arena arena = { .base = clipc_alloc_aligned(count.used, 1) };
    CHECK(arena.base);
    p = cut_all(&arena);
    CHECK_INT(arena.used, count.used);
    CHECK(p.a == (char *)arena.base);
    CHECK_INT((unsigned char *)p.b - arena.base, 8);
    CHECK_INT((unsigned char *)p.c - arena.base, 64);
    memset(p.a, 1, 7); /* none over another, all inside */
    memset(p.b, 2, 3 * sizeof *p.b);
    memset(p.c, 3, 5 * sizeof *p.c);
    CHECK_INT(p.a[6], 1);
    CHECK_INT(((unsigned char *)p.b)[23], 2);
    clipc_free_aligned(arena.base);
}
