/* SPDX-License-Identifier: MIT
 *
 * tiles_sme.c - products of f32, bf16 and bytes with SME, where its vectors
 * have 64 bytes: up to 32 rows by 32 columns in four of the tiles of ZA, 16 x
 * 16 sums each. An outer product multiplies a k-step of 16 rows by a k-step of
 * a strip, which is a vector as it stands; rows are grouped before
 * (kernels.h):
 *
 *     grouped rows: [rows / 16 rounded up][k_steps][16 rows][4 bytes]
 *
 * f32 sums are chains of fused multiply-adds in increasing k, the bits of NEON
 * but for NaN's own. Sums of bytes are exact. BFMOPA adds the products of two
 * inputs to a sum; it rounds to odd, and subnormal numbers count as zero.
 *
 * Between SMSTART and SMSTOP the processor is in another mode, in which NEON
 * may not exist, and outside of it no vector of SVE may. So each kernel is one
 * block of assembly from one to the other, and no compiler makes code of
 * either. Both instructions clear all vectors and predicates, and SMSTART sets
 * the flags of FPSR, which are put back.
 *
 * A caller's ZA may hold numbers of its own. Its owner then has left a block of
 * memory in TPIDR2_EL0, into which who wants ZA must save it, and clear
 * TPIDR2_EL0.
 *
 * Every assembler of this decade knows SME by .arch_extension, gcc 12's and
 * clang 14's among them; clang wants SVE named too.
 *
 * Reference: Arm Architecture Reference Manual, FMOPA, BFMOPA, SMOPA; Procedure
 * Call Standard for the Arm 64-bit Architecture, "ZA lazy saving scheme".
 */
#include "kernels/arm/arm.h"
#include "kernels/inline.h"

#include "base/clock.h"

#include <stdatomic.h>

enum {
    GROUP = 16, /* rows of a tile of ZA */
    ROWS = 2 * GROUP,
    STRIPS = 2
};
_Static_assert((int)GROUP == (int)CLIPC_STRIP_COLUMNS &&
                   CLIPC_PREFETCH_STEPS == 16,
               "the assembly below has these numbers");

/* Clear of the labels of the kernels. x8 is FPSR until LEAVE. */
#define ENTER \
    ".arch_extension sve\n\t" \
    ".arch_extension sme\n\t" \
    "mrs x8, fpsr\n\t" \
    "mrs x9, tpidr2_el0\n\t" \
    "cbz x9, 92f\n\t" \
    "ldr x10, [x9]\n\t"      /* the memory for ZA */ \
    "ldrh w11, [x9, #8]\n\t" /* and how many rows of it to save */ \
    "mov w12, #0\n" \
    "90:\n\t" \
    "cmp w12, w11\n\t" \
    "b.hs 91f\n\t" \
    "str za[w12, 0], [x10]\n\t" \
    "add x10, x10, #64\n\t" \
    "add w12, w12, #1\n\t" \
    "b 90b\n" \
    "91:\n\t" \
    "msr tpidr2_el0, xzr\n" \
    "92:\n\t" \
    "smstart\n\t" \
    "ptrue p0.b\n\t"
#define LEAVE \
    "smstop\n\t" \
    "msr fpsr, x8\n\t"
#define CLOBBERED \
    "memory", "cc", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "v0", \
        "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", \
        "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", \
        "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", \
        "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", \
        "p11", "p12", "p13", "p14", "p15"

/* ---- rows -------------------------------------------------------------- */

/* A tile of ZA turns 16 k-steps of 16 rows: written row by row, read column by
 * column. Rows that are not there stay zero. */
static void group_rows(void *out, const void *rows, size_t stride,
                       size_t n_rows, size_t k_steps)
{
    if (n_rows == 0 || k_steps == 0)
        return;
    __asm__ volatile(ENTER "1:\n\t" /* 16 rows */
                           "zero {za}\n\t"
                           "mov x9, #16\n\t"
                           "cmp %[n_rows], #16\n\t"
                           "csel x9, %[n_rows], x9, lo\n\t"
                           "mov x10, %[rows]\n\t"
                           "mov x11, %[k_steps]\n"
                           "2:\n\t" /* 16 k-steps */
                           "whilelt p1.s, xzr, x11\n\t"
                           "mov x13, x10\n\t"
                           "mov w12, #0\n"
                           "3:\n\t"
                           "ld1w {za0h.s[w12, 0]}, p1/z, [x13]\n\t"
                           "add x13, x13, %[stride]\n\t"
                           "add w12, w12, #1\n\t"
                           "cmp w12, w9\n\t"
                           "b.lo 3b\n\t"
                           "mov x14, #16\n\t"
                           "cmp x11, #16\n\t"
                           "csel x14, x11, x14, lo\n\t"
                           "mov w12, #0\n"
                           "4:\n\t"
                           "st1w {za0v.s[w12, 0]}, p0, [%[out]]\n\t"
                           "add %[out], %[out], #64\n\t"
                           "add w12, w12, #1\n\t"
                           "cmp w12, w14\n\t"
                           "b.lo 4b\n\t"
                           "add x10, x10, #64\n\t"
                           "subs x11, x11, x14\n\t"
                           "b.ne 2b\n\t"
                           "add %[rows], %[rows], %[stride], lsl #4\n\t"
                           "subs %[n_rows], %[n_rows], x9\n\t"
                           "b.ne 1b\n\t" LEAVE
                     : [out] "+&r"(out), [rows] "+&r"(rows),
                       [n_rows] "+&r"(n_rows)
                     : [stride] "r"(stride), [k_steps] "r"(k_steps)
                     : CLOBBERED);
}

/* ---- products ---------------------------------------------------------- */

/* clang-format off */
#define FMOPA(za, rows, columns) \
    "fmopa za" #za ".s, p0/m, p0/m, z" #rows ".s, z" #columns ".s\n\t"
#define BFMOPA(za, rows, columns) \
    "bfmopa za" #za ".s, p0/m, p0/m, z" #rows ".h, z" #columns ".h\n\t"
#define SMOPA(za, rows, columns) \
    "smopa za" #za ".s, p0/m, p0/m, z" #rows ".b, z" #columns ".b\n\t"

#define IF_0(...) ""
#define IF_1(...) __VA_ARGS__
#define BOTH_00 IF_0
#define BOTH_01 IF_0
#define BOTH_10 IF_0
#define BOTH_11 IF_1

/* Tiles 0-3 of ZA: sums of rows 0-15 and 16-31 by strips 0 and 1. Of k-step
 * `step` vectors 0 and 4 are the rows, 16 and 20 the columns; of the next
 * k-step each is one higher. */
#define LOAD(z, from, step) \
    "ld1w {z" #z ".s}, p0/z, [%[" #from "], #" #step ", mul vl]\n\t"
#define LOAD_STEP(tall, wide, step, rows, low, columns, right) \
    LOAD(rows, a, step) \
    LOAD(columns, b, step) \
    IF_##tall(LOAD(low, a_low, step)) \
    IF_##wide(LOAD(right, b_right, step))
#define ADD_STEP(OP, tall, wide, rows, low, columns, right) \
    OP(0, rows, columns) \
    IF_##wide(OP(1, rows, right)) \
    IF_##tall(OP(2, low, columns)) \
    BOTH_##tall##wide(OP(3, low, right))
#define NEXT(from, bytes) \
    "add %[" #from "], %[" #from "], #" #bytes "\n\t"
#define NEXT_STEPS(tall, wide, bytes) \
    NEXT(a, bytes) \
    NEXT(b, bytes) \
    IF_##tall(NEXT(a_low, bytes)) \
    IF_##wide(NEXT(b_right, bytes))

#define STORE(label, c, rows, left, right, wide) \
    "mov w12, #0\n" \
    #label ":\n\t" \
    "st1w {za" #left "h.s[w12, 0]}, p0, [%[" #c "]]\n\t" \
    IF_##wide("st1w {za" #right "h.s[w12, 0]}, p0, [%[" #c "], x13, lsl #2]\n\t") \
    "add %[" #c "], %[" #c "], %[c_stride]\n\t" \
    "add w12, w12, #1\n\t" \
    "cmp w12, %w[" #rows "]\n\t" \
    "b.lo " #label "b\n\t"

#define PRODUCT(OP, tall, wide) \
    ENTER \
    "zero {za}\n" \
    "1:\n\t" /* k-steps of one burst of prefetches */ \
    "cbz %[left], 9f\n\t" \
    "mov x9, #16\n\t" \
    "cmp %[left], #16\n\t" \
    "csel x9, %[left], x9, lo\n\t" \
    "sub %[left], %[left], x9\n\t" \
    "mov x10, %[n_lines]\n" \
    "2:\n\t" \
    "cbz x10, 3f\n\t" \
    "prfm pldl2keep, [%[lines]]\n\t" \
    NEXT(lines, 64) \
    "sub x10, x10, #1\n\t" \
    "b 2b\n" \
    "3:\n\t" \
    "subs x9, x9, #4\n\t" \
    "b.lo 5f\n" \
    "4:\n\t" \
    LOAD_STEP(tall, wide, 0, 0, 4, 16, 20) \
    LOAD_STEP(tall, wide, 1, 1, 5, 17, 21) \
    LOAD_STEP(tall, wide, 2, 2, 6, 18, 22) \
    LOAD_STEP(tall, wide, 3, 3, 7, 19, 23) \
    ADD_STEP(OP, tall, wide, 0, 4, 16, 20) \
    ADD_STEP(OP, tall, wide, 1, 5, 17, 21) \
    ADD_STEP(OP, tall, wide, 2, 6, 18, 22) \
    ADD_STEP(OP, tall, wide, 3, 7, 19, 23) \
    NEXT_STEPS(tall, wide, 256) \
    "subs x9, x9, #4\n\t" \
    "b.hs 4b\n" \
    "5:\n\t" /* the one to three left */ \
    "adds x9, x9, #4\n\t" \
    "b.eq 1b\n" \
    "6:\n\t" \
    LOAD_STEP(tall, wide, 0, 0, 4, 16, 20) \
    ADD_STEP(OP, tall, wide, 0, 4, 16, 20) \
    NEXT_STEPS(tall, wide, 64) \
    "subs x9, x9, #1\n\t" \
    "b.ne 6b\n\t" \
    "b 1b\n" \
    "9:\n\t" \
    "mov x13, #16\n\t" /* columns */ \
    STORE(7, c, high, 0, 1, wide) \
    IF_##tall(STORE(8, c_low, low, 2, 3, wide)) \
    LEAVE
/* clang-format on */

#define DEFINE_PRODUCT(name, OP, tall, wide) \
    static void name##_##tall##wide(const clipc_tile *tile) \
    { \
        const size_t high = tall ? GROUP : tile->rows; \
        const char *a = tile->a, *b = tile->b, *lines = tile->prefetch; \
        const char *a_low = a + (tall ? tile->a_stride : 0); \
        const char *b_right = b + (wide ? tile->b_stride : 0); \
        char *c = tile->c, *c_low = c + (tall ? GROUP * tile->c_stride : 0); \
        size_t left = tile->k_steps; \
\
        __asm__ volatile(PRODUCT(OP, tall, wide) \
                         : [a] "+&r"(a), [a_low] "+&r"(a_low), [b] "+&r"(b), \
                           [b_right] "+&r"(b_right), [c] "+&r"(c), \
                           [c_low] "+&r"(c_low), [lines] "+&r"(lines), \
                           [left] "+&r"(left) \
                         : [n_lines] "r"(tile->prefetch_lines), \
                           [c_stride] "r"(tile->c_stride), [high] "r"(high), \
                           [low] "r"(tile->rows - high) \
                         : CLOBBERED); \
    }

#define DEFINE_TILE(name, OP) \
    DEFINE_PRODUCT(name, OP, 0, 0) \
    DEFINE_PRODUCT(name, OP, 0, 1) \
    DEFINE_PRODUCT(name, OP, 1, 0) \
    DEFINE_PRODUCT(name, OP, 1, 1) \
    static void name(const clipc_tile *tile) \
    { \
        static void (*const products[2][2])(const clipc_tile *) = { \
            { name##_00, name##_01 }, { name##_10, name##_11 } \
        }; \
        products[tile->rows > GROUP][tile->strips > 1](tile); \
    }
DEFINE_TILE(tile_f32, FMOPA)
DEFINE_TILE(tile_bf16, BFMOPA)
DEFINE_TILE(tile_s8, SMOPA)

/* ---- the choice -------------------------------------------------------- */

/* The processors of a cluster share one unit of SME, eight of them at most in
 * what there is. So SME must be so many times as fast as the kernel of one
 * processor, for then it is no slower when all compute. */
#define SHARED_BY 8.0

/* Seconds that a tile of 32 x 32 takes with the kernel, the least of some. */
static double time_tile(const clipc_tile_kernel *kernel)
{
    enum { STEPS = 128 };
    const double enough = 50e-6; /* the clocks of some count microseconds */
    _Alignas(64) unsigned char zeros[ROWS * STEPS * 4] = { 0 };
    _Alignas(64) unsigned char sums[ROWS * STRIPS * CLIPC_STRIP_BYTES];
    clipc_tile tile = { .c = sums,
                        .c_stride = (size_t)STRIPS * CLIPC_STRIP_BYTES,
                        .a = zeros,
                        .b = zeros,
                        .k_steps = STEPS };
    double least = 1.0;

    tile.a_stride = (kernel->group ? kernel->group : 1) * (size_t)STEPS * 4;
    for (int run = 0; run < 3; run++) {
        const double begin = clipc_clock(CLOCK_MONOTONIC);
        double time;
        int n = 0;
        do {
            for (size_t strip = 0; strip < STRIPS; strip += tile.strips) {
                tile.strips = kernel->max_strips < STRIPS - strip
                                  ? kernel->max_strips
                                  : STRIPS - strip;
                for (size_t row = 0; row < ROWS; row += tile.rows) {
                    tile.rows = kernel->max_rows < ROWS - row
                                    ? kernel->max_rows
                                    : ROWS - row;
                    kernel->run(&tile);
                }
            }
            n++;
            time = clipc_clock(CLOCK_MONOTONIC) - begin;
        } while (time < enough);
        least = time / n < least ? time / n : least;
    }
    return least;
}

/* Measured once in a process, so that all contexts compute alike. */
static bool pays(const clipc_tile_kernel *sme,
                 const clipc_tile_kernel *without,
                 _Atomic int *known) /* 1: no, 2: yes */
{
    int answer = atomic_load_explicit(known, memory_order_relaxed);

    if (answer == 0) {
        int measured = SHARED_BY * time_tile(sme) < time_tile(without) ? 2 : 1;
        if (atomic_compare_exchange_strong(known, &answer, measured))
            answer = measured;
    }
    return answer == 2;
}

static clipc_tile_kernel kernel(const char *name, clipc_operand_format format,
                                void (*run)(const clipc_tile *tile))
{
    return (clipc_tile_kernel){ .name = name,
                                .format = format,
                                .max_rows = ROWS,
                                .max_strips = STRIPS,
                                .run = run,
                                .group = GROUP,
                                .group_rows = group_rows };
}

void clipc_tiles_init_sme(clipc_kernels *kernels, bool has_f32, bool has_bf16,
                          bool has_int8, bool always)
{
    static _Atomic int f32_pays, int8_pays;
    const clipc_tile_kernel f32 = kernel("sme 32x32", CLIPC_OPERAND_F32,
                                         tile_f32);
    const clipc_tile_kernel int8 = kernel("sme-int8 32x32", CLIPC_OPERAND_S8,
                                          tile_s8);

    if (has_f32 && (always || pays(&f32, &kernels->f32, &f32_pays)))
        kernels->f32_grouped = f32;
    if (has_int8 && (always || pays(&int8, &kernels->s8, &int8_pays)))
        kernels->s8 = int8;
    /* The bits of bf16 are SME's own: no timing decides about them. */
    if (has_bf16 && always)
        kernels->bf16 = kernel("sme-bf16 32x32", CLIPC_OPERAND_BF16,
                               tile_bf16);
    if (kernels->f32_grouped.run == tile_f32 || kernels->s8.run == tile_s8 ||
        kernels->bf16.run == tile_bf16)
        kernels->name = "sme";
}
