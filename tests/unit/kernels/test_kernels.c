/* SPDX-License-Identifier: MIT
 *
 * test_kernels.c - rows of activations and the steps after a product, on every
 * instruction set of this CPU. The bounds are stated beside each test; EPS is
 * half a unit in the last place of 1, the error of one rounding. All arrays
 * end at an unmapped page (see guarded()) and have no particular alignment.
 * Bytes before an array must not change.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "base/cpu.h"
#include "kernels/half.h"
#include "kernels/kernels.h"
#include "support/test.h"
#include "kernels/dispatch.h"

#include <float.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EPS 5.97e-8

enum { MAX_N = 4310 };

static const size_t sizes[] = {
    1,   2,   3,   4,    5,    7,    8,    9,    15,   16,  17,  19,  31,
    32,  33,  47,  48,   49,   50,   63,   64,   65,   72,  77,  95,  96,
    97,  127, 128, 129,  191,  192,  193,  196,  197,  255, 256, 257, 512,
    577, 729, 768, 1021, 1024, 1152, 1280, 1664, 3072, 4304
};
#define N_SIZES (sizeof sizes / sizeof sizes[0])

/* ---- instruction sets -------------------------------------------------- */

static const struct level {
    const char *name;
    unsigned features; /* may use */
    unsigned needs;
} levels[] = {
    { "c", 0, 0 },
#if defined(__x86_64__)
    { "avx2", CLIPC_CPU_HAS_AVX2, CLIPC_CPU_HAS_AVX2 },
    { "avx512", CLIPC_CPU_HAS_AVX2 | CLIPC_CPU_HAS_AVX512,
      CLIPC_CPU_HAS_AVX512 },
    { "avx512", ~(CLIPC_CPU_HAS_AMX_INT8 | CLIPC_CPU_HAS_AMX_BF16),
      CLIPC_CPU_HAS_VNNI },
    { "amx", ~0u, CLIPC_CPU_HAS_AMX_INT8 },
#elif defined(__aarch64__)
    { "neon", CLIPC_CPU_HAS_NEON, CLIPC_CPU_HAS_NEON },
#endif
};
#define N_LEVELS (sizeof levels / sizeof levels[0])

/* The table of level `*at` or the next one that this CPU has; false at the
 * end. */
static bool next_table(clipc_kernels *kernels, size_t *at)
{
    const unsigned all = clipc_cpu_features();
    for (; *at < N_LEVELS; (*at)++) {
        if ((all & levels[*at].needs) != levels[*at].needs)
            continue;
        clipc_kernels_init(kernels, all & levels[*at].features);
        (*at)++;
        return true;
    }
    return false;
}

/* One test for each instruction set. */
#define FOR_EACH_TABLE(k) \
    clipc_kernels k; \
    for (size_t level_ = 0; next_table(&k, &level_);)

/* ---- numbers and memory ------------------------------------------------ */

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

enum { ROOM = 1 << 20, N_SLOTS = 8, CANARY = 0xA5, BEHIND = 0xFF };

static sigjmp_buf after_fault;

static void on_fault(int signal)
{
    (void)signal;
    siglongjmp(after_fault, 1);
}

/* Whether op(p) ends in SIGSEGV. */
static bool faults(void (*op)(float *p), float *p)
{
    struct sigaction ours = { .sa_handler = on_fault }, before;
    volatile bool fault = true; /* kept over siglongjmp */

    CHECK_INT(sigaction(SIGSEGV, &ours, &before), 0);
    if (sigsetjmp(after_fault, 1) == 0) {
        op(p);
        fault = false;
    }
    CHECK_INT(sigaction(SIGSEGV, &before, NULL), 0);
    return fault;
}

static unsigned char *room_and_page(size_t *page)
{
    *page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *map = mmap(NULL, ROOM + *page, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    return map;
}

static void layernorm_of_one(float *p)
{
    FOR_EACH_TABLE (k)
        k.layernorm(p, p, p, p, 1, 1);
}

/* qemu-x86_64 7.2 reads all elements of a masked load, masked ones too, and
 * faults where one is unmapped. Processors do not. */
static bool faults_behind_masked_loads(void)
{
    static enum { UNKNOWN, NO, YES } answer;

    if (answer == UNKNOWN && emulated()) {
        size_t page;
        unsigned char *map = room_and_page(&page);
        CHECK_INT(mprotect(map + ROOM, page, PROT_NONE), 0);
        float *last = (float *)(void *)(map + ROOM) - 1;
        answer = faults(layernorm_of_one, last) ? YES : NO;
        munmap(map, ROOM + page);
    }
    return answer == YES;
}

/* The last n_bytes of a slot, before an unmapped page; CANARY fills the bytes
 * before them. Where masked loads fault beside an unmapped page, the page is
 * mapped and filled with BEHIND, NaN as floats, and must not change. */
static void *guarded(int slot, size_t n_bytes)
{
    static unsigned char *maps[N_SLOTS];
    static size_t page;
    const bool mapped = faults_behind_masked_loads();

    if (!maps[slot]) {
        maps[slot] = room_and_page(&page);
        if (mapped)
            memset(maps[slot] + ROOM, BEHIND, page);
        else
            CHECK_INT(mprotect(maps[slot] + ROOM, page, PROT_NONE), 0);
    }
    for (size_t i = 0; mapped && i < page; i++)
        CHECK_INT(maps[slot][ROOM + i], BEHIND);
    CHECK(n_bytes + 128 <= ROOM);
    unsigned char *p = maps[slot] + ROOM - n_bytes;
    memset(p - 128, CANARY, 128);
    return p;
}

static float *floats(int slot, size_t n)
{
    return guarded(slot, n * sizeof(float));
}

static void check_canary(const void *array)
{
    const unsigned char *p = array;
    for (int i = 1; i <= 128; i++)
        CHECK_INT(p[-i], CANARY);
}

static double exact_gelu(double x)
{
    return 0.5 * x * erfc(-x / sqrt(2.0));
}

static double exact_quick_gelu(double x)
{
    return x / (1 + exp(-1.702 * x));
}

/* Twice sqrt(2 / pi) (x + 0.044715 x^3), the argument of tanh. */
static double twice_tanh_argument(double x)
{
    return 2 * sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x);
}

/* x (1 + tanh(u)) / 2 without the sum, which cancels where x < 0. */
static double exact_gelu_tanh(double x)
{
    return x / (1 + exp(-twice_tanh_argument(x)));
}

static void read_behind(float *p)
{
    volatile float x = p[1];
    (void)x;
}

TEST(memory_behind_arrays_is_unmapped)
{
    if (faults_behind_masked_loads())
        SKIP("this emulator faults on masked loads beside unmapped memory "
             "(qemu-x86_64 7.2 does)");
    /* valgrind would count the read among our errors. */
    CHECK(emulated() || faults(read_behind, floats(0, 1)));
}

TEST(every_instruction_set_is_here)
{
    size_t n = 0, at = 0;
    clipc_kernels kernels;

    while (next_table(&kernels, &at)) {
        CHECK_STR(kernels.name, levels[at - 1].name);
        CHECK(kernels.finish_f32 && kernels.finish_s8 && kernels.layernorm);
        CHECK(kernels.row_bf16 && kernels.row_f32_bf16 && kernels.row_s8);
        CHECK(kernels.row_u8 && kernels.widen && kernels.add);
        CHECK(kernels.softmax && kernels.dot && kernels.dot_squares &&
              kernels.sum_squares && kernels.f32.run);
        CHECK(kernels.s8.run && kernels.pack_f32 && kernels.pack_s8);
        n++;
    }
    if (n < N_LEVELS)
        SKIP("this CPU has %zu of %zu instruction sets", n, N_LEVELS);
}

/* ---- activations ------------------------------------------------------- */

/* op(x[0..n)) in place, through finish_f32. */
static void apply(const clipc_kernels *kernels, clipc_finish_op op, float *x,
                  size_t n)
{
    clipc_finish finish = { .scale = 1.0f,
                            .op = op,
                            .format = CLIPC_OPERAND_F32,
                            .out = x,
                            .out_stride = n * sizeof *x };
    kernels->finish_f32(&finish, x, n, 0, 1, 0, n);
}

/* op(at), computed in a row with two other numbers. */
static double applied(const clipc_kernels *kernels, clipc_finish_op op,
                      float at)
{
    float *x = floats(0, 3);
    x[0] = at;
    x[1] = 0;
    x[2] = -0.5f;
    apply(kernels, op, x, 3);
    CHECK(x[1] == 0);
    return (double)x[0];
}

/* exp within 2e-7, the exponent rounded once (|x| * 3 EPS), a sum and a
 * quotient; below 1e-35 e^88 is not passed. */
TEST(quick_gelu_is_within_its_bound)
{
    FOR_EACH_TABLE (kernels) {
        for (double at = -100; at <= 100; at += 0.0037) {
            double want = exact_quick_gelu((double)(float)at);
            CHECK_NEAR(applied(&kernels, CLIPC_FINISH_QUICK_GELU, (float)at),
                       want, fabs(want) * (4e-7 + fabs(at) * 3 * EPS) + 1e-35);
        }
    }
}

/* The bounds that kernels.c states. The small side is a product, never a
 * difference: so its bound is relative to the result. */
TEST(gelu_is_within_its_bound)
{
    FOR_EACH_TABLE (kernels) {
        for (double at = -20; at <= 20; at += 0.00137) {
            double want = exact_gelu((double)(float)at);
            double got = applied(&kernels, CLIPC_FINISH_GELU, (float)at);
            CHECK_NEAR(got, want, 1.2e-7 * fabs(at));
            if (at >= -3)
                CHECK_NEAR(got, want, fabs(want) * (at >= 0 ? 2e-7 : 2e-6));
        }
    }
}

/* exp within 2e-7, the exponent within 5 EPS of itself, a sum and a quotient.
 * Below -10 the result is at most x e^-87. The absolute bound is against the
 * definition, whose sum cancels where x < 0. */
static void check_gelu_tanh(const clipc_kernels *kernels, float at)
{
    const double x = (double)at, u = twice_tanh_argument(x) / 2;
    const double want = exact_gelu_tanh(x);
    const double got = applied(kernels, CLIPC_FINISH_GELU_TANH, at);
    const double tail = x < -10 ? fabs(x) * 2e-38 : 1e-44;

    CHECK_NEAR(got, want, fabs(want) * (4e-7 + 5 * EPS * fabs(2 * u)) + tail);
    CHECK_NEAR(got, 0.5 * x * (1 + tanh(u)), 2.5e-7 * fabs(x) + tail);
    if (x >= 0)
        CHECK_NEAR(got, want, fabs(want) * 4e-7 + tail);
}

TEST(gelu_tanh_is_within_its_bound)
{
    const char *runner = getenv("RUNNER");
    const bool slow = runner && strcmp(runner, "bochs") == 0;
    const double step = slow ? 0.00137 : 0.000137;
    /* Every 4,099th float, of both signs; in Bochs every 40,009th. */
    const uint32_t next = slow ? 40009 : 4099;

    FOR_EACH_TABLE (kernels) {
        for (double at = -20; at <= 20; at += step)
            check_gelu_tanh(&kernels, (float)at);
        for (uint32_t bits = 0; bits < 0x7F800000u; bits += next) {
            check_gelu_tanh(&kernels, clipc_float_of_bits(bits));
            check_gelu_tanh(&kernels, clipc_float_of_bits(bits | 0x80000000u));
        }
    }
}

TEST(activations_survive_extremes)
{
    const float x[8] = { 1e30f,   -1e30f,   1e-40f,   -1e-40f,
                         FLT_MAX, -FLT_MAX, INFINITY, NAN };
    FOR_EACH_TABLE (kernels) {
        float *y = floats(0, 8);
        memcpy(y, x, sizeof x);
        apply(&kernels, CLIPC_FINISH_QUICK_GELU, y, 8);
        CHECK(y[0] == 1e30f && y[4] == FLT_MAX && isinf(y[6]) && isnan(y[7]));
        CHECK_NEAR((double)y[1], 0, 1e-7);
        CHECK_NEAR((double)y[5], 0, 10); /* x / e^88 */
        CHECK_NEAR((double)y[2], 5e-41, 1e-44);
        CHECK_NEAR((double)y[3], -5e-41, 1e-44);
        memcpy(y, x, sizeof x);
        apply(&kernels, CLIPC_FINISH_GELU, y, 8);
        CHECK(y[0] == 1e30f && y[4] == FLT_MAX && isnan(y[7]));
        CHECK_NEAR((double)y[2], 5e-41, 1e-44);
        CHECK_NEAR((double)y[3], -5e-41, 1e-44);
        memcpy(y, x, sizeof x);
        apply(&kernels, CLIPC_FINISH_GELU_TANH, y, 8);
        CHECK(y[0] == 1e30f && y[4] == FLT_MAX && isinf(y[6]) && isnan(y[7]));
        CHECK_NEAR((double)y[1], 0, 2e-8);
        CHECK_NEAR((double)y[5], 0, 10); /* x / e^87 */
        CHECK_NEAR((double)y[2], 5e-41, 1e-44);
        CHECK_NEAR((double)y[3], -5e-41, 1e-44);
        /* tanh(-inf) is -1: the reference's product 0 * inf is a NaN, and no
         * finite number may hide the infinity. */
        y[0] = -INFINITY;
        apply(&kernels, CLIPC_FINISH_GELU_TANH, y, 1);
        CHECK(!isfinite(y[0]));
    }
}

/* An element's bits do not depend on the place of the element. */
TEST(activations_do_not_depend_on_position)
{
    const clipc_finish_op ops[3] = { CLIPC_FINISH_QUICK_GELU,
                                     CLIPC_FINISH_GELU,
                                     CLIPC_FINISH_GELU_TANH };
    float x[67];

    fill(x, 67, 8);
    FOR_EACH_TABLE (kernels) {
        for (int a = 0; a < 3; a++) {
            for (size_t n = 1; n <= 67; n++) {
                float *whole = floats(0, n);
                memcpy(whole, x, n * sizeof *x);
                apply(&kernels, ops[a], whole, n);
                check_canary(whole);
                for (size_t i = 0; i < n; i++) {
                    float single = x[i];
                    apply(&kernels, ops[a], &single, 1);
                    CHECK_BYTES(&whole[i], &single, sizeof single);
                }
            }
        }
    }
}

/* ---- steps after a product --------------------------------------------- */

enum { OUT_ROWS = 37, OUT_COLUMNS = 150 };

/* A tile of a product and its finish without the activation: the operations
 * in the order of kernels.h, each rounded once. */
typedef struct finish_case {
    clipc_finish finish;
    bool is_s8;
    size_t row, n_rows, column, n_columns;
    size_t acc_stride;
    void *acc;
} finish_case;

static float linear(const finish_case *c, size_t t, size_t n)
{
    const clipc_finish *finish = &c->finish;
    size_t at = t * c->acc_stride + n, column = c->column + n;
    float v;

    if (c->is_s8) {
        int32_t exact = ((int32_t *)c->acc)[at];
        if (finish->column_sums)
            exact -= finish->column_sums[column];
        float scale = finish->row_scale[c->row + t] *
                      finish->column_scale[column];
        v = (float)exact * scale;
    } else {
        v = ((float *)c->acc)[at];
    }
    if (finish->bias)
        v += finish->bias[column];
    v *= finish->scale;
    return v;
}

/* The bits that belong at `before`. */
static uint32_t wanted(const clipc_finish *finish, float v, uint32_t before)
{
    if (finish->format == CLIPC_OPERAND_BF16)
        return clipc_narrow_bf16(v);
    if (finish->format == CLIPC_OPERAND_F32_BF16)
        return (uint32_t)clipc_narrow_bf16(v) << 16;
    if (finish->add)
        v = clipc_float_of_bits(before) + v;
    return clipc_bits_of_float(v);
}

static void check_finish(const clipc_kernels *kernels, finish_case *c)
{
    clipc_finish *finish = &c->finish;
    const size_t size = finish->format == CLIPC_OPERAND_BF16 ? 2 : 4;
    const size_t stride = (c->column + c->n_columns) * size;
    const size_t n_bytes = stride * (c->row + c->n_rows);
    unsigned char *out = guarded(1, n_bytes);
    static unsigned char before[OUT_ROWS * OUT_COLUMNS * 4];

    for (size_t i = 0; i < n_bytes / size; i++) {
        float old = (float)uniform();
        memcpy(before + i * size, &old, size);
    }
    memcpy(out, before, n_bytes);
    finish->out = out;
    finish->out_stride = stride;
    if (c->is_s8)
        kernels->finish_s8(finish, c->acc, c->acc_stride, c->row, c->n_rows,
                           c->column, c->n_columns);
    else
        kernels->finish_f32(finish, c->acc, c->acc_stride, c->row, c->n_rows,
                            c->column, c->n_columns);
    check_canary(out);
    CHECK_BYTES(out, before, c->row * stride);
    for (size_t t = 0; t < c->n_rows; t++) {
        size_t at = (c->row + t) * stride;
        CHECK_BYTES(out + at, before + at, c->column * size);
        for (size_t n = 0; n < c->n_columns; n++) {
            uint32_t old = 0, got = 0;
            size_t element = at + (c->column + n) * size;
            memcpy(&old, before + element, size);
            memcpy(&got, out + element, size);
            float v = linear(c, t, n);
            if (finish->op != CLIPC_FINISH_NONE)
                apply(kernels, finish->op, &v, 1);
            CHECK_INT(got, wanted(finish, v, old));
        }
    }
}

static void fill_case(finish_case *c, bool with_bias, bool with_sums,
                      double size)
{
    const size_t n = c->column + c->n_columns, n_rows = c->row + c->n_rows;
    /* The tile ends with its last column, not with its stride. */
    const size_t n_acc = (c->n_rows - 1) * c->acc_stride + c->n_columns;
    float *bias = floats(3, n), *row_scale = floats(4, n_rows);
    float *column_scale = floats(5, n);
    int32_t *sums = guarded(6, n * sizeof *sums);

    c->acc = guarded(2, n_acc * 4);
    for (size_t i = 0; i < n_acc; i++) {
        if (c->is_s8)
            ((int32_t *)c->acc)[i] = (int32_t)(uniform() * 3e7);
        else
            ((float *)c->acc)[i] = (float)(uniform() * size);
    }
    for (size_t i = 0; i < n; i++)
        sums[i] = (int32_t)(uniform() * 1e6) * 128;
    fill(bias, n, size);
    fill(row_scale, n_rows, 1e-3);
    fill(column_scale, n, 1e-3);
    c->finish.bias = with_bias ? bias : NULL;
    if (c->is_s8) {
        c->finish.row_scale = row_scale;
        c->finish.column_scale = column_scale;
        c->finish.column_sums = with_sums ? sums : NULL;
    }
}

static void check_all_finishes(const clipc_kernels *kernels,
                               const finish_case *shape)
{
    const clipc_operand_format formats[] = { CLIPC_OPERAND_F32,
                                             CLIPC_OPERAND_F32,
                                             CLIPC_OPERAND_F32_BF16,
                                             CLIPC_OPERAND_BF16 };
    for (int is_s8 = 0; is_s8 < 2; is_s8++) {
        for (int format = 0; format < 4; format++) {
            for (int op = 0; op <= CLIPC_FINISH_GELU_TANH; op++) {
                finish_case c = *shape;
                if ((is_s8 && format > 1) || (op && format == 1))
                    continue; /* no finish has both: kernels.h */
                c.is_s8 = is_s8 != 0;
                c.finish.scale = (op + format) % 2 ? 0.125f : 1.0f;
                c.finish.op = (clipc_finish_op)op;
                c.finish.format = formats[format];
                c.finish.add = format == 1;
                fill_case(&c, (op + format) % 3 != 0, format % 2 == 0, 4);
                check_finish(kernels, &c);
            }
        }
    }
}

TEST(finish_keeps_its_order_of_operations)
{
    static const size_t shapes[][2] = { { 1, 1 },  { 1, 7 },   { 2, 8 },
                                        { 3, 15 }, { 9, 16 },  { 9, 17 },
                                        { 4, 31 }, { 32, 32 }, { 9, 48 },
                                        { 6, 33 }, { 5, 63 },  { 1, 100 } };
    FOR_EACH_TABLE (kernels) {
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            finish_case shape = { .n_rows = shapes[s][0],
                                  .n_columns = shapes[s][1] };
            shape.acc_stride = shape.n_columns;
            check_all_finishes(&kernels, &shape);
            shape.row = 3;
            shape.column = 48;
            shape.acc_stride = shape.n_columns + 16;
            check_all_finishes(&kernels, &shape);
        }
    }
}

/* A NaN stays a NaN; every other number has the same bits as in C. */
TEST(finish_keeps_special_numbers)
{
    const float special[] = { NAN,    -NAN,     INFINITY, -INFINITY, 0.0f,
                              -0.0f,  1e-42f,   -1e-42f,  FLT_MAX,   FLT_MIN,
                              1e-38f, -FLT_MAX, 1.0f };
    enum { N = sizeof special / sizeof special[0] };
    const clipc_operand_format formats[] = { CLIPC_OPERAND_F32,
                                             CLIPC_OPERAND_F32_BF16,
                                             CLIPC_OPERAND_BF16 };
    FOR_EACH_TABLE (kernels) {
        for (int f = 0; f < 3; f++) {
            for (int op = 0; op <= CLIPC_FINISH_GELU_TANH; op++) {
                float out[N];
                clipc_finish finish = { .scale = 1.0f,
                                        .op = (clipc_finish_op)op,
                                        .format = formats[f],
                                        .out = out };
                kernels.finish_f32(&finish, special, N, 0, 1, 0, N);
                for (size_t i = 0; i < N; i++) {
                    float got = f == 2 ? clipc_widen_bf16(((uint16_t *)out)[i])
                                       : out[i];
                    float want = f ? clipc_widen_bf16(
                                         clipc_narrow_bf16(special[i]))
                                   : special[i];
                    if (i < 2)
                        CHECK(isnan(got));
                    else if (op == CLIPC_FINISH_NONE)
                        CHECK_BYTES(&got, &want, sizeof got);
                }
            }
        }
    }
}

/* ---- rows in operand formats ------------------------------------------- */

static void random_bits(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uniform();
        x[i] = clipc_float_of_bits((uint32_t)(state >> 20));
    }
}

TEST(rows_of_bf16_are_exact)
{
    FOR_EACH_TABLE (kernels) {
        for (size_t s = 0; s < N_SIZES; s++) {
            size_t n = sizes[s], n_padded = (n + 31) / 32 * 32;
            float *x = floats(0, n), *y = floats(1, n);
            uint16_t *half = guarded(2, n_padded * sizeof *half);
            random_bits(x, n);
            kernels.row_bf16(half, x, n, n_padded);
            kernels.row_f32_bf16(y, x, n);
            for (size_t i = 0; i < n_padded; i++)
                CHECK_INT(half[i], i < n ? clipc_narrow_bf16(x[i]) : 0);
            for (size_t i = 0; i < n; i++)
                CHECK_INT(clipc_bits_of_float(y[i]),
                          (uint32_t)clipc_narrow_bf16(x[i]) << 16);
            check_canary(half);
            check_canary(y);
            kernels.row_f32_bf16(x, x, n); /* in place */
            CHECK_BYTES(x, y, n * sizeof *x);
        }
    }
}

/* kernels.h's sentence, a number at a time. */
static void plain_row_s8(uint8_t *out, float *scale, const float *x, size_t n,
                         size_t n_padded, int offset)
{
    float max = 0;
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        finite = finite && isfinite(x[i]);
        max = fmaxf(max, fabsf(x[i]));
    }
    *scale = max / 127.0f;
    bool is_zero = *scale < FLT_MIN;
    float inverse = 1.0f / *scale;
    for (size_t i = 0; i < n_padded; i++) {
        long q = 0;
        if (i < n && finite && !is_zero)
            q = lrintf(x[i] * inverse);
        CHECK(q >= -127 && q <= 127);
        out[i] = (uint8_t)(q + offset);
    }
    if (is_zero)
        *scale = 1;
    if (!finite)
        *scale = NAN;
}

static void check_row_s8(const clipc_kernels *kernels, const float *x,
                         size_t n)
{
    const size_t n_padded = (n + 63) / 64 * 64;
    static uint8_t want[MAX_N + 64];
    const bool is_u8 = kernels->s8.format == CLIPC_OPERAND_U8;

    for (int which = 0; which < 2; which++) {
        uint8_t *out = guarded(1, n_padded);
        float got_scale, want_scale;
        int offset = which == 1 || is_u8 ? 128 : 0;
        memset(out, 77, n_padded);
        plain_row_s8(want, &want_scale, x, n, n_padded, offset);
        (which == 1 ? kernels->row_u8 : kernels->row_s8)(out, &got_scale, x, n,
                                                         n_padded);
        CHECK_BYTES(out, want, n_padded);
        if (isnan(want_scale))
            CHECK(isnan(got_scale));
        else
            CHECK_BYTES(&got_scale, &want_scale, sizeof got_scale);
        check_canary(out);
    }
}

TEST(rows_of_s8_are_the_same_everywhere)
{
    const double magnitudes[] = {
        1, 127, 1e-30, 3e38, 1e-36, 1e-38, 1e-42, 0
    };
    FOR_EACH_TABLE (kernels) {
        for (size_t s = 0; s < N_SIZES; s++) {
            size_t n = sizes[s];
            float *x = floats(0, n);
            for (size_t m = 0; m < sizeof magnitudes / sizeof *magnitudes;
                 m++) {
                fill(x, n, magnitudes[m]);
                check_row_s8(&kernels, x, n);
            }
            for (size_t i = 0; i < n; i++) /* many halves */
                x[i] = (float)(127 - (int)(i * 7 % 509)) / 2;
            x[n - 1] = 127;
            for (size_t i = 0; i < n; i++)
                x[i] = fmaxf(fminf(x[i], 127), -127);
            check_row_s8(&kernels, x, n);
        }
    }
}

TEST(rows_of_s8_say_what_is_not_finite)
{
    const float bad[] = { NAN, -NAN, INFINITY, -INFINITY };
    const double around[] = { 1, 0, 1e-42, 1e38 };
    FOR_EACH_TABLE (kernels) {
        for (size_t n = 1; n <= 150; n++) {
            for (size_t b = 0; b < 4; b++) {
                float *x = floats(0, n);
                fill(x, n, around[n % 4]);
                x[(n * 31 + b) % n] = bad[b];
                check_row_s8(&kernels, x, n);
            }
        }
        float all[40];
        for (size_t i = 0; i < 40; i++)
            all[i] = NAN;
        check_row_s8(&kernels, all, 40);
    }
}

TEST(widening_is_exact)
{
    FOR_EACH_TABLE (kernels) {
        for (size_t n = 65536, round = 0; round < 40; round++, n = round) {
            uint16_t *half = guarded(0, n * sizeof *half);
            float *out = floats(1, n);
            for (size_t i = 0; i < n; i++)
                half[i] = (uint16_t)(i * (n == 65536 ? 1 : 1103));
            kernels.widen(out, half, CLIPC_STORE_BF16, n);
            for (size_t i = 0; i < n; i++)
                CHECK_INT(clipc_bits_of_float(out[i]),
                          (uint32_t)half[i] << 16);
            kernels.widen(out, half, CLIPC_STORE_F16, n);
            for (size_t i = 0; i < n; i++) {
                float want = clipc_widen_f16(half[i]);
                if (isnan(want))
                    CHECK(isnan(out[i]));
                else
                    CHECK_BYTES(&out[i], &want, sizeof want);
            }
            float *copy = floats(2, n);
            kernels.widen(copy, out, CLIPC_STORE_F32, n);
            CHECK_BYTES(copy, out, n * sizeof *copy);
            check_canary(out);
            check_canary(copy);
        }
    }
}

/* ---- rows -------------------------------------------------------------- */

TEST(adding_is_exact)
{
    FOR_EACH_TABLE (kernels) {
        for (size_t s = 0; s < N_SIZES; s++) {
            size_t n = sizes[s];
            float *x = floats(0, n), *y = floats(1, n), z[MAX_N];
            fill(x, n, 10);
            fill(y, n, 10);
            memcpy(z, x, n * sizeof *x);
            kernels.add(x, y, n);
            for (size_t i = 0; i < n; i++)
                CHECK(x[i] == z[i] + y[i]);
            check_canary(x);
        }
    }
}

/* Sums of n products in any order: n EPS of the sum of magnitudes, and an
 * EPS for each product. The same bits wherever the vectors lie. */
TEST(dot_is_within_its_bound)
{
    FOR_EACH_TABLE (kernels) {
        for (size_t s = 0; s < N_SIZES; s++) {
            size_t n = sizes[s];
            float *x = floats(0, n), *y = floats(1, n);
            float *x_elsewhere = floats(2, n + 3),
                  *y_elsewhere = floats(3, n + 5);
            double want = 0, magnitude = 0;
            fill(x, n, 1);
            fill(y, n, 1);
            memcpy(x_elsewhere, x, n * sizeof *x);
            memcpy(y_elsewhere, y, n * sizeof *y);
            for (size_t i = 0; i < n; i++) {
                want += (double)x[i] * (double)y[i];
                magnitude += fabs((double)x[i] * (double)y[i]);
            }
            float got = kernels.dot(x, y, CLIPC_STORE_F32, n);
            float again = kernels.dot(x_elsewhere, y_elsewhere,
                                      CLIPC_STORE_F32, n);
            CHECK_NEAR((double)got, want,
                       ((double)n / 16 + 8) * EPS * magnitude);
            CHECK_BYTES(&got, &again, sizeof got);
            double squares = 0;
            again = kernels.dot_squares(&squares, x, y, CLIPC_STORE_F32, n);
            CHECK_BYTES(&got, &again, sizeof got);
            x[n / 2] = NAN;
            CHECK(isnan(kernels.dot(x, y, CLIPC_STORE_F32, n)));
            CHECK(isnan(kernels.sum_squares(x, CLIPC_STORE_F32, n)));
        }
    }
}

/* Beside a dot product: in f32, within the range that kernels.h names. Equal
 * numbers are the worst case: every rounding of a chain goes one way. */
TEST(squares_beside_a_dot_product_are_within_their_bound)
{
    static const float magnitudes[] = { 1.0f, 1e-11f, 1e10f };
    FOR_EACH_TABLE (kernels) {
        for (size_t s = 0; s < N_SIZES * 6; s++) {
            const size_t n = sizes[s / 6];
            const float magnitude = magnitudes[s % 3];
            const bool equal = s / 3 % 2;
            float *x = floats(0, n), *y = floats(1, n);
            float *elsewhere = floats(2, n + 5);
            double want = 0, got = 0, again = 0;
            fill(x, n, 1);
            fill(y, n, (double)magnitude);
            for (size_t i = 0; i < n; i++) {
                if (equal)
                    y[i] = 0.333333343f * magnitude;
                want += (double)y[i] * (double)y[i];
            }
            memcpy(elsewhere, y, n * sizeof *y);
            kernels.dot_squares(&got, x, y, CLIPC_STORE_F32, n);
            CHECK_NEAR(got, want, 1.1e-6 * want);
            kernels.dot_squares(&again, y, elsewhere, CLIPC_STORE_F32, n);
            CHECK_BYTES(&got, &again, sizeof got);
            y[n / 2] = NAN;
            kernels.dot_squares(&got, x, y, CLIPC_STORE_F32, n);
            CHECK(isnan(got));
        }
    }
}

/* In double, over all magnitudes of f32. */
TEST(sum_of_squares_is_within_its_bound)
{
    const double magnitudes[] = { 1, 1e-42, 3e38 };
    FOR_EACH_TABLE (kernels) {
        for (size_t s = 0; s < N_SIZES; s++) {
            for (size_t m = 0; m < 3; m++) {
                size_t n = sizes[s];
                float *x = floats(0, n), *elsewhere = floats(1, n + 3);
                long double want = 0;
                fill(x, n, magnitudes[m]);
                memcpy(elsewhere, x, n * sizeof *x);
                for (size_t i = 0; i < n; i++)
                    want += (long double)x[i] * (long double)x[i];
                double got = kernels.sum_squares(x, CLIPC_STORE_F32, n);
                double again = kernels.sum_squares(elsewhere, CLIPC_STORE_F32,
                                                   n);
                CHECK_NEAR(got, (double)want,
                           1.2e-16 * ((double)n / 4 + 4) * (double)want);
                CHECK_BYTES(&got, &again, sizeof got);
            }
        }
    }
}

/* Vectors of fewer bits give the bits of the same numbers as f32, wherever they
 * lie, and nothing is read behind them. */
TEST(sums_over_stored_vectors_have_the_bits_of_f32)
{
    static const clipc_storage storages[] = { CLIPC_STORE_F16,
                                              CLIPC_STORE_S8 };
    FOR_EACH_TABLE (kernels) {
        for (size_t s = 0; s < N_SIZES * 2; s++) {
            const size_t n = sizes[s / 2];
            const clipc_storage storage = storages[s % 2];
            const size_t bytes = clipc_storage_bytes(storage);
            unsigned char *stored = guarded(0, n * bytes);
            float *x = floats(1, n), *wide = floats(2, n);
            for (size_t i = 0; i < n * bytes; i++)
                stored[i] = (unsigned char)(uniform() * 128 + 128);
            /* The high byte of a number of 16 bits: no infinity, no NaN. */
            for (size_t i = 1; bytes == 2 && i < n * bytes; i += 2)
                stored[i] = (unsigned char)((stored[i] & 0x80) | 0x30 |
                                            (stored[i] & 0x0F));
            clipc_widen(wide, stored, storage, n);
            fill(x, n, 1);
            float got = kernels.dot(x, stored, storage, n);
            float want = kernels.dot(x, wide, CLIPC_STORE_F32, n);
            CHECK_BYTES(&got, &want, sizeof got);
            double squares = kernels.sum_squares(stored, storage, n);
            double wanted = kernels.sum_squares(wide, CLIPC_STORE_F32, n);
            CHECK_BYTES(&squares, &wanted, sizeof squares);
            float both = kernels.dot_squares(&squares, x, stored, storage, n);
            CHECK_BYTES(&both, &want, sizeof both);
            kernels.dot_squares(&wanted, x, wide, CLIPC_STORE_F32, n);
            CHECK_BYTES(&squares, &wanted, sizeof squares);
            if (bytes == 2) {
                memset(stored + n / 2 * 2, 0xFF, 2); /* NaN */
                CHECK(isnan(kernels.dot(x, stored, storage, n)));
                CHECK(isnan(kernels.sum_squares(stored, storage, n)));
            }
        }
    }
}

/* Longer than a sum of 32 bits would allow. */
TEST(the_squares_of_many_bytes_are_exact)
{
    const size_t n = (size_t)1 << 21;
    int8_t *x = malloc(n);

    CHECK(x != NULL);
    memset(x, -128, n);
    FOR_EACH_TABLE (kernels)
        CHECK(kernels.sum_squares(x, CLIPC_STORE_S8, n - 3) ==
              (double)(n - 3) * 16384.0);
    free(x);
}

/* Error of y = (x - mean) rstd gain + bias: the mean is within 8 EPS of the
 * largest |x|, rstd within 10 EPS of itself, and four roundings follow. */
static void check_layernorm(const clipc_kernels *kernels, size_t n,
                            double offset, double spread, float eps)
{
    float *x = floats(0, n), *y = floats(1, n);
    float *gain = floats(2, n), *bias = floats(3, n);
    double mean = 0, variance = 0, largest = 0;

    for (size_t i = 0; i < n; i++)
        x[i] = (float)(offset + spread * uniform());
    fill(gain, n, 3);
    fill(bias, n, 3);
    kernels->layernorm(y, x, gain, bias, eps, n);
    check_canary(y);
    for (size_t i = 0; i < n; i++) {
        mean += (double)x[i] / (double)n;
        largest = fmax(largest, fabs((double)x[i]));
    }
    for (size_t i = 0; i < n; i++)
        variance += pow((double)x[i] - mean, 2) / (double)n;
    double rstd = 1 / sqrt(variance + (double)eps);
    for (size_t i = 0; i < n; i++) {
        double unit = ((double)x[i] - mean) * rstd;
        double want = unit * (double)gain[i] + (double)bias[i];
        double bound = (8 * EPS * largest * rstd + 14 * EPS * fabs(unit)) *
                           fabs((double)gain[i]) +
                       2 * EPS * (fabs(want) + fabs((double)bias[i]));
        CHECK_NEAR((double)y[i], want, bound);
    }
    float *elsewhere = floats(4, n + 5), *gain_elsewhere = floats(5, n + 3);
    memcpy(elsewhere, x, n * sizeof *x);
    memcpy(gain_elsewhere, gain, n * sizeof *x);
    kernels->layernorm(elsewhere, elsewhere, gain_elsewhere, bias, eps, n);
    CHECK_BYTES(elsewhere, y, n * sizeof *x);
}

TEST(layernorm_is_within_its_bound)
{
    FOR_EACH_TABLE (kernels) {
        for (size_t s = 0; s < N_SIZES; s++) {
            check_layernorm(&kernels, sizes[s], 0, 1, 1e-5f);
            check_layernorm(&kernels, sizes[s], 100, 1, 1e-5f);  /* mean */
            check_layernorm(&kernels, sizes[s], 0, 1e-4, 1e-5f); /* eps */
            check_layernorm(&kernels, sizes[s], 0, 1e-41, 1e-5f);
            check_layernorm(&kernels, sizes[s], 0, 1e15, 1e-5f);
        }
    }
}

TEST(layernorm_of_equal_values_is_the_bias)
{
    float x[21], gain[21], bias[21];

    fill(gain, 21, 1);
    fill(bias, 21, 1);
    FOR_EACH_TABLE (kernels) {
        for (size_t i = 0; i < 21; i++)
            x[i] = 0.1f;
        kernels.layernorm(x, x, gain, bias, 1e-5f, 21);
        for (size_t i = 0; i < 21; i++)
            CHECK_NEAR((double)x[i], (double)bias[i], 1e-5);
    }
}

TEST(nan_stays_nan)
{
    static const size_t widths[] = { 1, 9, 16, 17, 50, 64, 77, 300 };
    float gain[300], bias[300] = { 0 };

    for (size_t i = 0; i < 300; i++)
        gain[i] = 1;
    FOR_EACH_TABLE (kernels) {
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            size_t n = widths[w];
            for (size_t at = 0; at < n; at++) {
                float *x = floats(0, n), *y = floats(1, n);
                fill(x, n, 5);
                x[at] = NAN;
                kernels.layernorm(y, x, gain, bias, 1e-5f, n);
                for (size_t i = 0; i < n; i++)
                    CHECK(isnan(y[i]));
                memcpy(y, x, n * sizeof *y);
                kernels.softmax(y, n);
                for (size_t i = 0; i < n; i++)
                    CHECK(isnan(y[i]));
            }
        }
    }
}

/* The difference to the largest is rounded (a relative EPS), exp within 1.3e-7,
 * the sum of n terms within (n / 4 + 4) EPS at worst, a division and a
 * product. */
TEST(softmax_is_within_its_bound)
{
    const double spreads[] = { 0, 1e-40, 1, 20, 80, 1000, 1e30 };

    FOR_EACH_TABLE (kernels) {
        for (size_t s = 0; s < N_SIZES; s++) {
            for (size_t k = 0; k < sizeof spreads / sizeof *spreads; k++) {
                size_t n = sizes[s];
                float *x = floats(0, n), *y = floats(1, n);
                float *elsewhere = floats(2, n + 7);
                double largest = -INFINITY, total = 0;
                fill(x, n, spreads[k]);
                memcpy(y, x, n * sizeof *x);
                memcpy(elsewhere, x, n * sizeof *x);
                kernels.softmax(y, n);
                kernels.softmax(elsewhere, n);
                CHECK_BYTES(y, elsewhere, n * sizeof *y);
                check_canary(y);
                for (size_t i = 0; i < n; i++)
                    largest = fmax(largest, (double)x[i]);
                for (size_t i = 0; i < n; i++)
                    total += exp((double)x[i] - largest);
                for (size_t i = 0; i < n; i++) {
                    double below = largest - (double)x[i];
                    double want = exp(-below) / total;
                    double relative = 2.6e-7 +
                                      ((double)n / 4 + 8 + below) * EPS;
                    /* exp is clamped at -87.3: 1.2e-38 */
                    CHECK_NEAR((double)y[i], want, want * relative + 1.3e-38);
                }
            }
        }
    }
}
