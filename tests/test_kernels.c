/* SPDX-License-Identifier: MIT
 *
 * test_kernels.c - every kernel of the table against a double reference. The
 * bounds are stated beside each test; EPS is half a unit in the last place
 * of 1, the error of one rounding.
 */
#include "test.h"

#include "cpu.h"
#include "kernels.h"

#include <float.h>
#include <stdlib.h>

#define EPS 5.97e-8

enum { MAX_N = 1100 };

static const size_t sizes[] = { 1,  2,  3,  4,  5,  7,  8,  9,   15,  16,
                                17, 19, 31, 32, 33, 63, 64, 65,  127, 128,
                                197, 257, 768, 1021 };
#define N_SIZES (sizeof sizes / sizeof sizes[0])

static uint64_t state = 1;

static double uniform(void) /* [-1, 1) */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(int64_t)(state >> 11 << 1) / 9007199254740992.0 - 1;
}

static void fill(float *x, size_t n, double scale)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(uniform() * scale);
}

static clipc_kernels table(void)
{
    clipc_kernels kernels;
    clipc_kernels_init(&kernels, clipc_cpu_features());
    return kernels;
}

static double exact_gelu(double x)
{
    return 0.5 * x * erfc(-x / sqrt(2.0));
}

static double exact_quick_gelu(double x)
{
    return x / (1 + exp(-1.702 * x));
}

TEST(table_is_complete)
{
    clipc_kernels kernels = table();
    CHECK_STR(kernels.name, "c");
    CHECK(kernels.layernorm && kernels.quick_gelu && kernels.gelu);
    CHECK(kernels.add_bias && kernels.add_residual && kernels.scale);
    CHECK(kernels.softmax && kernels.gemm_nt);
}

/* exp within 1.3e-7, its argument rounded (relative error |1.702 x| EPS), an
 * addition and a division. Above -20 the product with the argument's error
 * stays below; further down the result itself is below 1e-13. */
TEST(quick_gelu_is_within_its_bound)
{
    clipc_kernels kernels = table();
    for (double at = -100; at <= 100; at += 0.0137) {
        float x[3] = { (float)at, 0, 0 };
        double want = exact_quick_gelu((double)x[0]);
        kernels.quick_gelu(x, 3);
        CHECK_NEAR((double)x[0], want,
                   fabs(want) * (4e-7 + fabs(at) * 3 * EPS) + 1e-35);
        CHECK(x[1] == 0);
    }
}

/* As kernels.c states it; what is relative to the result is so because the
 * small side is a product, never a difference. */
TEST(gelu_is_within_its_bound)
{
    clipc_kernels kernels = table();
    for (double at = -20; at <= 20; at += 0.00137) {
        float x[3] = { (float)at, 0, 0 };
        double want = exact_gelu((double)x[0]);
        kernels.gelu(x, 3);
        CHECK_NEAR((double)x[0], want, 1.2e-7 * fabs(at));
        if (at >= -3)
            CHECK_NEAR((double)x[0], want,
                       fabs(want) * (at >= 0 ? 2e-7 : 2e-6));
        CHECK(x[1] == 0);
    }
}

TEST(activations_survive_extremes)
{
    clipc_kernels kernels = table();
    float x[8] = { 1e30f, -1e30f, 1e-40f, -1e-40f, FLT_MAX, -FLT_MAX,
                   INFINITY, NAN };
    float y[8];

    memcpy(y, x, sizeof y);
    kernels.quick_gelu(y, 8);
    CHECK(y[0] == 1e30f && y[4] == FLT_MAX && isinf(y[6]) && isnan(y[7]));
    CHECK_NEAR((double)y[1], 0, 1e-7);
    CHECK_NEAR((double)y[5], 0, 10); /* x / e^88 */
    CHECK_NEAR((double)y[2], 5e-41, 1e-44);
    CHECK_NEAR((double)y[3], -5e-41, 1e-44);
    memcpy(y, x, sizeof y);
    kernels.gelu(y, 8);
    CHECK(y[0] == 1e30f && y[4] == FLT_MAX && isnan(y[7]));
    CHECK_NEAR((double)y[2], 5e-41, 1e-44);
    CHECK_NEAR((double)y[3], -5e-41, 1e-44);
}

/* An element's bits do not depend on where it stands. */
TEST(activations_do_not_depend_on_position)
{
    clipc_kernels kernels = table();
    void (*activations[2])(float *, size_t) = { kernels.quick_gelu,
                                                kernels.gelu };
    float x[67], whole[67], single;

    fill(x, 67, 8);
    for (int a = 0; a < 2; a++) {
        for (size_t n = 1; n <= 67; n++) {
            memcpy(whole, x, sizeof x);
            activations[a](whole, n);
            for (size_t i = 0; i < n; i++) {
                single = x[i];
                activations[a](&single, 1);
                CHECK_BYTES(&whole[i], &single, sizeof single);
            }
            CHECK_BYTES(whole + n, x + n, (67 - n) * sizeof *x);
        }
    }
}

TEST(elementwise_kernels_are_exact)
{
    clipc_kernels kernels = table();
    static float x[3 * MAX_N], y[MAX_N], b[MAX_N], z[3 * MAX_N];

    for (size_t s = 0; s < N_SIZES; s++) {
        size_t n = sizes[s];
        fill(x, 3 * n + 1, 10);
        fill(y, n, 10);
        fill(b, n, 10);
        memcpy(z, x, sizeof z);
        kernels.add_bias(z, b, 3, n);
        for (size_t i = 0; i < 3 * n; i++)
            CHECK(z[i] == x[i] + b[i % n]);
        CHECK(z[3 * n] == x[3 * n]);
        memcpy(z, x, sizeof z);
        kernels.add_residual(z, y, b, n);
        for (size_t i = 0; i < n; i++) {
            float part = y[i] + b[i];
            CHECK(z[i] == x[i] + part);
        }
        CHECK(z[n] == x[n]);
        memcpy(z, x, sizeof z);
        kernels.scale(z, 0.3f, n);
        for (size_t i = 0; i < n; i++)
            CHECK(z[i] == x[i] * 0.3f);
        CHECK(z[n] == x[n]);
    }
}

/* Error of y = (x - mean) rstd gain + bias: the mean is within 8 EPS of the
 * largest |x|, rstd within 10 EPS of itself, and four roundings follow. */
static void check_layernorm(size_t n, double offset, double spread, float eps)
{
    clipc_kernels kernels = table();
    static float x[2 * MAX_N], y[2 * MAX_N], gain[MAX_N], bias[MAX_N];

    for (size_t i = 0; i < 2 * n; i++)
        x[i] = (float)(offset + spread * uniform());
    fill(gain, n, 3);
    fill(bias, n, 3);
    kernels.layernorm(y, x, gain, bias, eps, 2, n);
    for (size_t row = 0; row < 2; row++) {
        const float *line = x + row * n;
        double mean = 0, variance = 0, largest = 0;
        for (size_t i = 0; i < n; i++) {
            mean += (double)line[i] / (double)n;
            largest = fmax(largest, fabs((double)line[i]));
        }
        for (size_t i = 0; i < n; i++)
            variance += pow((double)line[i] - mean, 2) / (double)n;
        double rstd = 1 / sqrt(variance + (double)eps);
        for (size_t i = 0; i < n; i++) {
            double unit = ((double)line[i] - mean) * rstd;
            double want = unit * (double)gain[i] + (double)bias[i];
            double bound = (8 * EPS * largest * rstd + 14 * EPS * fabs(unit)) *
                               fabs((double)gain[i]) +
                           2 * EPS * (fabs(want) + fabs((double)bias[i]));
            CHECK_NEAR((double)y[row * n + i], want, bound);
        }
    }
    kernels.layernorm(x, x, gain, bias, eps, 2, n); /* in place */
    CHECK_BYTES(x, y, 2 * n * sizeof *x);
}

TEST(layernorm_is_within_its_bound)
{
    for (size_t s = 0; s < N_SIZES; s++) {
        check_layernorm(sizes[s], 0, 1, 1e-5f);
        check_layernorm(sizes[s], 100, 1, 1e-5f);  /* large mean */
        check_layernorm(sizes[s], 0, 1e-4, 1e-5f); /* eps matters */
        check_layernorm(sizes[s], 0, 1e-41, 1e-5f); /* denormal */
        check_layernorm(sizes[s], 0, 1e15, 1e-5f);
    }
}

TEST(layernorm_of_equal_values_is_the_bias)
{
    clipc_kernels kernels = table();
    float x[21], gain[21], bias[21];

    fill(gain, 21, 1);
    fill(bias, 21, 1);
    for (size_t i = 0; i < 21; i++)
        x[i] = 0.1f;
    kernels.layernorm(x, x, gain, bias, 1e-5f, 1, 21);
    for (size_t i = 0; i < 21; i++)
        CHECK_NEAR((double)x[i], (double)bias[i], 1e-5);
}

TEST(nan_stays_nan)
{
    clipc_kernels kernels = table();
    float gain[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, bias[9] = { 0 };

    for (size_t at = 0; at < 9; at++) {
        float x[9] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, y[9];
        x[at] = NAN;
        kernels.layernorm(y, x, gain, bias, 1e-5f, 1, 9);
        for (size_t i = 0; i < 9; i++)
            CHECK(isnan(y[i]));
        memcpy(y, x, sizeof y);
        kernels.softmax(y, 9);
        for (size_t i = 0; i < 9; i++)
            CHECK(isnan(y[i]));
        float c;
        kernels.gemm_nt(&c, 1, x, 9, gain, 9, 1, 1, 9);
        CHECK(isnan(c));
    }
}

/* The difference to the largest is rounded (EPS of it), exp within 1.3e-7,
 * the sum of n terms within (n / 4 + 4) EPS at worst, a division and a
 * product. */
TEST(softmax_is_within_its_bound)
{
    clipc_kernels kernels = table();
    static float x[MAX_N], y[MAX_N];
    const double spreads[] = { 0, 1e-40, 1, 20, 80, 1000, 1e30 };

    for (size_t s = 0; s < N_SIZES; s++) {
        for (size_t k = 0; k < sizeof spreads / sizeof spreads[0]; k++) {
            size_t n = sizes[s];
            double largest = -INFINITY, total = 0;
            fill(x, n, spreads[k]);
            memcpy(y, x, sizeof y);
            kernels.softmax(y, n);
            for (size_t i = 0; i < n; i++)
                largest = fmax(largest, (double)x[i]);
            for (size_t i = 0; i < n; i++)
                total += exp((double)x[i] - largest);
            for (size_t i = 0; i < n; i++) {
                double below = largest - (double)x[i];
                double want = exp(-below) / total;
                double relative = 2.6e-7 + ((double)n / 4 + 8 + below) * EPS;
                /* exp is clamped at -87.3: 1.2e-38 */
                CHECK_NEAR((double)y[i], want, want * relative + 1.3e-38);
            }
        }
    }
}
