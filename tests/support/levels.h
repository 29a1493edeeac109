/* SPDX-License-Identifier: MIT
 *
 * levels.h - the instruction sets with which the tests compute whole layers.
 * On a CPU that lacks instructions several levels are equal: each different
 * level is computed once. Under an emulator, which is slow and can be several
 * CPUs one after the other, C is computed and all that the CPU has.
 */
#ifndef CLIPC_TEST_LEVELS_H
#define CLIPC_TEST_LEVELS_H

#include "base/cpu.h"
#include "support/test.h"

/* The features that a level may use, where the CPU has them. */
static const unsigned levels[] = { 0,
                                   CLIPC_CPU_HAS_AVX2,
                                   CLIPC_CPU_HAS_AVX2 | CLIPC_CPU_HAS_AVXVNNI,
                                   CLIPC_CPU_HAS_AVX2 | CLIPC_CPU_HAS_AVX512,
                                   CLIPC_CPU_HAS_AVX2 | CLIPC_CPU_HAS_AVX512 |
                                       CLIPC_CPU_HAS_VNNI,
                                   CLIPC_CPU_HAS_NEON,
                                   CLIPC_CPU_HAS_NEON | CLIPC_CPU_HAS_DOTPROD,
                                   CLIPC_CPU_HAS_NEON | CLIPC_CPU_HAS_I8MM,
                                   CLIPC_CPU_KERNELS };
enum { N_LEVELS = sizeof levels / sizeof levels[0] };

/* Whether level v differs from every earlier level on this CPU. */
static inline bool level_is_new(size_t v)
{
    const unsigned all = clipc_cpu_features();

    if (v > 0 && emulated())
        return v == N_LEVELS - 1 && (levels[v] & all) != 0;
    for (size_t i = 0; i < v; i++)
        if ((levels[i] & all) == (levels[v] & all))
            return false;
    return true;
}

#endif /* CLIPC_TEST_LEVELS_H */
