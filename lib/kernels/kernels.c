/* SPDX-License-Identifier: MIT
 *
 * kernels.c - the C kernels for rows of activations, on vectors of four floats.
 * gcc and clang map such a vector to an SSE2 or NEON register, and to scalars
 * on other machines. tiles.c has the matrix products.
 *
 * Sums run in a fixed number of lanes: lane l of a sum takes the elements
 * whose index is l modulo the number of lanes, in increasing order. The lanes
 * are added pairwise at the end. A row that ends inside a vector is continued
 * with zeros. So the order of a sum depends on its length only, never on where
 * a tile or a thread begins.
 *
 * Compiled with -ffp-contract=off: every operation here rounds once.
 */
#include "kernels/kernels.h"

#include "kernels/half.h"
#include "kernels/inline.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { LANES = 4 };

typedef float vec __attribute__((vector_size(16)));
typedef uint32_t vec_bits __attribute__((vector_size(16)));
typedef int32_t vec_int __attribute__((vector_size(16)));

INLINE vec load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, vec v)
{
    memcpy(p, &v, sizeof v);
}

/* The first n < LANES elements, zeros behind. */
INLINE vec load_part(const float *p, size_t n)
{
    vec v = { 0 };
    memcpy(&v, p, n * sizeof *p);
    return v;
}

INLINE void store_part(float *p, vec v, size_t n)
{
    memcpy(p, &v, n * sizeof *p);
}

INLINE vec splat(float x)
{
    return (vec){ x, x, x, x };
}

INLINE vec_int load_int(const int32_t *p, size_t n)
{
    vec_int v = { 0 };
    memcpy(&v, p, n * sizeof *p);
    return v;
}

INLINE float sum(vec v)
{
    return (v[0] + v[1]) + (v[2] + v[3]);
}

/* mask ? a : b, mask all ones or all zeros in each lane. */
INLINE vec choose(vec_bits mask, vec a, vec b)
{
    return (vec)((mask & (vec_bits)a) | (~mask & (vec_bits)b));
}

/* Where a or b is NaN the result is b: pass the number whose NaN must stay as
 * b. */
INLINE vec smaller(vec a, vec b)
{
    return choose((vec_bits)(a < b), a, b);
}

INLINE vec larger(vec a, vec b)
{
    return choose((vec_bits)(a > b), a, b);
}

/* ---- exponential ------------------------------------------------------- */

/* exp(x) = 2^n exp(r), n = round(x / ln 2), r = x - n ln 2 with ln 2 in two
 * parts, |r| <= ln(2) / 2; exp(r) = 1 + r + r^2 q(r), q a minimax polynomial
 * of degree 4 (relative error 3.1e-9). x is clamped to [-87.3, 88.3], where
 * 2^n is a normal float. Relative error in that range: below 1.3e-7. */
INLINE vec exp4(vec x)
{
    const vec round = splat(12582912.0f); /* 1.5 * 2^23: ulp 1 */

    x = larger(splat(-87.3f), smaller(splat(88.3f), x));
    vec shifted = x * splat(1.44269504f) + round;
    vec n = shifted - round;
    vec r = (x - n * splat(0.693359375f)) - n * splat(-2.12194440e-4f);
    vec q = splat(1.38145386e-3f);
    q = q * r + splat(8.36874515e-3f);
    q = q * r + splat(4.16683908e-2f);
    q = q * r + splat(1.66665204e-1f);
    q = q * r + splat(4.99999934e-1f);
    vec e = (q * (r * r) + r) + splat(1.0f);
    /* The low bits of `shifted` are n, which becomes the exponent. */
    vec_bits power = ((vec_bits)shifted << 23) + (127u << 23);
    return e * (vec)power;
}

/* ---- activations ------------------------------------------------------- */

INLINE vec quick_gelu4(vec x)
{
    return x / (splat(1.0f) + exp4(x * splat(-1.702f)));
}

/* x (1 + tanh(u)) / 2 = x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715
 * x^3). So the small side is a quotient, never a difference. The exponent is
 * that of x clamped to [-10, 10], where exp(-2 u) reaches e^87. Relative error:
 * below 4e-7 + 5 EPS |2 u| where -10 <= x; for x < -10 the result is x e^-87
 * instead of a smaller number. */
INLINE vec gelu_tanh4(vec x)
{
    vec t = larger(splat(-10.0f), smaller(splat(10.0f), x));
    vec slope = t * t * splat(-7.13548163e-2f) + splat(-1.59576912f);
    return x / (splat(1.0f) + exp4(t * slope));
}

/* gelu(x) = x * Phi(x), Phi the normal distribution. With t = |x|:
 * Phi(-t) = exp(-p(t)), p(t) = -log(erfc(t / sqrt 2) / 2), a smooth function
 * approximated by a polynomial of degree 9 on [0, 6]. Beyond 6, Phi(-t) is
 * below 1e-9 and p(6) is used. Coefficients: minimax, weighted by t exp(-p(t)).
 * The error is below 1.2e-7 |x|. The error relative to the result is below 2e-7
 * for x >= 0 and below 2e-6 for x >= -3. */
INLINE vec gelu4(vec x)
{
    const vec zero = { 0 };
    vec_bits negative = (vec_bits)(x < zero);
    vec t = choose(negative, zero - x, x);
    t = smaller(splat(6.0f), t);
    vec p = splat(-1.49713729e-7f);
    p = p * t + splat(3.44605737e-6f);
    p = p * t + splat(-3.1844375e-5f);
    p = p * t + splat(1.29643953e-4f);
    p = p * t + splat(1.1913659e-4f);
    p = p * t + splat(-4.94814331e-3f);
    p = p * t + splat(3.64336124e-2f);
    p = p * t + splat(3.1828098e-1f);
    p = p * t + splat(7.97887829e-1f);
    p = p * t + splat(6.93147121e-1f);
    vec tail = x * exp4(zero - p);
    return choose(negative, tail, x - tail);
}

/* ---- finish: after a product ------------------------------------------- */

/* Nearest bf16, ties to even, in the upper halves; NaN stays NaN. */
INLINE vec_bits to_bf16(vec v)
{
    vec_bits bits = (vec_bits)v;
    vec_bits is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
    vec_bits rounded = bits + 0x7FFFu + (bits >> 16 & 1u);
    return ((rounded & ~is_nan) | ((bits | 0x00400000u) & is_nan)) &
           0xFFFF0000u;
}

INLINE void store_bf16(uint16_t *p, vec v, size_t n)
{
    vec_bits bits = to_bf16(v);
    uint16_t half[LANES];
    for (size_t i = 0; i < LANES; i++)
        half[i] = (uint16_t)(bits[i] >> 16);
    memcpy(p, half, n * sizeof *half);
}

INLINE void finish_store(const clipc_finish *finish, unsigned char *out, vec v,
                         size_t n)
{
    if (finish->format == CLIPC_OPERAND_BF16) {
        store_bf16((uint16_t *)(void *)out, v, n);
        return;
    }
    if (finish->format == CLIPC_OPERAND_F32_BF16)
        v = (vec)to_bf16(v);
    else if (finish->add)
        v = load_part((const float *)(const void *)out, n) + v;
    store_part((float *)(void *)out, v, n);
}

/* At most LANES columns of all rows of a tile. A bias of -0 and a scale of 1
 * change no bit. */
INLINE void finish_columns(const clipc_finish *finish, const void *acc,
                           size_t acc_stride, size_t row, size_t n_rows,
                           size_t column, size_t n, const bool is_s8,
                           const clipc_finish_op op)
{
    const size_t size = finish->format == CLIPC_OPERAND_BF16 ? 2 : 4;
    unsigned char *out = (unsigned char *)finish->out +
                         row * finish->out_stride + column * size;
    const vec bias = finish->bias ? load_part(finish->bias + column, n)
                                  : splat(-0.0f);
    const vec scale = splat(finish->scale);
    vec column_scale = { 0 };
    vec_int sums = { 0 };

    if (is_s8) {
        column_scale = load_part(finish->column_scale + column, n);
        if (finish->column_sums)
            sums = load_int(finish->column_sums + column, n);
    }
    for (size_t i = 0; i < n_rows; i++, out += finish->out_stride) {
        vec v;
        if (is_s8) {
            vec_int a = load_int((const int32_t *)acc + i * acc_stride, n);
            a = (vec_int)((vec_bits)a - (vec_bits)sums); /* may wrap */
            v = __builtin_convertvector(a, vec) *
                (splat(finish->row_scale[row + i]) * column_scale);
        } else {
            v = load_part((const float *)acc + i * acc_stride, n);
        }
        v = (v + bias) * scale;
        if (op == CLIPC_FINISH_QUICK_GELU)
            v = quick_gelu4(v);
        else if (op == CLIPC_FINISH_GELU)
            v = gelu4(v);
        else if (op == CLIPC_FINISH_GELU_TANH)
            v = gelu_tanh4(v);
        finish_store(finish, out, v, n);
    }
}

INLINE void finish_tile(const clipc_finish *finish, const void *acc,
                        size_t acc_stride, size_t row, size_t n_rows,
                        size_t column, size_t n_columns, const bool is_s8,
                        const clipc_finish_op op)
{
    const size_t end = column + n_columns;
    const unsigned char *a = acc;

    for (; column + LANES <= end; column += LANES, a += LANES * 4)
        finish_columns(finish, a, acc_stride, row, n_rows, column, LANES,
                       is_s8, op);
    if (column < end)
        finish_columns(finish, a, acc_stride, row, n_rows, column,
                       end - column, is_s8, op);
}

INLINE void finish_any(const clipc_finish *finish, const void *acc,
                       size_t acc_stride, size_t row, size_t n_rows,
                       size_t column, size_t n_columns, const bool is_s8)
{
    if (finish->op == CLIPC_FINISH_QUICK_GELU)
        finish_tile(finish, acc, acc_stride, row, n_rows, column, n_columns,
                    is_s8, CLIPC_FINISH_QUICK_GELU);
    else if (finish->op == CLIPC_FINISH_GELU)
        finish_tile(finish, acc, acc_stride, row, n_rows, column, n_columns,
                    is_s8, CLIPC_FINISH_GELU);
    else if (finish->op == CLIPC_FINISH_GELU_TANH)
        finish_tile(finish, acc, acc_stride, row, n_rows, column, n_columns,
                    is_s8, CLIPC_FINISH_GELU_TANH);
    else
        finish_tile(finish, acc, acc_stride, row, n_rows, column, n_columns,
                    is_s8, CLIPC_FINISH_NONE);
}

static void finish_f32(const clipc_finish *finish, const float *acc,
                       size_t acc_stride, size_t row, size_t n_rows,
                       size_t column, size_t n_columns)
{
    finish_any(finish, acc, acc_stride, row, n_rows, column, n_columns, false);
}

static void finish_s8(const clipc_finish *finish, const int32_t *acc,
                      size_t acc_stride, size_t row, size_t n_rows,
                      size_t column, size_t n_columns)
{
    finish_any(finish, acc, acc_stride, row, n_rows, column, n_columns, true);
}

/* ---- rows in operand formats ------------------------------------------- */

static void row_bf16(uint16_t *out, const float *x, size_t n, size_t n_padded)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store_bf16(out + i, load(x + i), LANES);
    for (; i < n; i++)
        out[i] = clipc_narrow_bf16(x[i]);
    memset(out + n, 0, (n_padded - n) * sizeof *out);
}

static void row_f32_bf16(float *out, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(out + i, (vec)to_bf16(load(x + i)));
    if (i < n)
        store_part(out + i, (vec)to_bf16(load_part(x + i, n - i)), n - i);
}

/* The bits of the largest |x|. As integers, the bits order like the numbers,
 * with infinity and NaN above all. */
static uint32_t row_absmax(const float *x, size_t n)
{
    vec_int highest = { 0 };
    size_t i = 0;
    for (; i < n; i += LANES) {
        vec v = i + LANES <= n ? load(x + i) : load_part(x + i, n - i);
        vec_int bits = (vec_int)v & 0x7FFFFFFF;
        vec_int more = bits > highest;
        highest = (bits & more) | (highest & ~more);
    }
    int32_t max = highest[0];
    for (int lane = 1; lane < LANES; lane++)
        max = highest[lane] > max ? highest[lane] : max;
    return (uint32_t)max;
}

/* x * (1 / scale) is at most 127 (1 + 3 EPS), which rounds to 127, so no
 * number needs clamping. Adding 1.5 * 2^23 rounds to nearest even; the
 * low byte is then the number. A row whose scale would be subnormal counts as
 * zero. */
INLINE void row_bytes(uint8_t *out, float *scale, const float *x, size_t n,
                      size_t n_padded, const unsigned offset)
{
    const vec round = splat(12582912.0f);
    uint32_t max = row_absmax(x, n);
    float s = clipc_float_of_bits(max) / 127.0f;
    size_t i = 0;

    if (max >= 0x7F800000u || s < FLT_MIN) {
        *scale = max >= 0x7F800000u ? NAN : 1.0f;
        memset(out, (int)offset, n_padded);
        return;
    }
    *scale = s;
    const vec inverse = splat(1.0f / s);
    for (; i < n; i += LANES) {
        size_t count = n - i < LANES ? n - i : LANES;
        vec v = count == LANES ? load(x + i) : load_part(x + i, count);
        vec_bits q = (vec_bits)(v * inverse + round) + offset;
        for (size_t lane = 0; lane < count; lane++)
            out[i + lane] = (uint8_t)q[lane];
    }
    memset(out + n, (int)offset, n_padded - n);
}

static void row_s8(void *out, float *scale, const float *x, size_t n,
                   size_t n_padded)
{
    row_bytes(out, scale, x, n, n_padded, 0);
}

static void row_u8(void *out, float *scale, const float *x, size_t n,
                   size_t n_padded)
{
    row_bytes(out, scale, x, n, n_padded, 128);
}

void clipc_widen(float *out, const void *in, clipc_storage storage, size_t n)
{
    const unsigned char *bytes = in; /* at any address */
    uint16_t half;

    if (storage == CLIPC_STORE_F32) {
        memcpy(out, in, n * sizeof *out);
        return;
    }
    if (storage == CLIPC_STORE_S8) {
        for (size_t i = 0; i < n; i++)
            out[i] = (float)(int8_t)bytes[i];
        return;
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(&half, bytes + i * sizeof half, sizeof half);
        out[i] = storage == CLIPC_STORE_BF16 ? clipc_widen_bf16(half)
                                             : clipc_widen_f16(half);
    }
}

/* ---- rows -------------------------------------------------------------- */

static void add(float *x, const float *y, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(x + i, load(x + i) + load(y + i));
    for (; i < n; i++)
        x[i] += y[i];
}

/* Sum of (x[i] - shift)^power, power 1 or 2, in 4 x LANES lanes. */
INLINE float row_sum(const float *x, float shift, int power, size_t n)
{
    vec lanes[4] = { { 0 }, { 0 }, { 0 }, { 0 } };
    const vec s = splat(shift);
    size_t i = 0;

#define TERM(v) (power == 2 ? (v) * (v) : (v))
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        vec v0 = load(x + i) - s;
        vec v1 = load(x + i + LANES) - s;
        vec v2 = load(x + i + 2 * LANES) - s;
        vec v3 = load(x + i + 3 * LANES) - s;
        lanes[0] += TERM(v0);
        lanes[1] += TERM(v1);
        lanes[2] += TERM(v2);
        lanes[3] += TERM(v3);
    }
    for (; i + LANES <= n; i += LANES) {
        vec v = load(x + i) - s;
        lanes[0] += TERM(v);
    }
    if (i < n) {
        /* Continue the row with the shift: x - shift is then 0. */
        float rest[LANES] = { shift, shift, shift, shift };
        memcpy(rest, x + i, (n - i) * sizeof *x);
        vec v = load(rest) - s;
        lanes[1] += TERM(v);
    }
#undef TERM
    return sum((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]));
}

/* Two passes: the mean, then the squares around the mean. The result stays
 * accurate where the mean is large. The sums have 16 lanes, so a mean is within
 * 1e-6 of the largest |x|. */
static void layernorm(float *y, const float *x, const float *gain,
                      const float *bias, float eps, size_t width)
{
    float mean = row_sum(x, 0.0f, 1, width) / (float)width;
    float variance = row_sum(x, mean, 2, width) / (float)width;
    float rstd = 1.0f / sqrtf(variance + eps);
    const vec m = splat(mean), r = splat(rstd);
    size_t i = 0;

    for (; i + LANES <= width; i += LANES)
        store(y + i, (load(x + i) - m) * r * load(gain + i) + load(bias + i));
    for (; i < width; i++)
        y[i] = (x[i] - mean) * rstd * gain[i] + bias[i];
}

static void softmax(float *x, size_t n)
{
    vec highest = splat(-FLT_MAX), total = { 0 };
    size_t i;

    for (i = 0; i + LANES <= n; i += LANES)
        highest = larger(load(x + i), highest);
    float max = highest[0];
    for (int lane = 1; lane < LANES; lane++)
        max = highest[lane] > max ? highest[lane] : max;
    for (; i < n; i++)
        max = x[i] > max ? x[i] : max;

    const vec m = splat(max);
    for (i = 0; i + LANES <= n; i += LANES) {
        vec e = exp4(load(x + i) - m);
        store(x + i, e);
        total += e;
    }
    if (i < n) {
        vec e = exp4(load_part(x + i, n - i) - m);
        store_part(x + i, e, n - i);
        total += load_part(x + i, n - i);
    }
    const float inverse = 1.0f / sum(total);
    for (i = 0; i + LANES <= n; i += LANES)
        store(x + i, load(x + i) * splat(inverse));
    for (; i < n; i++)
        x[i] *= inverse;
}

/* ---- the table --------------------------------------------------------- */

void clipc_rows_init_c(clipc_kernels *kernels)
{
    *kernels = (clipc_kernels){
        .name = "c",
        .finish_f32 = finish_f32,
        .finish_s8 = finish_s8,
        .layernorm = layernorm,
        .row_bf16 = row_bf16,
        .row_f32_bf16 = row_f32_bf16,
        .row_s8 = row_s8,
        .row_u8 = row_u8,
        .widen = clipc_widen,
        .add = add,
        .softmax = softmax,
    };
}
