/* SPDX-License-Identifier: MIT
 *
 * cpu.h - the instruction sets that this process may use.
 */
#ifndef CLIPC_CPU_H
#define CLIPC_CPU_H

#include "base/base.h"
#include "base/cpu_arm.h"

/* Bits of clipc_cpu_features(), never a model number. x86-64: CPUID and
 * XGETBV. cpu_arm.h has the bits of 64-bit Arm. */
#define CLIPC_CPU_HAS_AVX2 1u     /* AVX2, FMA, F16C, and the OS saves ymm */
#define CLIPC_CPU_HAS_AVX512 2u   /* AVX-512 F, BW, DQ, VL; the OS saves zmm */
#define CLIPC_CPU_HAS_VNNI 4u     /* AVX-512 VNNI on top */
#define CLIPC_CPU_HAS_BF16 8u     /* AVX-512 BF16 on top */
#define CLIPC_CPU_HAS_AVXVNNI 16u /* AVX-VNNI on top of AVX2 */
#define CLIPC_CPU_HAS_AMX_INT8 \
    32u                             /* AMX tiles of bytes; the OS saves them
                                    * and lets this process use them */
#define CLIPC_CPU_HAS_AMX_BF16 64u  /* AMX tiles of bf16, likewise */
#define CLIPC_CPU_KERNELS 0xFF00FFu /* the sets that have kernels here */
/* Older sets: no kernel here uses them, OpenBLAS's do. */
#define CLIPC_CPU_HAS_SSE3 0x100u
#define CLIPC_CPU_HAS_SSSE3 0x200u
#define CLIPC_CPU_HAS_SSE41 0x400u
#define CLIPC_CPU_HAS_AVX 0x800u /* and the OS saves ymm */
#define CLIPC_CPU_HAS_FMA4 0x1000u
#define CLIPC_CPU_HAS_3DNOW 0x2000u

unsigned clipc_cpu_features(void);

/* The bits that the kernels may use under `cpu`, a clipc_cpu, of those that are
 * there. */
unsigned clipc_cpu_may_use(clipc_cpu cpu);

/* The names of the features, separated by spaces; static, "" for none. */
const char *clipc_cpu_feature_text(void);

#endif /* CLIPC_CPU_H */
