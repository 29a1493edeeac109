/* SPDX-License-Identifier: MIT
 *
 * test_split.c - f32 products made of bf16 products, as tiles of AMX would
 * make them (TDPBF16PS, with its order of sums): a number is the sum of three
 * bf16 numbers, and of their nine products the largest three or six count. No
 * kernel does this yet; docs/SPEED.md says what one would take. The test
 * holds how far embeddings move, on the demo model, or on the folder that
 * CLIPC_TEST_MODEL names:
 *
 *     CLIPC_TEST_MODEL=DIR build/release/tests/unit/kernels/test_split
 */
#include "api/objects.h"
#include "kernels/half.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>

enum {
    PARTS = 3,
    COLUMNS = CLIPC_STRIP_COLUMNS,
    DEPTH = 32, /* inputs that one instruction takes */
    ROWS = CLIPC_MAX_TILE_ROWS,
    MAX_K = 1 << 14
};

/* Pairs of parts of the input and of the weight, the smallest products first.
 * A product of part i and part j is 2^-8(i + j) of the whole. */
static const struct pair {
    int input, weight;
} pairs[] = { { 2, 0 }, { 1, 1 }, { 0, 2 }, { 1, 0 }, { 0, 1 }, { 0, 0 } };
enum { N_PAIRS = 6 };

static int n_products; /* 3 or 6 */

static float inputs[PARTS][ROWS][MAX_K], weights[PARTS][MAX_K][COLUMNS];

/* x = parts[0] + parts[1] + parts[2], exactly where no part is subnormal. */
static void split(float x, float parts[PARTS])
{
    for (int i = 0; i < PARTS; i++) {
        parts[i] = clipc_widen_bf16(clipc_narrow_bf16(x));
        x -= parts[i];
    }
}

static void split_tile(const clipc_tile *t, size_t strip)
{
    const float *b = (const float *)(const void *)((const char *)t->b +
                                                   strip * t->b_stride);
    float parts[PARTS];

    for (size_t k = 0; k < t->k_steps; k++) {
        for (size_t row = 0; row < t->rows; row++) {
            const char *a = (const char *)t->a + row * t->a_stride;
            split(((const float *)(const void *)a)[k], parts);
            for (int p = 0; p < PARTS; p++)
                inputs[p][row][k] = parts[p];
        }
        for (size_t column = 0; column < COLUMNS; column++) {
            split(b[k * COLUMNS + column], parts);
            for (int p = 0; p < PARTS; p++)
                weights[p][k][column] = parts[p];
        }
    }
}

/* sums += x w over inputs [begin, end): the even ones and the odd ones are a
 * sum each, from zero, which are added to each other and then to `sums`. A
 * product of bf16 numbers is exact in f32, so that each addition rounds as the
 * instruction's fused one does. */
static void multiply_add(float sums[COLUMNS], const float *x,
                         float (*w)[COLUMNS], size_t begin, size_t end)
{
    float halves[2][COLUMNS] = { { 0 } };

    for (size_t k = begin; k < end; k++)
        for (size_t column = 0; column < COLUMNS; column++)
            halves[(k - begin) % 2][column] += x[k] * w[k][column];
    for (size_t column = 0; column < COLUMNS; column++)
        sums[column] += halves[0][column] + halves[1][column];
}

static void run_split(const clipc_tile *t)
{
    CHECK(t->k_steps <= MAX_K);
    for (size_t strip = 0; strip < t->strips; strip++) {
        split_tile(t, strip);
        for (size_t row = 0; row < t->rows; row++) {
            float sums[COLUMNS] = { 0 };
            for (size_t k = 0; k < t->k_steps; k += DEPTH)
                for (int p = N_PAIRS - n_products; p < N_PAIRS; p++)
                    multiply_add(sums, inputs[pairs[p].input][row],
                                 weights[pairs[p].weight], k,
                                 k + DEPTH < t->k_steps ? k + DEPTH
                                                        : t->k_steps);
            memcpy((char *)t->c + row * t->c_stride + strip * sizeof sums,
                   sums, sizeof sums);
        }
    }
}

/* ---- embeddings -------------------------------------------------------- */

enum { N_PICTURES = 2, N_TEXTS = 4 };

static const clipc_text texts[N_TEXTS] = {
    CLIPC_TEXT("a photo of a red convertible"), CLIPC_TEXT("blue van"),
    CLIPC_TEXT("two white cars in front of an old house by the sea"),
    CLIPC_TEXT("")
};

/* Embeddings of pictures and texts, [N_PICTURES + N_TEXTS, dim]. */
static float *embed(const clipc_model *model, size_t dim, const float *pixels,
                    bool by_parts)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_ctx_params params = clipc_ctx_params_default();
    float *out = calloc((N_PICTURES + N_TEXTS) * dim, sizeof *out);
    clipc_ctx *ctx;

    CHECK(out != NULL);
    params.threads = 1;
    params.gemm = CLIPC_GEMM_NATIVE;
    CHECK_OK(clipc_ctx_create(&ctx, model, &params, &err), err);
    if (by_parts)
        ctx->engine.linear.kernels.f32 = (clipc_tile_kernel){
            .name = "split",
            .format = CLIPC_OPERAND_F32,
            .max_rows = ROWS,
            .max_strips = 1,
            .run = run_split,
        };
    CHECK_OK(clipc_encode_pixels(ctx, pixels, N_PICTURES, out, 0, &err), err);
    CHECK_OK(clipc_encode_texts(ctx, texts, N_TEXTS, out + N_PICTURES * dim, 0,
                                &err),
             err);
    clipc_ctx_free(ctx);
    return out;
}

static float *noise(size_t n)
{
    float *x = malloc(n * sizeof *x);
    uint32_t state = 1;

    CHECK(x != NULL);
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) / 4194304.0f - 2.0f;
    }
    return x;
}

static double largest_difference(const float *a, const float *b, size_t n)
{
    double largest = 0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)a[i] - (double)b[i]));
    return largest;
}

/* Six products stay within half of the bound of float32 embeddings, 2e-6 to the
 * reference. Three do not with twelve layers of width 768, and are clearly
 * worse with the demo model. */
TEST(six_bf16_products_are_f32)
{
    const char *folder = getenv("CLIPC_TEST_MODEL");
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_info info = { .struct_size = sizeof info };
    clipc_model *model;

    CHECK_OK(clipc_model_open(&model, folder ? folder : "weights/demo", NULL,
                              &err),
             err);
    CHECK_OK(clipc_model_get_info(model, &info, &err), err);
    const size_t n = (N_PICTURES + N_TEXTS) * info.dim;
    float *pixels = noise(N_PICTURES * 3 * info.image_size * info.image_size);
    float *want = embed(model, info.dim, pixels, false);
    n_products = 3;
    float *three = embed(model, info.dim, pixels, true);
    n_products = 6;
    float *six = embed(model, info.dim, pixels, true);
    const double off3 = largest_difference(three, want, n);
    const double off6 = largest_difference(six, want, n);
    if (folder)
        printf("# embeddings move by %.2g with three products, %.2g with "
               "six\n",
               off3, off6);
    CHECK_NEAR(off6, 0, 1e-6);
    CHECK(off3 > 4 * off6);
    free(pixels);
    free(want);
    free(three);
    free(six);
    clipc_model_free(model);
}
