/* SPDX-License-Identifier: MIT
 *
 * openblas.c - OpenBLAS through cblas, on the calling thread. With
 * CLIPC_OPENBLAS 0 this file only answers that OpenBLAS is not built in.
 *
 * OpenBLAS is loaded on first use. Its constructor starts a thread for every
 * other CPU, and those threads spin while they wait. On two CPUs, of which
 * clipc uses both, the spinning costs most of a tenth of a second
 * (docs/SPEED.md, "Cold start").
 *
 * Debian's OpenBLAS carries kernels for many CPUs and picks one on loading, by
 * a list of CPU models: a CPU newer than the list gets an old core type, such
 * as Prescott (SSE3) or Haswell (AVX2).
 */
#include "kernels/openblas.h"

#include "base/cpu.h"

#include <pthread.h>
#include <string.h>

#if CLIPC_OPENBLAS
#include <cblas.h>
#include <dlfcn.h>

#define LIBRARY "libopenblas.so.0"

/* The functions in use; all NULL where OpenBLAS cannot be loaded. */
static struct {
    __typeof__(&cblas_sgemm) sgemm;
    __typeof__(&openblas_get_config) get_config;
    __typeof__(&openblas_get_corename) get_corename;
    __typeof__(&openblas_get_num_threads) get_num_threads;
    __typeof__(&openblas_set_num_threads) set_num_threads;
    char version[32];
} blas;

/* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..." */
static void read_version(const char *config)
{
    const char *name = strstr(config, "OpenBLAS ");
    const char *from = name ? name + strlen("OpenBLAS ") : config;
    size_t n = strcspn(from, " ");

    if (n >= sizeof blas.version)
        n = sizeof blas.version - 1;
    memcpy(blas.version, from, n);
    blas.version[n] = '\0';
}

/* Through memcpy(): ISO C converts no object pointer to a function pointer. */
static bool find(void *library, void *function, const char *name)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static void load_once(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    if (!library)
        return;
    if (find(library, &blas.sgemm, "cblas_sgemm") &&
        find(library, &blas.get_config, "openblas_get_config") &&
        find(library, &blas.get_corename, "openblas_get_corename") &&
        find(library, &blas.get_num_threads, "openblas_get_num_threads") &&
        find(library, &blas.set_num_threads, "openblas_set_num_threads"))
        read_version(blas.get_config());
    else
        blas.sgemm = NULL; /* another library of that name */
}

/* Whether OpenBLAS is there. Never unload OpenBLAS: its threads may be
 * running. */
static bool load(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load_once);
    return blas.sgemm != NULL;
}

const char *clipc_openblas_version(void)
{
    return load() ? blas.version : NULL;
}

const char *clipc_openblas_core(void)
{
    return load() ? blas.get_corename() : NULL;
}

#if defined(__x86_64__) || defined(__i386__)
/* Core types and the vectors that their kernels use. A type that is not listed
 * runs AVX-512 kernels or is newer than this list: no better type is known. */
static const struct {
    const char *core;
    enum { SSE, AVX, AVX2 } kernels;
} cores[] = {
    { "Katmai", SSE },    { "Coppermine", SSE },   { "Northwood", SSE },
    { "Banias", SSE },    { "Prescott", SSE },     { "Core2", SSE },
    { "Penryn", SSE },    { "Dunnington", SSE },   { "Nehalem", SSE },
    { "Atom", SSE },      { "Athlon", SSE },       { "Opteron", SSE },
    { "Opteron_SSE3", SSE }, { "Barcelona", SSE }, { "Bobcat", SSE },
    { "Nano", SSE },      { "Generic", SSE },      { "Sandybridge", AVX },
    { "Bulldozer", AVX }, { "Piledriver", AVX },   { "Steamroller", AVX },
    { "Excavator", AVX }, { "Haswell", AVX2 },     { "Zen", AVX2 },
};

const char *clipc_openblas_core_better(void)
{
    const char *core = clipc_openblas_core();
    unsigned features = clipc_cpu_features();

    for (size_t i = 0; core && i < sizeof cores / sizeof cores[0]; i++) {
        if (strcmp(core, cores[i].core) != 0)
            continue;
        if (features & CLIPC_CPU_HAS_AVX512)
            return "SkylakeX";
        if (cores[i].kernels < AVX2 && features & CLIPC_CPU_HAS_AVX2)
            return "Haswell";
    }
    return NULL;
}
#else
const char *clipc_openblas_core_better(void)
{
    return NULL;
}
#endif

static void product(enum CBLAS_TRANSPOSE transpose_b, float *c, size_t ldc,
                    const float *a, size_t lda, const float *b, size_t ldb,
                    size_t m, size_t n, size_t k)
{
    blas.sgemm(CblasRowMajor, CblasNoTrans, transpose_b, (blasint)m,
               (blasint)n, (blasint)k, 1.0f, a, (blasint)lda, b, (blasint)ldb,
               0.0f, c, (blasint)ldc);
}

void clipc_blas_nt(float *c, size_t ldc, const float *a, size_t lda,
                   const float *b, size_t ldb, size_t m, size_t n, size_t k)
{
    product(CblasTrans, c, ldc, a, lda, b, ldb, m, n, k);
}

void clipc_blas_nn(float *c, size_t ldc, const float *a, size_t lda,
                   const float *b, size_t ldb, size_t m, size_t n, size_t k)
{
    product(CblasNoTrans, c, ldc, a, lda, b, ldb, m, n, k);
}
#else
const char *clipc_openblas_version(void)
{
    return NULL;
}

const char *clipc_openblas_core(void)
{
    return NULL;
}

const char *clipc_openblas_core_better(void)
{
    return NULL;
}
#endif

clipc_status clipc_gemm_select(clipc_gemm *chosen, clipc_gemm asked,
                               bool vector, bool keep_blas_threads,
                               clipc_error *err)
{
    if (asked == CLIPC_GEMM_AUTO)
        asked = !vector && clipc_openblas_version() ? CLIPC_GEMM_OPENBLAS
                                                    : CLIPC_GEMM_NATIVE;
    if (asked != CLIPC_GEMM_NATIVE && asked != CLIPC_GEMM_OPENBLAS)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "gemm is %d, not a clipc_gemm", (int)asked);
    if (asked == CLIPC_GEMM_OPENBLAS && !clipc_openblas_version())
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          CLIPC_OPENBLAS
                              ? "OpenBLAS (libopenblas.so.0) cannot be loaded; "
                                "install it, or use the native GEMM"
                              : "this build has no OpenBLAS; use the native "
                                "GEMM");
#if CLIPC_OPENBLAS
    /* Ask first: setting the number writes to state that other contexts may be
     * using. */
    if (asked == CLIPC_GEMM_OPENBLAS && !keep_blas_threads &&
        blas.get_num_threads() != 1)
        blas.set_num_threads(1);
#else
    (void)keep_blas_threads;
#endif
    *chosen = asked;
    return CLIPC_OK;
}
