/* SPDX-License-Identifier: MIT
 *
 * cpu.c - instruction sets from CPUID and XGETBV.
 *
 * Reference: Intel SDM volume 2, CPUID leaves 1 and 7; AMD APM volume 3,
 * CPUID Fn8000_0001.
 */
#include "base/cpu.h"

#include "base/os.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

/* Register state the operating system saves: XCR0. */
static uint64_t saved_states(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* The sets older than AVX2. c: ECX of leaf 1. */
static unsigned detect_older(unsigned c, bool ymm_saved)
{
    unsigned a, b, more = 0, d = 0, features = 0;

    __get_cpuid(0x80000001u, &a, &b, &more, &d);
    if (c & 1u << 0)
        features |= CLIPC_CPU_HAS_SSE3;
    if (c & 1u << 9)
        features |= CLIPC_CPU_HAS_SSSE3;
    if (c & 1u << 19)
        features |= CLIPC_CPU_HAS_SSE41;
    if (d & 1u << 31)
        features |= CLIPC_CPU_HAS_3DNOW;
    if (ymm_saved && c & 1u << 28)
        features |= CLIPC_CPU_HAS_AVX;
    if (ymm_saved && more & 1u << 16)
        features |= CLIPC_CPU_HAS_FMA4;
    return features;
}

static unsigned detect(void)
{
    const uint64_t ymm = 0x6, zmm = 0xE6, tiles = 0x60000; /* XCR0 bits */
    const unsigned amx_bf16 = 1u << 22, amx = 1u << 24, amx_int8 = 1u << 25;
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    unsigned a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    const unsigned osxsave = 1u << 27, fma_f16c = 1u << 12 | 1u << 29;
    uint64_t states = c & osxsave ? saved_states() : 0;
    unsigned features = detect_older(c, (states & ymm) == ymm);
    if ((c & fma_f16c) != fma_f16c || (states & ymm) != ymm ||
        !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 5))
        return features;
    unsigned more = 0, ignored;
    if (a >= 1)
        __get_cpuid_count(7, 1, &more, &ignored, &ignored, &ignored);
    features |= CLIPC_CPU_HAS_AVX2;
    if (more & 1u << 4)
        features |= CLIPC_CPU_HAS_AVXVNNI;
    if ((states & zmm) != zmm || (b & avx512) != avx512)
        return features;
    features |= CLIPC_CPU_HAS_AVX512;
    if (c & 1u << 11)
        features |= CLIPC_CPU_HAS_VNNI;
    if (more & 1u << 5)
        features |= CLIPC_CPU_HAS_BF16;
    if (!(d & amx) || (states & tiles) != tiles ||
        !(d & (amx_int8 | amx_bf16)) || !clipc_os_may_use_tiles())
        return features;
    if (d & amx_int8)
        features |= CLIPC_CPU_HAS_AMX_INT8;
    if (d & amx_bf16)
        features |= CLIPC_CPU_HAS_AMX_BF16;
    return features;
}
#else
static unsigned detect(void)
{
    return 0;
}
#endif

/* CPUID costs microseconds in a virtual machine and its answer stays, as do
 * the answers of a kernel. */
unsigned clipc_cpu_features(void)
{
    static _Atomic unsigned known; /* the features and one bit more */
    const unsigned asked = 1u << 31;
    unsigned features = atomic_load_explicit(&known, memory_order_relaxed);

    if (!features) {
        features = detect() | clipc_cpu_arm_features() | asked;
        atomic_store_explicit(&known, features, memory_order_relaxed);
    }
    return features & ~asked;
}

/* ---- in words ----------------------------------------------------------- */

/* Composed once. */
static char features_text[80];

static void compose_features(void)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        { CLIPC_CPU_HAS_AVX2, "avx2" },
        { CLIPC_CPU_HAS_AVXVNNI, "avxvnni" },
        { CLIPC_CPU_HAS_AVX512, "avx512" },
        { CLIPC_CPU_HAS_VNNI, "vnni" },
        { CLIPC_CPU_HAS_BF16, "bf16" },
        { CLIPC_CPU_HAS_AMX_INT8, "amx-int8" },
        { CLIPC_CPU_HAS_AMX_BF16, "amx-bf16" },
        { CLIPC_CPU_HAS_NEON, "neon" },
        { CLIPC_CPU_HAS_DOTPROD, "dotprod" },
        { CLIPC_CPU_HAS_I8MM, "i8mm" },
        { CLIPC_CPU_HAS_ARM_BF16, "bf16" },
        { CLIPC_CPU_HAS_SME_F32, "sme-f32" },
        { CLIPC_CPU_HAS_SME_BF16, "sme-bf16" },
        { CLIPC_CPU_HAS_SME_INT8, "sme-int8" },
    };
    const unsigned features = clipc_cpu_features();
    size_t n = 0;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (features & names[i].bit)
            n += (size_t)snprintf(features_text + n, sizeof features_text - n,
                                  "%s%s", n ? " " : "", names[i].name);
}

unsigned clipc_cpu_may_use(clipc_cpu cpu)
{
    static const unsigned levels[] = {
        [CLIPC_CPU_AUTO] = ~CLIPC_CPU_SME_UNTIMED,
        [CLIPC_CPU_C] = 0,
        [CLIPC_CPU_AVX2] = CLIPC_CPU_HAS_AVX2 | CLIPC_CPU_HAS_AVXVNNI,
        [CLIPC_CPU_AVX512] = ~(CLIPC_CPU_HAS_AMX_INT8 |
                               CLIPC_CPU_HAS_AMX_BF16),
        [CLIPC_CPU_AMX] = ~0u,
        [CLIPC_CPU_NEON] = CLIPC_CPU_HAS_NEON,
        [CLIPC_CPU_DOTPROD] = CLIPC_CPU_HAS_NEON | CLIPC_CPU_HAS_DOTPROD,
        [CLIPC_CPU_I8MM] = CLIPC_CPU_HAS_NEON | CLIPC_CPU_HAS_DOTPROD |
                           CLIPC_CPU_HAS_I8MM,
        [CLIPC_CPU_BF16] = ~CLIPC_CPU_ALL_SME,
        [CLIPC_CPU_SME] = ~0u,
    };
    return levels[cpu];
}

const char *clipc_cpu_feature_text(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, compose_features);
    return features_text;
}
