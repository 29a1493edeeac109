/* SPDX-License-Identifier: MIT
 *
 * tiles_amx.c - products of bytes and of bf16 with AMX: up to 32 rows by 32
 * columns in four of the eight tiles, two for the inputs, two for the weights.
 * 16 k-steps of a strip are one weight tile, in the layout of the strip. The
 * tiles are configured with the number of rows of the product: no other row is
 * read or computed. Configuring takes a fifth of the time of a product, so
 * configure once for many products (docs/SPEED.md).
 *
 * Sums of bytes are exact. Products of bf16 are added pair by pair in
 * increasing k; subnormal numbers count as zero.
 *
 * Reference: Intel SDM volume 1, chapter 18; volume 2, TDPBSSD, TDPBF16PS.
 */
#if !defined(__AMX_TILE__) && !defined(__AMXTILE__) /* gcc, clang 14 */
#error "compile this file with -mamx-tile -mamx-int8 -mamx-bf16"
#endif
#include "kernels/inline.h"
#include "kernels/x86/x86.h"

#include <immintrin.h>

enum {
    TILE_ROWS = 16,
    ROWS = 2 * TILE_ROWS,
    STRIPS = 2,
    UNIT = 16, /* k-steps of a tile, 64 bytes of a row of inputs */
    UNIT_BYTES = 64
};
_Static_assert((int)UNIT == (int)CLIPC_PREFETCH_STEPS,
               "prefetches come once a unit");

/* Tiles 0-3: sums of rows 0-15 and 16-31 by strips 0 and 1; 4, 5: inputs of
 * the same rows; 6, 7: weights of the same strips. */
typedef struct configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} configuration;

static void configure(size_t rows)
{
    uint8_t high = (uint8_t)(rows < TILE_ROWS ? rows : TILE_ROWS);
    uint8_t low = (uint8_t)(rows - high);
    configuration c = { .palette = 1 };

    /* A tile without rows must have no bytes. */
    for (int tile = 0; tile < 8; tile++) {
        c.rows[tile] = tile >= 6 ? UNIT : tile < 2 || tile == 4 ? high : low;
        c.row_bytes[tile] = c.rows[tile] ? UNIT_BYTES : 0;
    }
    /* The intrinsics do not say what memory they read and write. */
    __asm__ volatile("" : : "r"(&c) : "memory");
    _tile_loadconfig(&c);
}

static void release(void)
{
    _tile_release();
}

INLINE const char *prefetch(const char *lines, size_t n)
{
    for (size_t i = 0; i < n; i++)
        _mm_prefetch(lines + i * CLIPC_STRIP_BYTES, _MM_HINT_T1);
    return lines + n * CLIPC_STRIP_BYTES;
}

/* DP(sums, inputs, weights) multiplies one unit of K; tall and wide are
 * constants where this is expanded. */
#define PRODUCT(DP, tile, tall, wide) \
    do { \
        const size_t a_stride = (tile)->a_stride; \
        const size_t c_stride = (tile)->c_stride; \
        const size_t n_lines = (tile)->prefetch_lines; \
        const char *a = (tile)->a; \
        const char *a_low = a + ((tall) ? TILE_ROWS * a_stride : 0); \
        const char *b = (tile)->b; \
        const char *b_right = b + ((wide) ? (tile)->b_stride : 0); \
        const char *lines = (tile)->prefetch; \
        char *c = (tile)->c; \
        char *c_low = c + ((tall) ? TILE_ROWS * c_stride : 0); \
\
        _tile_zero(0); \
        _tile_zero(1); \
        if (tall) { \
            _tile_zero(2); \
            _tile_zero(3); \
        } \
        for (size_t left = (tile)->k_steps / UNIT; left > 0; left--) { \
            _tile_loadd(4, a, a_stride); \
            _tile_loadd(6, b, CLIPC_STRIP_BYTES); \
            if (wide) \
                _tile_loadd(7, b_right, CLIPC_STRIP_BYTES); \
            if (tall) \
                _tile_loadd(5, a_low, a_stride); \
            DP(0, 4, 6); \
            if (wide) \
                DP(1, 4, 7); \
            if (tall) \
                DP(2, 5, 6); \
            if ((tall) && (wide)) \
                DP(3, 5, 7); \
            lines = prefetch(lines, n_lines); \
            a += UNIT_BYTES, a_low += UNIT_BYTES; \
            b += UNIT * CLIPC_STRIP_BYTES; \
            b_right += UNIT * CLIPC_STRIP_BYTES; \
        } \
        _tile_stored(0, c, c_stride); \
        if (wide) \
            _tile_stored(1, c + CLIPC_STRIP_BYTES, c_stride); \
        if (tall) \
            _tile_stored(2, c_low, c_stride); \
        if ((tall) && (wide)) \
            _tile_stored(3, c_low + CLIPC_STRIP_BYTES, c_stride); \
        __asm__ volatile("" : : : "memory"); \
    } while (0)

#define DEFINE_TILE(name, DP) \
    static void name(const clipc_tile *tile) \
    { \
        if (tile->rows > TILE_ROWS) { \
            if (tile->strips > 1) \
                PRODUCT(DP, tile, 1, 1); \
            else \
                PRODUCT(DP, tile, 1, 0); \
        } else { \
            if (tile->strips > 1) \
                PRODUCT(DP, tile, 0, 1); \
            else \
                PRODUCT(DP, tile, 0, 0); \
        } \
    }
DEFINE_TILE(tile_s8, _tile_dpbssd)
DEFINE_TILE(tile_bf16, _tile_dpbf16ps)

void clipc_tiles_init_amx(clipc_kernels *kernels, bool has_int8, bool has_bf16)
{
    if (has_int8 || has_bf16)
        kernels->name = "amx";
    if (has_int8)
        kernels->s8 = (clipc_tile_kernel){ .name = "amx-int8 32x32",
                                           .format = CLIPC_OPERAND_S8,
                                           .max_rows = ROWS,
                                           .max_strips = STRIPS,
                                           .run = tile_s8,
                                           .begin = configure,
                                           .done = release };
    if (has_bf16)
        kernels->bf16 = (clipc_tile_kernel){ .name = "amx-bf16 32x32",
                                             .format = CLIPC_OPERAND_BF16,
                                             .max_rows = ROWS,
                                             .max_strips = STRIPS,
                                             .run = tile_bf16,
                                             .begin = configure,
                                             .done = release };
}
