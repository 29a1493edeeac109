/* SPDX-License-Identifier: MIT
 *
 * test_tiles.c - every matrix kernel of every instruction set of this CPU:
 * against sums in double or int64_t, for all shapes of tiles, sizes around
 * the units of K, unaligned rows, memory that ends at an unmapped page; the
 * same bits in every shape and place; and the packing of weights.
 *
 * Bound of a float sum of K products, in any order, fused or not:
 * K * 2^-23 * sum |a| |b|.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#endif
#include "base/cpu.h"
#include "kernels/half.h"
#include "kernels/kernels.h"
#include "support/test.h"
#if defined(__x86_64__)
#include "kernels/x86/x86.h"
#elif defined(__aarch64__)
#include "kernels/arm/arm.h"
#endif

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    COLUMNS = CLIPC_STRIP_COLUMNS,
    MOST_ROWS = CLIPC_MAX_TILE_ROWS,
    MOST_STRIPS = CLIPC_MAX_TILE_STRIPS,
    MOST_K = 320
};

/* ---- tables of this CPU ------------------------------------------------ */

typedef struct level {
    const char *name;
    unsigned features; /* that its kernels need on top of the level before */
    void (*init)(clipc_kernels *kernels);
} level;

#if defined(__x86_64__)
static void init_avx512bf16(clipc_kernels *kernels)
{
    clipc_tiles_init_avx512bf16(kernels, true);
}

static void init_amx_int8(clipc_kernels *kernels)
{
    clipc_tiles_init_amx(kernels, true, false);
}

static void init_amx_bf16(clipc_kernels *kernels)
{
    clipc_tiles_init_amx(kernels, false, true);
}
#elif defined(__aarch64__)
static void init_sme_f32(clipc_kernels *kernels)
{
    clipc_tiles_init_sme(kernels, true, false, false, true);
}

static void init_sme_bf16(clipc_kernels *kernels)
{
    clipc_tiles_init_sme(kernels, false, true, false, true);
}

static void init_sme_int8(clipc_kernels *kernels)
{
    clipc_tiles_init_sme(kernels, false, false, true, true);
}
#endif

static const level levels[] = {
    { "c", 0, clipc_tiles_init_c },
#if defined(__x86_64__)
    { "avx2", CLIPC_CPU_HAS_AVX2, clipc_tiles_init_avx2 },
    { "avx2 tiles_s8", CLIPC_CPU_HAS_AVX2, clipc_tiles_s8_init_avx2 },
    { "avx2 strips", CLIPC_CPU_HAS_AVX2, clipc_strips_init_avx2 },
    { "avx-vnni", CLIPC_CPU_HAS_AVXVNNI, clipc_tiles_init_avxvnni },
    { "avx512", CLIPC_CPU_HAS_AVX512, clipc_tiles_init_avx512 },
    { "avx512 strips", CLIPC_CPU_HAS_AVX512, clipc_strips_init_avx512 },
    { "vnni", CLIPC_CPU_HAS_VNNI, clipc_tiles_init_vnni },
    { "avx512 bf16", CLIPC_CPU_HAS_BF16, init_avx512bf16 },
    { "amx int8", CLIPC_CPU_HAS_AMX_INT8, init_amx_int8 },
    { "amx bf16", CLIPC_CPU_HAS_AMX_BF16, init_amx_bf16 },
#elif defined(__aarch64__)
    { "neon", CLIPC_CPU_HAS_NEON, clipc_tiles_init_neon },
    { "neon strips", CLIPC_CPU_HAS_NEON, clipc_strips_init_neon },
    { "dotprod", CLIPC_CPU_HAS_DOTPROD, clipc_tiles_init_dotprod },
    { "i8mm", CLIPC_CPU_HAS_I8MM, clipc_tiles_init_i8mm },
    { "bf16", CLIPC_CPU_HAS_ARM_BF16, clipc_tiles_init_bf16 },
    { "sme", CLIPC_CPU_HAS_SME_F32, init_sme_f32 },
    { "sme bf16", CLIPC_CPU_HAS_SME_BF16, init_sme_bf16 },
    { "sme int8", CLIPC_CPU_HAS_SME_INT8, init_sme_int8 },
#endif
};
enum { N_LEVELS = sizeof levels / sizeof levels[0] };

/* The table after those of the first `last + 1` levels that the CPU has; false
 * where the CPU lacks the last level. */
static bool table(clipc_kernels *kernels, size_t last)
{
    unsigned features = clipc_cpu_features();

    memset(kernels, 0, sizeof *kernels);
    for (size_t i = 0; i <= last; i++) {
        if ((features & levels[i].features) == levels[i].features)
            levels[i].init(kernels);
        else if (i == last)
            return false;
    }
    return true;
}

/* ---- memory that ends at an unmapped page ------------------------------ */

typedef struct guarded {
    unsigned char *map;
    size_t map_size, capacity;
} guarded;

static guarded guarded_new(size_t capacity)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    guarded memory = { .capacity = (capacity + page - 1) / page * page };

    memory.map_size = memory.capacity + page;
    memory.map = mmap(NULL, memory.map_size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory.map != MAP_FAILED);
    CHECK_INT(mprotect(memory.map + memory.capacity, page, PROT_NONE), 0);
    return memory;
}

/* The last n bytes. */
static unsigned char *guarded_end(const guarded *memory, size_t n)
{
    CHECK(n <= memory->capacity);
    return memory->map + memory->capacity - n;
}

static void guarded_free(guarded *memory)
{
    munmap(memory->map, memory->map_size);
}

/* ---- numbers ----------------------------------------------------------- */

static uint64_t random_state = 1;

static uint32_t random_bits(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 32);
}

static float random_float(void)
{
    return ((float)(int32_t)random_bits()) / 2147483648.0f;
}

static int random_byte(void) /* [-127, 127], the ends often */
{
    uint32_t bits = random_bits();
    return bits % 8 == 0   ? 127
           : bits % 8 == 1 ? -127
                           : (int)(bits / 8 % 255) - 127;
}

/* ---- products ---------------------------------------------------------- */

typedef struct problem {
    const clipc_tile_kernel *kernel;
    bool is_s8;
    size_t unit;    /* inputs of a k-step */
    size_t element; /* bytes of an input */
    double a[MOST_ROWS][MOST_K];
    double b[MOST_K][MOST_STRIPS * COLUMNS];
    guarded a_memory, b_memory, c_memory;
    guarded groups_memory, zipped_memory; /* of kernels that read such */
} problem;

static void problem_init(problem *p, const clipc_tile_kernel *kernel,
                         const clipc_kernels *kernels)
{
    memset(p, 0, sizeof *p);
    p->kernel = kernel;
    p->is_s8 = kernel == &kernels->s8;
    p->unit = p->is_s8 ? 4 : kernel == &kernels->bf16 ? 2 : 1;
    p->element = 4 / p->unit;
    p->a_memory = guarded_new(MOST_ROWS * (MOST_K * 4 + 128));
    p->b_memory = guarded_new(MOST_STRIPS * COLUMNS * MOST_K * 4 + 4096);
    p->c_memory = guarded_new(MOST_ROWS * (MOST_STRIPS * COLUMNS * 4 + 64));
    p->groups_memory = guarded_new(MOST_ROWS * MOST_K * 4);
    p->zipped_memory = guarded_new(MOST_STRIPS * COLUMNS * MOST_K * 2);
}

static void problem_free(problem *p)
{
    guarded_free(&p->a_memory);
    guarded_free(&p->b_memory);
    guarded_free(&p->c_memory);
    guarded_free(&p->groups_memory);
    guarded_free(&p->zipped_memory);
}

static float exact_number(const problem *p)
{
    float x = random_float();
    return p->unit == 2 ? clipc_widen_bf16(clipc_narrow_bf16(x)) : x;
}

static void problem_fill(problem *p, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        for (size_t row = 0; row < MOST_ROWS; row++)
            p->a[row][i] = p->is_s8 ? random_byte() : exact_number(p);
        for (size_t n = 0; n < MOST_STRIPS * COLUMNS; n++)
            p->b[i][n] = p->is_s8 ? random_byte() : exact_number(p);
    }
}

static void put(const problem *p, unsigned char *at, double value)
{
    float x = (float)value;
    uint16_t half = clipc_narrow_bf16(x);

    if (p->is_s8)
        *at = (unsigned char)(int)value;
    else if (p->unit == 2)
        memcpy(at, &half, sizeof half);
    else
        memcpy(at, &x, sizeof x);
}

/* The tile's rows as a kernel of groups reads them, in memory that fits
 * exactly. */
static void group(const problem *p, clipc_tile *tile)
{
    const size_t group = p->kernel->group, row = tile->k_steps * 4;
    const size_t bytes = (tile->rows + group - 1) / group * group * row;
    unsigned char *groups = guarded_end(&p->groups_memory, bytes);

    memset(groups, 0xFF, bytes);
    p->kernel->group_rows(groups, tile->a, tile->a_stride, tile->rows,
                          tile->k_steps);
    tile->a = groups;
    tile->a_stride = group * row;
}

/* The same of its strips. */
static void zip(const problem *p, clipc_tile *tile)
{
    const size_t strip = tile->k_steps * CLIPC_STRIP_BYTES;
    unsigned char *zipped = guarded_end(&p->zipped_memory,
                                        tile->strips * strip);
    static unsigned char again[COLUMNS * MOST_K * 2];

    for (size_t i = 0; i < tile->strips; i++) {
        unsigned char *to = zipped + i * strip;
        const unsigned char *from = tile->b;
        p->kernel->zip_strip(to, from + i * tile->b_stride, tile->k_steps);
        memcpy(again, from + i * tile->b_stride, strip);
        p->kernel->zip_strip(again, again, tile->k_steps);
        CHECK_BYTES(again, to, strip);
    }
    tile->b = zipped;
    tile->b_stride = strip;
}

/* Runs rows [row, row + n_rows) by strips [strip, strip + n_strips) in memory
 * that fits exactly; c is [n_rows, n_strips * 16], 4 bytes an element. */
static void problem_run(const problem *p, uint32_t *c, size_t k, size_t row,
                        size_t n_rows, size_t strip, size_t n_strips)
{
    size_t a_row = k * p->element;
    size_t a_stride = a_row + (p->unit == 1 ? 20 : p->unit == 2 ? 6 : 7);
    size_t b_strip = k * COLUMNS * p->element, b_stride = b_strip + 192;
    size_t c_row = n_strips * COLUMNS * 4, c_stride = c_row + 12;
    size_t a_size = (n_rows - 1) * a_stride + a_row;
    size_t b_size = (n_strips - 1) * b_stride + b_strip;
    size_t c_size = (n_rows - 1) * c_stride + c_row;
    unsigned char *a = guarded_end(&p->a_memory, a_size);
    unsigned char *b = guarded_end(&p->b_memory, b_size);
    unsigned char *to = guarded_end(&p->c_memory, c_size);
    const unsigned char before = 0xA5;

    for (size_t i = 0; i < n_rows; i++)
        for (size_t j = 0; j < k; j++) {
            unsigned char *at = a + i * a_stride + j * p->element;
            put(p, at, p->a[row + i][j]);
            if (p->kernel->format == CLIPC_OPERAND_U8)
                *at = (unsigned char)(*at ^ 0x80);
        }
    for (size_t s = 0; s < n_strips; s++)
        for (size_t j = 0; j < k; j++)
            for (size_t n = 0; n < COLUMNS; n++)
                put(p,
                    b + s * b_stride + (j / p->unit * COLUMNS + n) * 4 +
                        j % p->unit * p->element,
                    p->b[j][(strip + s) * COLUMNS + n]);
    memset(p->c_memory.map, before, p->c_memory.capacity);

    clipc_tile tile = { .c = to,
                        .c_stride = c_stride,
                        .a = a,
                        .a_stride = a_stride,
                        .b = b,
                        .b_stride = b_stride,
                        .k_steps = k / p->unit,
                        .rows = n_rows,
                        .strips = n_strips,
                        .prefetch = b,
                        .prefetch_lines = random_bits() % 13 };
    if (p->kernel->group_rows)
        group(p, &tile);
    if (p->kernel->zip_strip)
        zip(p, &tile);
    if (p->kernel->begin)
        p->kernel->begin(tile.rows);
    p->kernel->run(&tile);
    if (p->kernel->done)
        p->kernel->done();

    for (size_t i = 0; i < n_rows; i++) {
        memcpy(c + i * n_strips * COLUMNS, to + i * c_stride, c_row);
        memset(to + i * c_stride, before, c_row);
    }
    for (size_t i = 0; i < p->c_memory.capacity; i++)
        CHECK_INT(p->c_memory.map[i], before);
}

static void check_element(const problem *p, uint32_t bits, size_t k,
                          size_t row, size_t n)
{
    double sum = 0, size = 0;
    int64_t exact = 0;

    for (size_t j = 0; j < k; j++) {
        double a = p->a[row][j], b = p->b[j][n];
        sum += a * b;
        size += fabs(a * b);
        exact += (int64_t)a * (int64_t)b;
        if (p->kernel->format == CLIPC_OPERAND_U8)
            exact += 128 * (int64_t)b;
    }
    if (p->is_s8) {
        CHECK_INT((int32_t)bits, exact);
    } else {
        double got = (double)clipc_float_of_bits(bits);
        double bound = (double)k * 0x1p-23 * size;
        if (!(fabs(got - sum) <= bound))
            FAIL("k %zu, row %zu, column %zu: %.9g, the sum is %.9g, bound "
                 "%.2g",
                 k, row, n, got, sum, bound);
    }
}

/* All shapes for one size: each element right, and as in a tile of its own. */
static void check_size(problem *p, size_t k)
{
    const clipc_tile_kernel *kernel = p->kernel;
    static uint32_t alone[MOST_ROWS][MOST_STRIPS * COLUMNS];
    static uint32_t c[MOST_ROWS * MOST_STRIPS * COLUMNS];

    problem_fill(p, k);
    for (size_t row = 0; row < kernel->max_rows; row++)
        for (size_t strip = 0; strip < kernel->max_strips; strip++) {
            uint32_t *at = &alone[row][strip * COLUMNS];
            problem_run(p, at, k, row, 1, strip, 1);
            for (size_t n = 0; n < COLUMNS; n++)
                check_element(p, at[n], k, row, strip * COLUMNS + n);
        }
    for (size_t n_rows = 1; n_rows <= kernel->max_rows; n_rows++)
        for (size_t n_strips = 1; n_strips <= kernel->max_strips; n_strips++) {
            size_t row = kernel->max_rows - n_rows;
            size_t strip = kernel->max_strips - n_strips;
            problem_run(p, c, k, row, n_rows, strip, n_strips);
            for (size_t i = 0; i < n_rows; i++)
                if (memcmp(c + i * n_strips * COLUMNS,
                           &alone[row + i][strip * COLUMNS],
                           n_strips * COLUMNS * 4) != 0)
                    FAIL("%s, k %zu: a tile of %zu rows by %zu strips "
                         "differs from one row by one strip",
                         kernel->name, k, n_rows, n_strips);
        }
}

static void check_kernel(const clipc_tile_kernel *kernel,
                         const clipc_kernels *kernels, const char *level_name)
{
    static const size_t f32_sizes[] = { 1,  2,  3,  4,  5,  8,   15,
                                        16, 17, 31, 35, 64, 100, 192 };
    static const size_t half_sizes[] = { 32, 64, 96, 128, 160, 320 };
    static const size_t s8_sizes[] = { 64, 128, 192, 256, 320 };
    static problem p;

    if (!kernel->run) {
        CHECK(kernel == &kernels->bf16 || kernel == &kernels->f32_grouped);
        return;
    }
    CHECK(!kernel->group_rows == (kernel->group == 0));
    CHECK(!kernel->zip_strip || kernel->group_rows);
    printf("# %s: %s\n", level_name, kernel->name);
    CHECK(kernel->max_rows >= 1 && kernel->max_rows <= MOST_ROWS);
    CHECK(kernel->max_strips >= 1 && kernel->max_strips <= MOST_STRIPS);
    problem_init(&p, kernel, kernels);
    if (p.is_s8)
        for (size_t i = 0; i < sizeof s8_sizes / sizeof s8_sizes[0]; i++)
            check_size(&p, s8_sizes[i]);
    else if (p.unit == 2)
        for (size_t i = 0; i < sizeof half_sizes / sizeof half_sizes[0]; i++)
            check_size(&p, half_sizes[i]);
    else
        for (size_t i = 0; i < sizeof f32_sizes / sizeof f32_sizes[0]; i++)
            check_size(&p, f32_sizes[i]);
    problem_free(&p);
}

TEST(tiles_equal_the_sums_in_every_shape)
{
    for (size_t i = 0; i < N_LEVELS; i++) {
        clipc_kernels kernels;
        if (!table(&kernels, i)) {
            printf("# %s: not on this CPU\n", levels[i].name);
            continue;
        }
        check_kernel(&kernels.f32, &kernels, levels[i].name);
        check_kernel(&kernels.f32_grouped, &kernels, levels[i].name);
        check_kernel(&kernels.bf16, &kernels, levels[i].name);
        check_kernel(&kernels.s8, &kernels, levels[i].name);
    }
}

/* The largest sums, of one sign. */
TEST(byte_tiles_do_not_saturate)
{
    static const int signs[][2] = {
        { 127, 127 }, { 127, -127 }, { -127, 127 }, { -127, -127 }
    };
    static problem p;
    static uint32_t c[MOST_ROWS * MOST_STRIPS * COLUMNS];

    for (size_t i = 0; i < N_LEVELS; i++) {
        clipc_kernels kernels;
        if (!table(&kernels, i))
            continue;
        size_t n_rows = kernels.s8.max_rows, n_strips = kernels.s8.max_strips;
        problem_init(&p, &kernels.s8, &kernels);
        for (size_t s = 0; s < 4; s++) {
            for (size_t j = 0; j < MOST_K; j++) {
                for (size_t row = 0; row < n_rows; row++)
                    p.a[row][j] = signs[s][0];
                for (size_t n = 0; n < n_strips * COLUMNS; n++)
                    p.b[j][n] = signs[s][1];
            }
            problem_run(&p, c, MOST_K, 0, n_rows, 0, n_strips);
            for (size_t n = 0; n < n_rows * n_strips * COLUMNS; n++)
                check_element(&p, c[n], MOST_K, 0, 0);
        }
        problem_free(&p);
    }
}

static bool is_nan(uint32_t bits)
{
    return (bits & 0x7FFFFFFFu) > 0x7F800000u;
}

/* A NaN input spoils its row, a NaN weight its column, and nothing else. */
static void check_nan(const clipc_tile_kernel *kernel,
                      const clipc_kernels *kernels)
{
    static problem p;
    static uint32_t c[MOST_ROWS * MOST_STRIPS * COLUMNS];

    if (!kernel->run)
        return;
    size_t n_rows = kernel->max_rows, n_strips = kernel->max_strips;
    size_t width = n_strips * COLUMNS, bad_row = n_rows / 2;
    problem_init(&p, kernel, kernels);
    problem_fill(&p, 96);
    p.a[bad_row][37] = NAN;
    p.b[95][width - 3] = NAN;
    problem_run(&p, c, 96, 0, n_rows, 0, n_strips);
    for (size_t row = 0; row < n_rows; row++)
        for (size_t n = 0; n < width; n++)
            CHECK_INT(is_nan(c[row * width + n]),
                      row == bad_row || n == width - 3);
    problem_free(&p);
}

TEST(tiles_keep_nan)
{
    for (size_t i = 0; i < N_LEVELS; i++) {
        clipc_kernels kernels;
        if (!table(&kernels, i))
            continue;
        check_nan(&kernels.f32, &kernels);
        check_nan(&kernels.f32_grouped, &kernels);
        check_nan(&kernels.bf16, &kernels);
    }
}

/* C rounds each product: its chains are not fused. */
TEST(f32_tiles_are_fused_chains_in_increasing_k)
{
    enum { K = 100 };
    static problem p;
    static uint32_t c[MOST_ROWS * MOST_STRIPS * COLUMNS];

    for (size_t i = 1; i < N_LEVELS; i++) {
        clipc_kernels kernels;
        if (!table(&kernels, i))
            continue;
        const clipc_tile_kernel *kernel = clipc_layer_tile_f32(&kernels);
        size_t n_rows = kernel->max_rows;
        size_t width = kernel->max_strips * COLUMNS;
        problem_init(&p, kernel, &kernels);
        problem_fill(&p, K);
        /* Rows and columns of subnormal numbers, and with subnormal sums. */
        for (size_t j = 0; j < K; j++) {
            p.a[0][j] = (double)clipc_float_of_bits(random_bits() >> 9);
            p.a[1][j] *= 0x1p-100;
            p.b[j][1] = (double)clipc_float_of_bits(random_bits() >> 9);
            p.b[j][2] *= 0x1p-40;
        }
        problem_run(&p, c, K, 0, n_rows, 0, kernel->max_strips);
        for (size_t row = 0; row < n_rows; row++)
            for (size_t n = 0; n < width; n++) {
                float sum = 0.0f;
                for (size_t j = 0; j < K; j++)
                    sum = fmaf((float)p.a[row][j], (float)p.b[j][n], sum);
                CHECK_INT(c[row * width + n], clipc_bits_of_float(sum));
            }
        problem_free(&p);
    }
}

#if defined(__aarch64__)
/* ZA of this thread: written and read, 64 rows of 64 bytes; whether it is
 * on. */
static void put_za(const unsigned char *rows)
{
    __asm__ volatile(".arch_extension sve\n\t"
                     ".arch_extension sme\n\t"
                     "smstart za\n\t"
                     "mov w12, #0\n"
                     "1:\n\t"
                     "ldr za[w12, 0], [%0]\n\t"
                     "add %0, %0, #64\n\t"
                     "add w12, w12, #1\n\t"
                     "cmp w12, #64\n\t"
                     "b.lo 1b"
                     : "+&r"(rows)
                     :
                     : "memory", "cc", "x12");
}

static bool za_is_on(void)
{
    uint64_t svcr;

    __asm__ volatile(".arch_extension sve\n\t"
                     ".arch_extension sme\n\t"
                     "mrs %0, svcr"
                     : "=r"(svcr));
    return svcr & 2;
}

static void set_tpidr2(void *block)
{
    __asm__ volatile(".arch_extension sve\n\t"
                     ".arch_extension sme\n\t"
                     "msr tpidr2_el0, %0"
                     :
                     : "r"(block)
                     : "memory");
}

static void *tpidr2(void)
{
    void *block;

    __asm__ volatile(".arch_extension sve\n\t"
                     ".arch_extension sme\n\t"
                     "mrs %0, tpidr2_el0"
                     : "=r"(block));
    return block;
}

static uint64_t fpsr(void)
{
    uint64_t flags;

    __asm__ volatile("mrs %0, fpsr" : "=r"(flags));
    return flags;
}

/* "ZA lazy saving scheme" of the procedure call standard: a caller of a library
 * may leave its numbers in ZA. */
TEST(sme_saves_a_callers_za)
{
    enum { ROWS = 64, SAVED = 40, BYTES = 64 };
    static unsigned char before[ROWS * BYTES];
    static unsigned char saved[ROWS * BYTES], want[ROWS * BYTES];
    struct {
        void *buffer;
        uint16_t rows;
        uint8_t reserved[6];
    } block = { saved, SAVED, { 0 } };
    static problem p;
    static uint32_t c[MOST_ROWS * MOST_STRIPS * COLUMNS];
    clipc_kernels kernels;

    if (!(clipc_cpu_features() & CLIPC_CPU_HAS_SME_F32))
        SKIP("this CPU has no SME with vectors of 64 bytes");
    clipc_tiles_init_sme(&kernels, true, true, true, true);
    CHECK_STR(kernels.name, "sme");
    const clipc_tile_kernel *const tiles[] = { &kernels.f32_grouped,
                                               &kernels.bf16, &kernels.s8 };
    for (size_t i = 0; i < sizeof before; i++)
        before[i] = (unsigned char)random_bits();
    memcpy(want, before, SAVED * BYTES);
    for (size_t i = 0; i < 3; i++) {
        problem_init(&p, tiles[i], &kernels);
        problem_fill(&p, 64);
        const uint64_t flags = fpsr();
        memset(saved, 0, sizeof saved);
        set_tpidr2(&block);
        put_za(before);
        problem_run(&p, c, 64, 0, 3, 0, 1);
        CHECK(tpidr2() == NULL);
        CHECK(!za_is_on());
        CHECK_INT(fpsr() & 0x9F, flags & 0x9F);
        CHECK_BYTES(saved, want, sizeof saved);
        for (size_t n = 0; n < 3 * COLUMNS; n++)
            check_element(&p, c[n], 64, n / COLUMNS, n % COLUMNS);
        problem_free(&p);
    }
}
#endif

/* ---- half.h ------------------------------------------------------------ */

static double f16_value(uint16_t half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double size = exponent ? ldexp(1024 + fraction, exponent - 25)
                           : ldexp(fraction, -24);
    if (exponent == 31)
        size = fraction ? (double)NAN : (double)INFINITY;
    return half & 0x8000 ? -size : size;
}

TEST(every_f16_is_widened_exactly)
{
    for (unsigned i = 0; i < 65536; i++) {
        float got = clipc_widen_f16((uint16_t)i);
        double want = f16_value((uint16_t)i);
        if (isnan(want))
            CHECK(isnan(got));
        else
            CHECK((double)got == want && !signbit(got) == !signbit(want));
    }
}

TEST(bf16_is_the_nearest_and_ties_go_to_even)
{
    static const struct {
        uint32_t bits;
        uint16_t want;
    } cases[] = {
        { 0x3F800000, 0x3F80 }, { 0x3F808000, 0x3F80 }, /* tie, even */
        { 0x3F818000, 0x3F82 },                         /* tie, odd */
        { 0x3F808001, 0x3F81 }, { 0x3F807FFF, 0x3F80 },
        { 0xBF818000, 0xBF82 }, { 0x7F7FFFFF, 0x7F80 }, /* to infinity */
        { 0x7F800000, 0x7F80 }, { 0xFF800000, 0xFF80 },
        { 0x00000001, 0x0000 }, { 0x00008001, 0x0001 }, /* subnormal */
        { 0x80000000, 0x8000 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_INT(clipc_narrow_bf16(clipc_float_of_bits(cases[i].bits)),
                  cases[i].want);
    for (unsigned i = 0; i < 65536; i++) {
        float wide = clipc_widen_bf16((uint16_t)i);
        if (isnan(wide))
            CHECK(isnan(clipc_widen_bf16(clipc_narrow_bf16(wide))));
        else
            CHECK_INT(clipc_narrow_bf16(wide), i);
    }
    CHECK(isnan(clipc_widen_bf16(
        clipc_narrow_bf16(clipc_float_of_bits(0x7F800001u)))));
}

/* ---- packing ----------------------------------------------------------- */

enum { PACK_K = 200 };

/* 16 rows of weights in one format, each against an unmapped page, at
 * addresses that are no multiple of anything. */
typedef struct weights {
    guarded memory[COLUMNS];
    const void *rows[COLUMNS];
    float values[COLUMNS][PACK_K];
    uint16_t halves[COLUMNS][PACK_K];
    clipc_storage storage;
    size_t k;
} weights;

static void weights_init(weights *w)
{
    for (size_t i = 0; i < COLUMNS; i++)
        w->memory[i] = guarded_new(PACK_K * sizeof(float));
}

static void weights_free(weights *w)
{
    for (size_t i = 0; i < COLUMNS; i++)
        guarded_free(&w->memory[i]);
}

static float weights_random(void)
{
    uint32_t kind = random_bits() % 64;
    if (kind == 0)
        return 0.0f;
    if (kind == 1)
        return clipc_float_of_bits(random_bits() & 0x807FFFFFu); /* tiny */
    return random_float() * 0.1f;
}

static void weights_fill(weights *w, clipc_storage storage, size_t k)
{
    size_t element = storage == CLIPC_STORE_F32 ? 4 : 2;

    w->storage = storage;
    w->k = k;
    for (size_t i = 0; i < COLUMNS; i++) {
        for (size_t j = 0; j < k; j++) {
            float x = weights_random();
            uint16_t half = (uint16_t)(random_bits() & 0xBBFF); /* below 1 */
            if (storage == CLIPC_STORE_BF16)
                half = clipc_narrow_bf16(x);
            if (storage == CLIPC_STORE_F16)
                x = clipc_widen_f16(half);
            else if (storage == CLIPC_STORE_BF16)
                x = clipc_widen_bf16(half);
            w->values[i][j] = x;
            w->halves[i][j] = half;
        }
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        unsigned char *at = guarded_end(&w->memory[i], k * element);
        memcpy(at,
               element == 4 ? (const void *)w->values[i]
                            : (const void *)w->halves[i],
               k * element);
        w->rows[i] = at;
    }
}

static void check_packs(const clipc_kernels *kernels, const weights *w,
                        size_t n_rows, const guarded *out)
{
    size_t k = w->k, k2 = (k + 31) / 32 * 32;
    float *f32 = (float *)(void *)guarded_end(out, k * COLUMNS * 4);

    memset(out->map, 0x5A, out->capacity);
    kernels->pack_f32(f32, w->rows, w->storage, n_rows, k);
    for (size_t j = 0; j < k; j++)
        for (size_t i = 0; i < COLUMNS; i++) {
            float want = i < n_rows ? w->values[i][j] : 0.0f;
            CHECK_INT(clipc_bits_of_float(f32[j * COLUMNS + i]),
                      clipc_bits_of_float(want));
        }

    uint16_t *half = (uint16_t *)(void *)guarded_end(out, k2 * COLUMNS * 2);
    memset(out->map, 0x5A, out->capacity);
    kernels->pack_bf16(half, w->rows, w->storage, n_rows, k);
    for (size_t j = 0; j < k2; j++)
        for (size_t i = 0; i < COLUMNS; i++) {
            float want = i < n_rows && j < k ? w->values[i][j] : 0.0f;
            CHECK_INT(half[(j / 2 * COLUMNS + i) * 2 + j % 2],
                      clipc_narrow_bf16(want));
        }

    if (w->storage != CLIPC_STORE_F16)
        return;
    memset(out->map, 0x5A, out->capacity);
    kernels->pack_f16(half, (const uint16_t *const *)(const void *)w->rows,
                      n_rows, k);
    for (size_t j = 0; j < k2; j++)
        for (size_t i = 0; i < COLUMNS; i++)
            CHECK_INT(half[(j / 2 * COLUMNS + i) * 2 + j % 2],
                      i < n_rows && j < k ? w->halves[i][j] : 0);
}

static void check_pack_s8(const clipc_kernels *kernels, const weights *w,
                          size_t n_rows, const guarded *out)
{
    size_t k = w->k, k4 = (k + 63) / 64 * 64;
    int8_t *s8 = (int8_t *)guarded_end(out, k4 * COLUMNS);
    float scale[COLUMNS];
    int32_t sums[COLUMNS];

    memset(out->map, 0x5A, out->capacity);
    kernels->pack_s8(s8, scale, sums, w->rows, w->storage, n_rows, k);
    for (size_t i = 0; i < COLUMNS; i++) {
        float largest = 0.0f, want_scale;
        int32_t want_sum = 0;
        bool finite = true;

        for (size_t j = 0; j < k && i < n_rows; j++) {
            largest = fmaxf(largest, fabsf(w->values[i][j]));
            finite = finite && isfinite(w->values[i][j]);
        }
        want_scale = largest / 127.0f;
        if (want_scale == 0.0f)
            want_scale = 1.0f;
        if (finite)
            CHECK(scale[i] == want_scale);
        else
            CHECK(isnan(scale[i]));
        for (size_t j = 0; j < k4; j++) {
            float q = 0.0f;
            if (i < n_rows && j < k && finite)
                q = rintf(w->values[i][j] / want_scale);
            q = q > 127 ? 127 : q < -127 ? -127 : q;
            CHECK_INT(s8[(j / 4 * COLUMNS + i) * 4 + j % 4], (int)q);
            want_sum += 128 * (int)q;
        }
        CHECK_INT(sums[i], want_sum);
    }
}

TEST(weights_are_packed_alike_by_all)
{
    static const clipc_storage storages[] = { CLIPC_STORE_F32, CLIPC_STORE_F16,
                                              CLIPC_STORE_BF16 };
    static const size_t sizes[] = { 1,  2,  3,  15, 16, 17,  31,  32, 33,
                                    63, 64, 65, 79, 80, 112, 128, 200 };
    static weights w;
    guarded out = guarded_new(PACK_K * 4 * COLUMNS * 2);

    weights_init(&w);
    for (size_t i = 0; i < N_LEVELS; i++) {
        clipc_kernels kernels;
        if (!table(&kernels, i))
            continue;
        for (size_t s = 0; s < 3; s++)
            for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
                weights_fill(&w, storages[s], sizes[n]);
                for (size_t n_rows = 1; n_rows <= COLUMNS;
                     n_rows += n_rows < 3 || n_rows == 15 ? 1 : 6) {
                    check_packs(&kernels, &w, n_rows, &out);
                    check_pack_s8(&kernels, &w, n_rows, &out);
                }
            }
    }
    weights_free(&w);
    guarded_free(&out);
}

/* Rows of zeros, of numbers whose 127th part is none, with infinity or NaN,
 * and ties of the rounding. */
TEST(weights_at_the_ends_of_the_range_become_bytes)
{
    static weights w;
    guarded out = guarded_new(PACK_K * 4 * COLUMNS * 2);
    float values[COLUMNS][PACK_K];

    weights_init(&w);
    weights_fill(&w, CLIPC_STORE_F32, PACK_K);
    for (size_t j = 0; j < PACK_K; j++) {
        w.values[0][j] = j % 2 ? -0.0f : 0.0f;
        w.values[1][j] = 1e-45f;
        w.values[2][j] = j == 190 ? 2e-43f : 1e-44f;
        w.values[5][j] = j == 3 ? 3.4e38f : -1e38f;
        w.values[6][j] = j == 3 ? -127.0f : (float)(j % 100) + 0.5f;
        w.values[7][j] = 1e-38f * (float)j;
    }
    w.values[3][199] = INFINITY;
    w.values[4][0] = NAN;
    w.values[9][77] = -INFINITY;
    w.values[10][63] = clipc_float_of_bits(0xFF800001u);
    memcpy(values, w.values, sizeof values);
    for (size_t i = 0; i < COLUMNS; i++) {
        unsigned char *at = guarded_end(&w.memory[i], PACK_K * sizeof(float));
        memcpy(at, values[i], PACK_K * sizeof(float));
    }
    for (size_t i = 0; i < N_LEVELS; i++) {
        clipc_kernels kernels;
        if (table(&kernels, i))
            check_pack_s8(&kernels, &w, COLUMNS, &out);
    }
    weights_free(&w);
    guarded_free(&out);
}

TEST(strips_of_halves_are_widened_exactly)
{
    static const size_t sizes[] = { 1, 2, 3, 31, 32, 33, 64, 4096 };
    guarded in = guarded_new(4096 * COLUMNS * 2);
    guarded out = guarded_new(4096 * COLUMNS * 4);

    for (size_t i = 0; i < N_LEVELS; i++) {
        clipc_kernels kernels;
        if (!table(&kernels, i))
            continue;
        for (size_t s = 0; s < 2 * sizeof sizes / sizeof sizes[0]; s++) {
            size_t k = sizes[s / 2], k2 = (k + 31) / 32 * 32;
            bool is_f16 = s % 2 == 0;
            unsigned char *strip = guarded_end(&in, k2 * COLUMNS * 2);
            unsigned char *to = guarded_end(&out, k * COLUMNS * 4);
            memset(out.map, 0x5A, out.capacity);
            for (size_t j = 0; j < k2 * COLUMNS; j++) {
                uint16_t half = (uint16_t)(j + k * 37);
                memcpy(strip + 2 * j, &half, 2);
            }
            kernels.widen_strip((float *)(void *)to,
                                (const uint16_t *)(const void *)strip,
                                is_f16 ? CLIPC_STORE_F16 : CLIPC_STORE_BF16,
                                k);
            for (size_t j = 0; j < k; j++)
                for (size_t n = 0; n < COLUMNS; n++) {
                    uint16_t half;
                    float got;
                    memcpy(&half,
                           strip + ((j / 2 * COLUMNS + n) * 2 + j % 2) * 2, 2);
                    memcpy(&got, to + (j * COLUMNS + n) * 4, 4);
                    float want = is_f16 ? clipc_widen_f16(half)
                                        : clipc_widen_bf16(half);
                    if (isnan(want))
                        CHECK(isnan(got));
                    else
                        CHECK_INT(clipc_bits_of_float(got),
                                  clipc_bits_of_float(want));
                }
        }
    }
    guarded_free(&in);
    guarded_free(&out);
}
