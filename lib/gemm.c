/* SPDX-License-Identifier: MIT
 *
 * gemm.c - OpenBLAS through cblas, on the calling thread. Built without it
 * where CLIPC_OPENBLAS is 0.
 *
 * Debian's OpenBLAS carries kernels for many CPUs and picks one when it is
 * loaded, by a list of CPU models: one that is newer than the list gets an
 * old core type, such as Prescott (SSE3) or Haswell (AVX2).
 */
#include "gemm.h"

#include "cpu.h"

#include <pthread.h>
#include <string.h>

#if CLIPC_OPENBLAS
#include <cblas.h>

static pthread_once_t version_once = PTHREAD_ONCE_INIT;
static char version[32];

/* openblas_get_config() is "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ...",
 * written to a buffer of its own on every call: asked once. */
static void read_version(void)
{
    const char *config = openblas_get_config();
    const char *name = strstr(config, "OpenBLAS ");
    const char *from = name ? name + strlen("OpenBLAS ") : config;
    size_t n = strcspn(from, " ");

    if (n >= sizeof version)
        n = sizeof version - 1;
    memcpy(version, from, n);
    version[n] = '\0';
}

const char *clipc_openblas_version(void)
{
    pthread_once(&version_once, read_version);
    return version;
}

const char *clipc_openblas_core(void)
{
    return openblas_get_corename();
}

#if defined(__x86_64__) || defined(__i386__)
/* Core types and the vectors their kernels use. Types that are not listed
 * run AVX-512 kernels, or are newer than this list: left alone. */
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
    const char *core = openblas_get_corename();
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
    cblas_sgemm(CblasRowMajor, CblasNoTrans, transpose_b, (blasint)m,
                (blasint)n, (blasint)k, 1.0f, a, (blasint)lda, b,
                (blasint)ldb, 0.0f, c, (blasint)ldc);
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
        asked = CLIPC_OPENBLAS && !vector ? CLIPC_GEMM_OPENBLAS
                                          : CLIPC_GEMM_NATIVE;
    if (asked != CLIPC_GEMM_NATIVE && asked != CLIPC_GEMM_OPENBLAS)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "gemm is %d, not a clipc_gemm", (int)asked);
#if CLIPC_OPENBLAS
    /* Asked first: setting it writes to state other contexts may be using. */
    if (asked == CLIPC_GEMM_OPENBLAS && !keep_blas_threads &&
        openblas_get_num_threads() != 1)
        openblas_set_num_threads(1);
#else
    (void)keep_blas_threads;
    if (asked == CLIPC_GEMM_OPENBLAS)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "this build has no OpenBLAS; use the native GEMM");
#endif
    *chosen = asked;
    return CLIPC_OK;
}
