/* SPDX-License-Identifier: MIT
 *
 * cpu_arm.h - the instruction sets of 64-bit Arm.
 */
#ifndef CLIPC_CPU_ARM_H
#define CLIPC_CPU_ARM_H

/* Bits beside those of cpu.h. */
#define CLIPC_CPU_HAS_NEON 0x10000u     /* every 64-bit Arm */
#define CLIPC_CPU_HAS_DOTPROD 0x20000u  /* FEAT_DotProd: SDOT */
#define CLIPC_CPU_HAS_I8MM 0x40000u     /* FEAT_I8MM: SMMLA */
#define CLIPC_CPU_HAS_ARM_BF16 0x80000u /* FEAT_BF16: BFMMLA */

/* The bits of what this processor has, as the operating system says; 0 on
 * other processors. */
unsigned clipc_cpu_arm_features(void);

#endif /* CLIPC_CPU_ARM_H */
