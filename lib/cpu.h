/* SPDX-License-Identifier: MIT
 *
 * cpu.h - what this process may use: instruction sets and processors.
 */
#ifndef CLIPC_CPU_H
#define CLIPC_CPU_H

#include "base.h"

/* Bits of clipc_cpu_features(): CPUID and XGETBV, never a model number. */
#define CLIPC_CPU_HAS_AVX2 1u   /* AVX2, FMA, F16C, and the OS saves ymm */
#define CLIPC_CPU_HAS_AVX512 2u /* AVX-512 F, BW, DQ, VL; the OS saves zmm */
#define CLIPC_CPU_HAS_VNNI 4u
#define CLIPC_CPU_HAS_BF16 8u

unsigned clipc_cpu_features(void);

/* Processors by affinity mask and cgroup quota, at least 1. */
unsigned clipc_cpu_count(void);

#endif /* CLIPC_CPU_H */
