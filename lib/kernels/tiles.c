/* SPDX-License-Identifier: MIT
 *
 * tiles.c - products of tiles, and the packing of weights into strips, in C.
 * gcc and clang map the vectors of 16 bytes to SSE2 or NEON registers.
 * kernels.h has the layouts. Files of x86/ and arm/ do the same work with the
 * instructions of a set.
 *
 * Compiled with -ffp-contract=off: every operation here rounds once.
 */
#include "kernels/half.h"
#include "kernels/inline.h"
#include "kernels/kernels.h"

/* Rows of a tile. Accumulators, weights and broadcasts fill 16 or 32
 * registers; products of bytes need more registers for intermediate values. */
#if defined(__aarch64__)
enum { ROWS_F32 = 4, ROWS_S8 = 4 };
#define SHAPE_F32 "c 4x16"
#define SHAPE_S8 "c 4x16"
#else
enum { ROWS_F32 = 2, ROWS_S8 = 1 };
#define SHAPE_F32 "c 2x16"
#define SHAPE_S8 "c 1x16"
#endif
enum {
    COLUMNS = CLIPC_STRIP_COLUMNS,
    VECTORS = 4, /* of one k-step of a strip */
    BURST = CLIPC_PREFETCH_STEPS,
    BLOCK = 64 /* inputs packed at once */
};

typedef float vec __attribute__((vector_size(16)));
typedef int32_t vec_s32 __attribute__((vector_size(16)));
typedef uint32_t vec_u32 __attribute__((vector_size(16)));
typedef int16_t vec_s16 __attribute__((vector_size(16)));
typedef uint16_t vec_u16 __attribute__((vector_size(16)));
/* Weights as they lie in a strip. */
typedef int32_t stored_s32
    __attribute__((vector_size(16), aligned(1), may_alias));

/* ---- products ---------------------------------------------------------- */

INLINE const char *prefetch(const char *lines, size_t n)
{
    /* Nothing is added to a NULL without lines. */
    for (; n > 0; n--, lines += CLIPC_STRIP_BYTES)
        __builtin_prefetch(lines, 0, 2);
    return lines;
}

INLINE void step_f32(vec acc[][VECTORS], const char *a, size_t a_stride,
                     const char *b, size_t rows)
{
    for (size_t j = 0; j < VECTORS; j++) {
        vec weights;
        memcpy(&weights, b + j * sizeof weights, sizeof weights);
        for (size_t i = 0; i < rows; i++) {
            float x;
            memcpy(&x, a + i * a_stride, sizeof x);
            acc[i][j] += (vec){ x, x, x, x } * weights;
        }
    }
}

/* Four inputs a lane. Products of two bytes, and the sum of two products, fit
 * 16 bits: 2 * 127 * 128 < 2^15. (Through memcpy() gcc 14 takes the weights
 * for one number of 128 bits, and its upper half over the stack.) */
INLINE vec_s16 even_bytes(vec_s32 v)
{
    return (vec_s16)((vec_u16)v << 8) >> 8;
}

INLINE vec_s16 odd_bytes(vec_s32 v)
{
    return (vec_s16)v >> 8;
}

INLINE void step_s8(vec_s32 acc[][VECTORS], const char *a, size_t a_stride,
                    const char *b, size_t rows)
{
    for (size_t j = 0; j < VECTORS; j++) {
        vec_s32 weights = ((const stored_s32 *)(const void *)b)[j];
        for (size_t i = 0; i < rows; i++) {
            int32_t x;
            memcpy(&x, a + i * a_stride, sizeof x);
            vec_s32 inputs = { x, x, x, x };
            vec_s16 pairs = even_bytes(inputs) * even_bytes(weights) +
                            odd_bytes(inputs) * odd_bytes(weights);
            acc[i][j] += (vec_s32)((vec_u32)pairs << 16) >> 16;
            acc[i][j] += (vec_s32)pairs >> 16;
        }
    }
}

/* rows is a constant where this is inlined. */
INLINE void product_f32(const clipc_tile *tile, size_t strip, size_t rows)
{
    vec acc[ROWS_F32][VECTORS] = { { { 0 } } };
    const char *a = tile->a;
    const char *b = (const char *)tile->b + strip * tile->b_stride;
    char *c = (char *)tile->c + strip * COLUMNS * sizeof(float);
    const char *lines = tile->prefetch;
    size_t n_lines = strip == 0 ? tile->prefetch_lines : 0;

    for (size_t k = 0; k < tile->k_steps; k += BURST) {
        size_t end = k + BURST < tile->k_steps ? k + BURST : tile->k_steps;
        lines = prefetch(lines, n_lines);
        for (size_t at = k; at < end; at++)
            step_f32(acc, a + at * 4, tile->a_stride,
                     b + at * CLIPC_STRIP_BYTES, rows);
    }
    for (size_t i = 0; i < rows; i++)
        memcpy(c + i * tile->c_stride, acc[i], sizeof acc[i]);
}

INLINE void product_s8(const clipc_tile *tile, size_t strip, size_t rows)
{
    vec_s32 acc[ROWS_S8][VECTORS] = { { { 0 } } };
    const char *a = tile->a;
    const char *b = (const char *)tile->b + strip * tile->b_stride;
    char *c = (char *)tile->c + strip * COLUMNS * sizeof(int32_t);
    const char *lines = tile->prefetch;
    size_t n_lines = strip == 0 ? tile->prefetch_lines : 0;

    for (size_t k = 0; k < tile->k_steps; k += BURST) {
        size_t end = k + BURST < tile->k_steps ? k + BURST : tile->k_steps;
        lines = prefetch(lines, n_lines);
        for (size_t at = k; at < end; at++)
            step_s8(acc, a + at * 4, tile->a_stride,
                    b + at * CLIPC_STRIP_BYTES, rows);
    }
    for (size_t i = 0; i < rows; i++)
        memcpy(c + i * tile->c_stride, acc[i], sizeof acc[i]);
}

#define DEFINE_TILE(name, product, most) \
    static void name(const clipc_tile *tile) \
    { \
        for (size_t strip = 0; strip < tile->strips; strip++) \
            switch (tile->rows) { \
            case 4: product(tile, strip, (most) >= 4 ? 4 : 1); break; \
            case 3: product(tile, strip, (most) >= 3 ? 3 : 1); break; \
            case 2: product(tile, strip, (most) >= 2 ? 2 : 1); break; \
            default: product(tile, strip, 1); \
            } \
    }
DEFINE_TILE(tile_f32, product_f32, ROWS_F32)
DEFINE_TILE(tile_s8, product_s8, ROWS_S8)

/* ---- packing ----------------------------------------------------------- */

static size_t padded(size_t k, size_t unit)
{
    return (k + unit - 1) / unit * unit;
}

/* Inputs [at, at + BLOCK) of all rows, zeros where there are none. */
static void read_block(float block[COLUMNS][BLOCK], const void *const *rows,
                       clipc_storage storage, size_t n_rows, size_t k,
                       size_t at)
{
    size_t n = at >= k ? 0 : k - at < BLOCK ? k - at : BLOCK;

    memset(block, 0, COLUMNS * sizeof block[0]);
    for (size_t i = 0; i < n_rows; i++) {
        const char *row = rows[i];
        uint16_t half[BLOCK] = { 0 };

        if (storage == CLIPC_STORE_F32) {
            memcpy(block[i], row + at * sizeof(float), n * sizeof(float));
            continue;
        }
        memcpy(half, row + at * sizeof half[0], n * sizeof half[0]);
        if (storage == CLIPC_STORE_F16)
            for (size_t j = 0; j < BLOCK; j++)
                block[i][j] = clipc_widen_f16(half[j]);
        else
            for (size_t j = 0; j < BLOCK; j++)
                block[i][j] = clipc_widen_bf16(half[j]);
    }
}

static void pack_f32(float *strip, const void *const *rows,
                     clipc_storage storage, size_t n_rows, size_t k)
{
    float block[COLUMNS][BLOCK];

    for (size_t at = 0; at < k; at += BLOCK) {
        size_t n = k - at < BLOCK ? k - at : BLOCK;
        read_block(block, rows, storage, n_rows, k, at);
        for (size_t j = 0; j < n; j++)
            for (size_t i = 0; i < COLUMNS; i++)
                strip[(at + j) * COLUMNS + i] = block[i][j];
    }
}

static void pack_bf16(uint16_t *strip, const void *const *rows,
                      clipc_storage storage, size_t n_rows, size_t k)
{
    float block[COLUMNS][BLOCK];
    size_t end = padded(k, 32);

    for (size_t at = 0; at < end; at += BLOCK) {
        size_t n = end - at < BLOCK ? end - at : BLOCK;
        read_block(block, rows, storage, n_rows, k, at);
        for (size_t j = 0; j < n; j += 2)
            for (size_t i = 0; i < COLUMNS; i++, strip += 2) {
                strip[0] = clipc_narrow_bf16(block[i][j]);
                strip[1] = clipc_narrow_bf16(block[i][j + 1]);
            }
    }
}

static void pack_f16(uint16_t *strip, const uint16_t *const *rows,
                     size_t n_rows, size_t k)
{
    size_t end = padded(k, 32);

    memset(strip, 0, end * COLUMNS * sizeof *strip);
    for (size_t i = 0; i < n_rows; i++) {
        const char *row = (const char *)rows[i];
        for (size_t j = 0; j < k; j++)
            memcpy(&strip[(j / 2 * COLUMNS + i) * 2 + j % 2],
                   row + j * sizeof *strip, sizeof *strip);
    }
}

/* Bits of |x| grow with |x|; infinity and NaN are above all numbers. */
static uint32_t magnitude_bits(float x)
{
    return clipc_bits_of_float(x) & 0x7FFFFFFFu;
}

/* x to the nearest whole number, ties to even; |x| < 2^22. */
static float round_even(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23 */
    return (x + magic) - magic;
}

static void pack_s8(int8_t *strip, float *scale, int32_t *sums,
                    const void *const *rows, clipc_storage storage,
                    size_t n_rows, size_t k)
{
    float block[COLUMNS][BLOCK];
    uint32_t largest[COLUMNS] = { 0 };
    const uint32_t infinity = 0x7F800000u, nan = 0x7FC00000u;
    bool finite[COLUMNS];

    for (size_t at = 0; at < k; at += BLOCK) {
        read_block(block, rows, storage, n_rows, k, at);
        for (size_t i = 0; i < COLUMNS; i++)
            for (size_t j = 0; j < BLOCK; j++) {
                uint32_t bits = magnitude_bits(block[i][j]);
                largest[i] = bits > largest[i] ? bits : largest[i];
            }
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        finite[i] = largest[i] < infinity;
        scale[i] = clipc_float_of_bits(finite[i] ? largest[i] : nan) / 127.0f;
        if (scale[i] == 0.0f) /* or so small that the quotient is */
            scale[i] = 1.0f;
        sums[i] = 0;
    }
    for (size_t at = 0; at < padded(k, 64); at += BLOCK) {
        read_block(block, rows, storage, n_rows, k, at);
        for (size_t i = 0; i < COLUMNS; i++)
            for (size_t j = 0; j < BLOCK; j++) {
                float q = finite[i] ? round_even(block[i][j] / scale[i]) : 0;
                q = q > 127.0f ? 127.0f : q < -127.0f ? -127.0f : q;
                strip[((at + j) / 4 * COLUMNS + i) * 4 + j % 4] = (int8_t)q;
                sums[i] += 128 * (int32_t)q;
            }
    }
}

static void widen_strip(float *out, const uint16_t *strip,
                        clipc_storage storage, size_t k)
{
    for (size_t j = 0; j < k; j++)
        for (size_t i = 0; i < COLUMNS; i++) {
            uint16_t half = strip[(j / 2 * COLUMNS + i) * 2 + j % 2];
            out[j * COLUMNS + i] = storage == CLIPC_STORE_F16
                                       ? clipc_widen_f16(half)
                                       : clipc_widen_bf16(half);
        }
}

/* ---- table ------------------------------------------------------------- */

void clipc_tiles_init_c(clipc_kernels *kernels)
{
    kernels->f32 = (clipc_tile_kernel){ .name = SHAPE_F32,
                                        .format = CLIPC_OPERAND_F32,
                                        .max_rows = ROWS_F32,
                                        .max_strips = 1,
                                        .run = tile_f32 };
    kernels->bf16 = (clipc_tile_kernel){ .format = CLIPC_OPERAND_BF16 };
    kernels->s8 = (clipc_tile_kernel){ .name = SHAPE_S8,
                                       .format = CLIPC_OPERAND_S8,
                                       .max_rows = ROWS_S8,
                                       .max_strips = 1,
                                       .run = tile_s8 };
    kernels->pack_f32 = pack_f32;
    kernels->pack_bf16 = pack_bf16;
    kernels->pack_f16 = pack_f16;
    kernels->pack_s8 = pack_s8;
    kernels->widen_strip = widen_strip;
}
