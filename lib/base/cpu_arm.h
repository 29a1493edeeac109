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
/* FEAT_SME with vectors of 64 bytes, the length that the kernels are for. */
#define CLIPC_CPU_HAS_SME_F32 0x100000u  /* FMOPA of f32 */
#define CLIPC_CPU_HAS_SME_BF16 0x200000u /* BFMOPA into f32 */
#define CLIPC_CPU_HAS_SME_INT8 0x400000u /* SMOPA of bytes */
/* Comes with them, and no processor's: SME is used without asking a timing
 * whether it pays. What chooses for itself takes the bit out. */
#define CLIPC_CPU_SME_UNTIMED 0x800000u
#define CLIPC_CPU_ALL_SME \
    (CLIPC_CPU_HAS_SME_F32 | CLIPC_CPU_HAS_SME_BF16 | \
     CLIPC_CPU_HAS_SME_INT8 | CLIPC_CPU_SME_UNTIMED)

/* The bits of what this processor has, as the operating system says; 0 on
 * other processors. */
unsigned clipc_cpu_arm_features(void);

#endif /* CLIPC_CPU_ARM_H */
