/* SPDX-License-Identifier: MIT
 *
 * test_linear.c - the transformer's linear layers: every backend, precision
 * and storage of weights against a double reference; the same bits for packed
 * and unpacked weights, any number of rows and threads.
 */
#include "support/test.h"

#include "kernels/blas.h"
#include "support/levels.h"
#include "kernels/linear.h"
#include "kernels/dispatch.h"

#if CLIPC_BLAS
#include <dlfcn.h>
#endif
#include <stdlib.h>
#include <unistd.h>

#define EPS 5.97e-8

static uint64_t state = 88172645463325252u;

static float uniform(void) /* [-1, 1) */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (float)((double)(int64_t)(state >> 11 << 1) / 9007199254740992.0 -
                   1);
}

static void *aligned(size_t bytes)
{
    void *p = NULL;
    CHECK(posix_memalign(&p, 64, bytes + 64) == 0);
    return p;
}

/* A layer with its input; data of both in all forms. */
typedef struct layer {
    size_t n_rows, n_out, n_in;
    float *x;     /* [T, K] */
    float *wide;  /* [N, K], what the stored weights are */
    void *stored; /* [N, K] */
    float *bias;  /* [N] */
    clipc_linear linear;
    void *strips, *scale, *sums;
} layer;

static layer make_layer(size_t n_rows, size_t n_out, size_t n_in,
                        clipc_storage storage)
{
    layer l = { .n_rows = n_rows, .n_out = n_out, .n_in = n_in };
    clipc_kernels c;
    size_t n = n_out * n_in;

    clipc_kernels_init(&c, 0);
    l.x = aligned(n_rows * n_in * sizeof(float));
    l.wide = aligned(n * sizeof(float));
    l.bias = aligned(n_out * sizeof(float));
    for (size_t i = 0; i < n_rows * n_in; i++)
        l.x[i] = uniform();
    for (size_t i = 0; i < n_out; i++)
        l.bias[i] = uniform();
    l.stored = aligned(n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        uint16_t half = (uint16_t)(0x3000 + (i * 2654435761u >> 20) % 0xA00);
        half |= (uint16_t)(i * 40503u >> 3 & 1) << 15;
        if (storage == CLIPC_STORE_F32)
            ((float *)l.stored)[i] = uniform();
        else
            ((uint16_t *)l.stored)[i] = half;
    }
    c.widen(l.wide, l.stored, storage, n);
    l.linear = (clipc_linear){ .weight = { l.stored, storage, n_out, n_in },
                               .bias = l.bias };
    return l;
}

static void pack(layer *l, clipc_precision precision)
{
    clipc_kernels kernels;
    clipc_storage to = clipc_strips_storage(precision,
                                            l->linear.weight.storage);
    size_t count = clipc_strip_count(l->n_out);

    clipc_kernels_init(&kernels, clipc_cpu_features());
    l->strips = aligned(count * clipc_strip_bytes(to, l->n_in));
    l->scale = aligned(count * 64);
    l->sums = aligned(count * 64);
    clipc_pack_strips(&kernels, l->strips, l->scale, l->sums, to,
                      &l->linear.weight, 0, count);
    l->linear.strips = (clipc_strips){ l->strips, to, l->scale, l->sums };
}

static void free_layer(layer *l)
{
    free(l->x);
    free(l->wide);
    free(l->stored);
    free(l->bias);
    free(l->strips);
    free(l->scale);
    free(l->sums);
}

/* out [T, N] by n_threads parts, one after the other. */
static float *compute(const layer *l, unsigned features, clipc_gemm gemm,
                      clipc_precision precision, unsigned n_threads)
{
    clipc_linear_engine engine = { .gemm = gemm, .cache_bytes = 20000 };
    const clipc_kernels *kernels = &engine.kernels;
    clipc_kernels_init(&engine.kernels, features);
    clipc_operand in = { .format = clipc_linear_format(kernels, precision) };
    size_t bytes;
    float *out = aligned(l->n_rows * l->n_out * sizeof *out);

    in.stride = clipc_operand_stride(in.format, l->n_in);
    in.rows = aligned(l->n_rows * in.stride);
    in.scale = aligned(l->n_rows * sizeof(float));
    for (size_t i = 0; i < l->n_rows; i++)
        clipc_operand_put(&in, kernels, i, l->x + i * l->n_in, l->n_in);
    CHECK(clipc_linear_scratch(&bytes, &engine, l->n_in, l->n_rows));
    void *scratch = aligned(bytes);
    memset(out, 0xFF, l->n_rows * l->n_out * sizeof *out);
    for (unsigned thread = 0; thread < n_threads; thread++) {
        const clipc_linear_run run = {
            .linear = &l->linear,
            .precision = precision,
            .in = &in,
            .n_rows = l->n_rows,
            .finish = { .scale = 1.0f,
                        .out = out,
                        .out_stride = l->n_out * sizeof *out },
            .thread = thread,
            .n_threads = n_threads,
            .next = &l->linear,
            .scratch = scratch,
        };
        clipc_linear_compute(&engine, &run);
    }
    free(in.rows);
    free(in.scale);
    free(scratch);
    return out;
}

/* bound: relative to the sum of the products' magnitudes. */
static void check_layer(const layer *l, const float *out, double bound,
                        const char *what)
{
    for (size_t i = 0; i < l->n_rows; i++) {
        for (size_t j = 0; j < l->n_out; j++) {
            double want = (double)l->bias[j], size = fabs(want);
            for (size_t k = 0; k < l->n_in; k++) {
                double product = (double)l->x[i * l->n_in + k] *
                                 (double)l->wide[j * l->n_in + k];
                want += product;
                size += fabs(product);
            }
            double got = (double)out[i * l->n_out + j];
            if (!(fabs(got - want) <= bound * size))
                FAIL("%s, %zu rows, %zu of %zu -> %zu: [%zu, %zu] is %g, "
                     "not %g",
                     what, l->n_rows, j, l->n_in, l->n_out, i, j, got, want);
        }
    }
}

static const size_t shapes[][3] = {
    /* rows, outputs, inputs */
    { 1, 1, 1 },    { 1, 16, 64 },   { 2, 17, 33 },   { 7, 48, 65 },
    { 9, 49, 128 }, { 10, 95, 31 },  { 50, 96, 192 }, { 33, 144, 100 },
    { 65, 40, 70 }, { 3, 200, 300 }, { 4, 4304, 72 }, { 5, 72, 4304 },
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* Rounding errors of all K terms; bf16 and int8 round the operands first. */
static double bound_of(clipc_precision precision, size_t k)
{
    switch (precision) {
    case CLIPC_PRECISION_BF16: return 2.1 / 256 + (double)k * EPS;
    case CLIPC_PRECISION_INT8:
        return 0.06; /* each operand within 1/254 of its row's largest */
    default: return (double)(k + 2) * EPS;
    }
}

static void check_precision(clipc_gemm gemm, clipc_precision precision,
                            clipc_storage storage)
{
    for (size_t s = 0; s < N_SHAPES; s++) {
        layer l = make_layer(shapes[s][0], shapes[s][1], shapes[s][2],
                             storage);
        for (size_t v = 0; v < N_LEVELS; v++) {
            unsigned features = levels[v] & clipc_cpu_features();
            if (!level_is_new(v))
                continue;
            double bound = bound_of(precision, l.n_in);
            l.linear.strips.data = NULL;
            float *direct = compute(&l, features, gemm, precision, 1);
            check_layer(&l, direct, bound, "unpacked");
            float *split = compute(&l, features, gemm, precision, 3);
            check_layer(&l, split, bound, "unpacked, 3 threads");
            pack(&l, precision);
            float *packed = compute(&l, features, gemm, precision, 2);
            check_layer(&l, packed, bound, "packed, 2 threads");
            if (gemm == CLIPC_GEMM_NATIVE) {
                size_t bytes = l.n_rows * l.n_out * sizeof(float);
                CHECK_BYTES(split, direct, bytes);
                CHECK_BYTES(packed, direct, bytes);
            }
            free(direct);
            free(split);
            free(packed);
            free(l.strips);
            free(l.scale);
            free(l.sums);
            l.strips = l.scale = l.sums = NULL;
        }
        free_layer(&l);
    }
}

TEST(native_f32_is_within_its_bound)
{
    check_precision(CLIPC_GEMM_NATIVE, CLIPC_PRECISION_F32, CLIPC_STORE_F32);
    check_precision(CLIPC_GEMM_NATIVE, CLIPC_PRECISION_F32, CLIPC_STORE_F16);
    check_precision(CLIPC_GEMM_NATIVE, CLIPC_PRECISION_F32, CLIPC_STORE_BF16);
}

TEST(native_bf16_is_within_its_bound)
{
    check_precision(CLIPC_GEMM_NATIVE, CLIPC_PRECISION_BF16, CLIPC_STORE_F32);
    check_precision(CLIPC_GEMM_NATIVE, CLIPC_PRECISION_BF16, CLIPC_STORE_F16);
    check_precision(CLIPC_GEMM_NATIVE, CLIPC_PRECISION_BF16, CLIPC_STORE_BF16);
}

TEST(native_int8_is_within_its_bound)
{
    check_precision(CLIPC_GEMM_NATIVE, CLIPC_PRECISION_INT8, CLIPC_STORE_F32);
    check_precision(CLIPC_GEMM_NATIVE, CLIPC_PRECISION_INT8, CLIPC_STORE_F16);
    check_precision(CLIPC_GEMM_NATIVE, CLIPC_PRECISION_INT8, CLIPC_STORE_BF16);
}

TEST(openblas_is_within_its_bound)
{
    if (!clipc_openblas_version())
        SKIP("no OpenBLAS here");
    check_precision(CLIPC_GEMM_OPENBLAS, CLIPC_PRECISION_F32, CLIPC_STORE_F32);
    check_precision(CLIPC_GEMM_OPENBLAS, CLIPC_PRECISION_F32, CLIPC_STORE_F16);
    check_precision(CLIPC_GEMM_OPENBLAS, CLIPC_PRECISION_F32,
                    CLIPC_STORE_BF16);
}

#if CLIPC_BLAS
/* A library of tests/support/, as a path, loaded here too. */
static void *load_beside(const char *name, char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 64);
    if (n < 0)
        SKIP("no /proc/self/exe to find tests/support/%s by", name);
    path[n] = '\0';
    snprintf(strrchr(path, '/'), 64, "/../../support/%s", name);
    if (access(path, R_OK) != 0)
        FAIL("%s: not built", path);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        SKIP("%s", dlerror());
    return library;
}

TEST(accelerate_is_a_library_with_cblas_sgemm)
{
    static char path[4096];
    clipc_gemm gemm = CLIPC_GEMM_AUTO;
    clipc_error err = CLIPC_ERROR_INIT;

    if (access("/System/Library/Frameworks", F_OK) != 0) {
        CHECK_STATUS(clipc_gemm_select(&gemm, CLIPC_GEMM_ACCELERATE, true,
                                       false, &err),
                     CLIPC_ERR_UNSUPPORTED);
        CHECK_HAS(err.message, "Accelerate");
    }
    void *library = load_beside("blas.so", path, sizeof path);
    unsigned *calls = dlsym(library, "blas_calls");
    unsigned *wrong = dlsym(library, "blas_wrong");
    CHECK(calls && wrong);
    CHECK(clipc_accelerate_load(path));
    CHECK_OK(clipc_gemm_select(&gemm, CLIPC_GEMM_ACCELERATE, true, false,
                               &err),
             err);
    CHECK(gemm == CLIPC_GEMM_ACCELERATE);
    check_precision(CLIPC_GEMM_ACCELERATE, CLIPC_PRECISION_F32,
                    CLIPC_STORE_F32);
    check_precision(CLIPC_GEMM_ACCELERATE, CLIPC_PRECISION_F32,
                    CLIPC_STORE_F16);
    CHECK(*calls > 0);
    CHECK_INT(*wrong, 0);

    load_beside("shim.so", path, sizeof path); /* has no cblas_sgemm */
    CHECK(!clipc_accelerate_load(path));
    CHECK_STATUS(clipc_gemm_select(&gemm, CLIPC_GEMM_ACCELERATE, true, false,
                                   &err),
                 CLIPC_ERR_UNSUPPORTED);
}
#else
TEST(a_build_without_a_blas_names_the_one_asked_for)
{
    clipc_gemm gemm;
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK_STATUS(clipc_gemm_select(&gemm, CLIPC_GEMM_ACCELERATE, true, false,
                                   &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "Accelerate");
}
#endif

/* int8 sums are exact and all levels round alike afterwards. */
TEST(int8_bits_are_the_same_on_all_instruction_sets)
{
    for (size_t s = 0; s < N_SHAPES; s++) {
        layer l = make_layer(shapes[s][0], shapes[s][1], shapes[s][2],
                             CLIPC_STORE_F32);
        float *c = compute(&l, 0, CLIPC_GEMM_NATIVE, CLIPC_PRECISION_INT8, 1);
        for (size_t v = 1; v < N_LEVELS; v++) {
            if (!level_is_new(v))
                continue;
            float *x = compute(&l, levels[v] & clipc_cpu_features(),
                               CLIPC_GEMM_NATIVE, CLIPC_PRECISION_INT8, 1);
            CHECK_BYTES(x, c, l.n_rows * l.n_out * sizeof *x);
            free(x);
        }
        free(c);
        free_layer(&l);
    }
}

TEST(bits_of_a_row_do_not_depend_on_the_others)
{
    for (int p = CLIPC_PRECISION_F32; p <= CLIPC_PRECISION_INT8; p++) {
        layer l = make_layer(71, 83, 130, CLIPC_STORE_F32);
        for (size_t v = 0; v < N_LEVELS; v++) {
            unsigned features = levels[v] & clipc_cpu_features();
            if (!level_is_new(v))
                continue;
            float *all = compute(&l, features, CLIPC_GEMM_NATIVE,
                                 (clipc_precision)p, 1);
            for (size_t rows = 1; rows < 40; rows += 6) {
                layer part = l;
                part.n_rows = rows;
                part.x = l.x + 3 * l.n_in;
                float *some = compute(&part, features, CLIPC_GEMM_NATIVE,
                                      (clipc_precision)p, 2);
                CHECK_BYTES(some, all + 3 * l.n_out,
                            rows * l.n_out * sizeof *some);
                free(some);
            }
            free(all);
        }
        free_layer(&l);
    }
}

TEST(int8_of_a_row_that_is_not_finite_is_nan)
{
    layer l = make_layer(3, 20, 40, CLIPC_STORE_F32);
    l.x[1 * 40 + 7] = INFINITY;
    float *out = compute(&l, clipc_cpu_features(), CLIPC_GEMM_NATIVE,
                         CLIPC_PRECISION_INT8, 1);
    for (size_t i = 0; i < 60; i++)
        CHECK(isnan(out[i]) == (i / 20 == 1));
    free(out);
    free_layer(&l);
}

TEST(select_resolves_auto)
{
    clipc_gemm gemm;
    clipc_error err = CLIPC_ERROR_INIT;
    bool blas = clipc_openblas_version() != NULL;

    CHECK_OK(clipc_gemm_select(&gemm, CLIPC_GEMM_AUTO, true, false, &err),
             err);
    CHECK(gemm == CLIPC_GEMM_NATIVE);
    CHECK_OK(clipc_gemm_select(&gemm, CLIPC_GEMM_AUTO, false, false, &err),
             err);
    CHECK(gemm == (blas ? CLIPC_GEMM_OPENBLAS : CLIPC_GEMM_NATIVE));
    CHECK_STATUS(clipc_gemm_select(&gemm, (clipc_gemm)17, true, true, &err),
                 CLIPC_ERR_ARGUMENT);
}

#if CLIPC_OPENBLAS && (defined(__x86_64__) || defined(__i386__))
TEST(openblas_core_types_want_their_instructions)
{
    const unsigned sse = CLIPC_CPU_HAS_SSE3 | CLIPC_CPU_HAS_SSSE3 |
                         CLIPC_CPU_HAS_SSE41;
    const unsigned avx2 = sse | CLIPC_CPU_HAS_AVX | CLIPC_CPU_HAS_AVX2;
    const unsigned avx512 = avx2 | CLIPC_CPU_HAS_AVX512;
    static const struct {
        const char *core;
        bool on[4]; /* SSE2 alone, SSE4.1, AVX2, AVX-512 */
    } cases[] = {
        { "Generic", { true, true, true, true } },
        { "Prescott", { false, true, true, true } },
        { "Core2", { false, true, true, true } },
        { "Nehalem", { false, true, true, true } },
        { "Sandybridge", { false, false, true, true } },
        { "Haswell", { false, false, true, true } },
        { "Zen", { false, false, true, true } },
        { "SkylakeX", { false, false, false, true } },
        { "Cooperlake", { false, false, false, false } },   /* and BF16 */
        { "Opteron_SSE3", { false, false, false, false } }, /* 3DNow! */
        { "Piledriver", { false, false, false, false } },   /* FMA4 */
        { "of tomorrow", { true, true, true, true } },
    };
    const unsigned features[4] = { 0, sse, avx2, avx512 };
    const char *in_use = clipc_openblas_core();

    CHECK(!in_use || clipc_openblas_core_runs(in_use, clipc_cpu_features()));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t f = 0; f < 4; f++)
            if (clipc_openblas_core_runs(cases[i].core, features[f]) !=
                cases[i].on[f])
                FAIL("%s on CPU %zu", cases[i].core, f);
    CHECK(clipc_openblas_core_runs("Cooperlake", avx512 | CLIPC_CPU_HAS_BF16));
    CHECK(clipc_openblas_core_runs("Opteron_SSE3", sse | CLIPC_CPU_HAS_3DNOW));
    CHECK(clipc_openblas_core_runs("Piledriver", sse | CLIPC_CPU_HAS_FMA4));
}
#endif

TEST(openblas_says_what_it_is)
{
    const char *version = clipc_openblas_version();
    if (!version) {
        clipc_gemm gemm;
        clipc_error err = CLIPC_ERROR_INIT;
        CHECK(clipc_openblas_core() == NULL);
        CHECK(clipc_openblas_core_better() == NULL);
        CHECK_STATUS(clipc_gemm_select(&gemm, CLIPC_GEMM_OPENBLAS, true, false,
                                       &err),
                     CLIPC_ERR_UNSUPPORTED);
        CHECK_HAS(err.message, "OpenBLAS");
        return;
    }
    CHECK(version[0] >= '0' && version[0] <= '9');
    CHECK(strchr(version, '.') != NULL && strchr(version, ' ') == NULL);
    CHECK(clipc_openblas_core() != NULL);
    const char *better = clipc_openblas_core_better();
    if (better) {
        CHECK(strcmp(better, clipc_openblas_core()) != 0);
        CHECK(strcmp(better, "SkylakeX") == 0 ||
              strcmp(better, "Haswell") == 0);
    }
}
