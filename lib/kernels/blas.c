/* SPDX-License-Identifier: MIT
 *
 * blas.c - OpenBLAS and Accelerate through cblas, on the calling thread. A
 * library that is not built in is refused by name.
 *
 * OpenBLAS is loaded on first use. Its constructor starts a thread for every
 * other CPU, and those threads spin while they wait. On two CPUs, of which
 * clipc uses both, the spinning costs most of a tenth of a second
 * (docs/SPEED.md, "Cold start").
 *
 * Debian's OpenBLAS carries kernels for many CPUs and picks one on loading, by
 * a list of CPU models: a CPU newer than the list gets an old core type, such
 * as Prescott (SSE3) or Haswell (AVX2). The variable OPENBLAS_CORETYPE names
 * another. OpenBLAS does not ask whether the CPU can run that core type, nor
 * whether a CPU without SSE3 can run Prescott's. The product would end in
 * SIGILL, so the core type is checked when OpenBLAS is loaded.
 *
 * Accelerate is a part of macOS. Its cblas_sgemm() has integers of 32 bits, as
 * that of Debian's OpenBLAS.
 */
#include "kernels/blas.h"

#include "base/cpu.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* ---- any CBLAS ----------------------------------------------------------- */

#if CLIPC_BLAS
#include <dlfcn.h>

/* cblas_sgemm(), whose enums are ints. */
typedef void (*sgemm_fn)(int order, int transpose_a, int transpose_b, int m,
                         int n, int k, float alpha, const float *a, int lda,
                         const float *b, int ldb, float beta, float *c,
                         int ldc);
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

/* Through memcpy(): ISO C converts no object pointer to a function pointer. */
static bool find(void *library, void *function, const char *name)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}
#endif

/* ---- OpenBLAS ------------------------------------------------------------ */

#if CLIPC_OPENBLAS
#include <cblas.h>

#define OPENBLAS "libopenblas.so.0"
#define OPENBLAS_OF_WINDOWS "libopenblas.dll"

_Static_assert(sizeof(blasint) == sizeof(int), "integers of 32 bits");

/* The functions in use; all NULL where OpenBLAS cannot be loaded. */
static struct {
    sgemm_fn sgemm;
    __typeof__(&openblas_get_config) get_config;
    __typeof__(&openblas_get_corename) get_corename;
    __typeof__(&openblas_get_num_threads) get_num_threads;
    __typeof__(&openblas_set_num_threads) set_num_threads;
    char version[32];
    char unfit[32]; /* core type that this CPU cannot run, or "" */
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

/* Core types and the newest instructions their kernels use. One that is not
 * listed is newer than this list: taken as fit. */
static const struct {
    const char *name;
    unsigned needs;
} cores[] = {
#if defined(__x86_64__) || defined(__i386__)
    { "Katmai", 0 },
    { "Coppermine", 0 },
    { "Northwood", 0 },
    { "Banias", 0 },
    { "Generic", 0 },
    { "Athlon", CLIPC_CPU_HAS_3DNOW },
    { "Opteron", CLIPC_CPU_HAS_3DNOW },
    { "Opteron_SSE3", CLIPC_CPU_HAS_3DNOW | CLIPC_CPU_HAS_SSE3 },
    { "Prescott", CLIPC_CPU_HAS_SSE3 },
    { "Barcelona", CLIPC_CPU_HAS_SSE3 },
    { "Atom", CLIPC_CPU_HAS_SSSE3 },
    { "Bobcat", CLIPC_CPU_HAS_SSSE3 },
    { "Core2", CLIPC_CPU_HAS_SSSE3 },
    { "Nano", CLIPC_CPU_HAS_SSSE3 },
    { "Penryn", CLIPC_CPU_HAS_SSE41 },
    { "Dunnington", CLIPC_CPU_HAS_SSE41 },
    { "Nehalem", CLIPC_CPU_HAS_SSE41 },
    { "Sandybridge", CLIPC_CPU_HAS_AVX },
    { "Bulldozer", CLIPC_CPU_HAS_FMA4 },
    { "Piledriver", CLIPC_CPU_HAS_FMA4 },
    { "Steamroller", CLIPC_CPU_HAS_FMA4 },
    { "Excavator", CLIPC_CPU_HAS_FMA4 },
    { "Haswell", CLIPC_CPU_HAS_AVX2 },
    { "Zen", CLIPC_CPU_HAS_AVX2 },
    { "SkylakeX", CLIPC_CPU_HAS_AVX512 },
    { "Cooperlake", CLIPC_CPU_HAS_AVX512 | CLIPC_CPU_HAS_BF16 },
    { "SapphireRapids", CLIPC_CPU_HAS_AVX512 | CLIPC_CPU_HAS_BF16 },
#else
    { "", 0 },
#endif
};

/* What a core type needs; false for one that is not listed. */
static bool core_needs(const char *core, unsigned *needs)
{
    for (size_t i = 0; core && i < sizeof cores / sizeof cores[0]; i++) {
        if (strcmp(core, cores[i].name) == 0) {
            *needs = cores[i].needs;
            return true;
        }
    }
    return false;
}

bool clipc_openblas_core_runs(const char *core, unsigned features)
{
    unsigned needs;

    return !core_needs(core, &needs) || (features & needs) == needs;
}

static void load_once(void)
{
    void *library = dlopen(OPENBLAS, RTLD_NOW | RTLD_LOCAL);

    if (!library)
        library = dlopen(OPENBLAS_OF_WINDOWS, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    if (!find(library, &blas.sgemm, "cblas_sgemm") ||
        !find(library, &blas.get_config, "openblas_get_config") ||
        !find(library, &blas.get_corename, "openblas_get_corename") ||
        !find(library, &blas.get_num_threads, "openblas_get_num_threads") ||
        !find(library, &blas.set_num_threads, "openblas_set_num_threads")) {
        blas.sgemm = NULL; /* another library of that name */
        return;
    }
    const char *core = blas.get_corename();
    if (clipc_openblas_core_runs(core, clipc_cpu_features())) {
        read_version(blas.get_config());
    } else {
        snprintf(blas.unfit, sizeof blas.unfit, "%s", core);
        blas.sgemm = NULL;
    }
}

/* Whether OpenBLAS can be used. Never unload OpenBLAS: its threads may be
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

const char *clipc_openblas_core_better(void)
{
    const unsigned features = clipc_cpu_features();
    unsigned needs;

    if (!core_needs(clipc_openblas_core(), &needs) ||
        needs & CLIPC_CPU_HAS_AVX512)
        return NULL;
    if (features & CLIPC_CPU_HAS_AVX512)
        return "SkylakeX";
    return features & CLIPC_CPU_HAS_AVX2 && !(needs & CLIPC_CPU_HAS_AVX2)
               ? "Haswell"
               : NULL;
}

static clipc_status fail_openblas(clipc_error *err)
{
    if (blas.unfit[0])
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "OpenBLAS would run its %s kernels, which need more "
                          "than this CPU has; check OPENBLAS_CORETYPE, or use "
                          "the native GEMM",
                          blas.unfit);
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "OpenBLAS (%s) cannot be loaded; install it, or use the "
                      "native GEMM",
                      OPENBLAS);
}

/* Ask first: setting the number writes to state that other contexts may be
 * using. */
static void set_one_thread(void)
{
    if (blas.get_num_threads() != 1)
        blas.set_num_threads(1);
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

static clipc_status fail_openblas(clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "this build has no OpenBLAS; use the native GEMM");
}

static void set_one_thread(void)
{
}
#endif

/* ---- Accelerate ---------------------------------------------------------- */

#define ACCELERATE "/System/Library/Frameworks/Accelerate.framework/Accelerate"

#if CLIPC_BLAS
static sgemm_fn accelerate; /* NULL where there is none */

bool clipc_accelerate_load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    accelerate = NULL;
    return library && find(library, &accelerate, "cblas_sgemm");
}

static void load_accelerate(void)
{
    if (!accelerate)
        (void)clipc_accelerate_load(ACCELERATE);
}

static bool has_accelerate(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load_accelerate);
    return accelerate != NULL;
}

/* ---- products ------------------------------------------------------------ */

static sgemm_fn sgemm_of(clipc_gemm gemm)
{
#if CLIPC_OPENBLAS
    if (gemm == CLIPC_GEMM_OPENBLAS)
        return blas.sgemm;
#else
    (void)gemm;
#endif
    return accelerate;
}

void clipc_blas_nt(clipc_gemm gemm, float *c, size_t ldc, const float *a,
                   size_t lda, const float *b, size_t ldb, size_t m, size_t n,
                   size_t k)
{
    sgemm_of(gemm)(ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, (int)m, (int)n, (int)k,
                   1.0f, a, (int)lda, b, (int)ldb, 0.0f, c, (int)ldc);
}

void clipc_blas_nn(clipc_gemm gemm, float *c, size_t ldc, const float *a,
                   size_t lda, const float *b, size_t ldb, size_t m, size_t n,
                   size_t k)
{
    sgemm_of(gemm)(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, (int)m, (int)n,
                   (int)k, 1.0f, a, (int)lda, b, (int)ldb, 0.0f, c, (int)ldc);
}
#else
static bool has_accelerate(void)
{
    return false;
}
#endif

/* ---- the choice ---------------------------------------------------------- */

clipc_status clipc_gemm_select(clipc_gemm *chosen, clipc_gemm asked,
                               bool vector, bool keep_blas_threads,
                               clipc_error *err)
{
    if (asked == CLIPC_GEMM_AUTO)
        asked = !vector && clipc_openblas_version() ? CLIPC_GEMM_OPENBLAS
                                                    : CLIPC_GEMM_NATIVE;
    if ((unsigned)asked > CLIPC_GEMM_ACCELERATE)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "gemm is %d, not a clipc_gemm", (int)asked);
    if (asked == CLIPC_GEMM_OPENBLAS && !clipc_openblas_version())
        return fail_openblas(err);
    if (asked == CLIPC_GEMM_ACCELERATE && !has_accelerate())
        return clipc_fail(
            err, CLIPC_ERR_UNSUPPORTED, -1,
            "Accelerate (%s) is a part of macOS and is not here; "
            "use the native GEMM",
            ACCELERATE);
    if (asked == CLIPC_GEMM_OPENBLAS && !keep_blas_threads)
        set_one_thread();
    *chosen = asked;
    return CLIPC_OK;
}
