/* SPDX-License-Identifier: MIT
 *
 * cpu_arm.c - the instruction sets of 64-bit Arm. A program cannot ask such a
 * processor: the operating system says what its processes may use.
 *
 * Reference: Linux Documentation/arch/arm64/elf_hwcaps.rst; Apple,
 * "Determining Instruction Set Characteristics".
 */
#include "base/cpu_arm.h"

#if defined(__aarch64__) && (defined(__APPLE__) || defined(__linux__))
#include <stdint.h>

/* RDSVL: the bytes of a vector of SME, which must be there. The word instead of
 * the name: clang 14 does not know it. */
static unsigned sme_vector_bytes(void)
{
    uint64_t bytes;

    __asm__(".inst 0x04bf5820\n\t" /* rdsvl x0, #1 */
            "mov %0, x0"
            : "=r"(bytes)
            :
            : "x0");
    return (unsigned)bytes;
}

/* The bits of what SME has, where the kernels can use it. */
static unsigned sme_features(unsigned sme, unsigned has)
{
    const unsigned needed = 64;

    return sme && has && sme_vector_bytes() == needed
               ? has | CLIPC_CPU_SME_UNTIMED
               : 0;
}
#endif

#if !defined(__aarch64__)
unsigned clipc_cpu_arm_features(void)
{
    return 0;
}
#elif defined(__APPLE__)
#include <sys/sysctl.h>

static unsigned if_has(const char *name, unsigned bit)
{
    int has = 0;
    size_t size = sizeof has;

    return sysctlbyname(name, &has, &size, NULL, 0) == 0 && has ? bit : 0;
}

unsigned clipc_cpu_arm_features(void)
{
    return CLIPC_CPU_HAS_NEON |
           if_has("hw.optional.arm.FEAT_DotProd", CLIPC_CPU_HAS_DOTPROD) |
           if_has("hw.optional.arm.FEAT_I8MM", CLIPC_CPU_HAS_I8MM) |
           if_has("hw.optional.arm.FEAT_BF16", CLIPC_CPU_HAS_ARM_BF16) |
           sme_features(if_has("hw.optional.arm.FEAT_SME", 1),
                        if_has("hw.optional.arm.SME_F32F32",
                               CLIPC_CPU_HAS_SME_F32) |
                            if_has("hw.optional.arm.SME_B16F32",
                                   CLIPC_CPU_HAS_SME_BF16) |
                            if_has("hw.optional.arm.SME_I8I32",
                                   CLIPC_CPU_HAS_SME_INT8));
}
#elif defined(__linux__)
#include <sys/auxv.h>

unsigned clipc_cpu_arm_features(void)
{
    const unsigned long dotprod = 1ul << 20;                /* of HWCAP */
    const unsigned long i8mm = 1ul << 13, bf16 = 1ul << 14; /* of HWCAP2 */
    const unsigned long sme = 1ul << 23, sme_i8i32 = 1ul << 26;
    const unsigned long sme_b16f32 = 1ul << 28, sme_f32f32 = 1ul << 29;
    const unsigned long first = getauxval(AT_HWCAP);
    const unsigned long second = getauxval(AT_HWCAP2);

    return CLIPC_CPU_HAS_NEON | (first & dotprod ? CLIPC_CPU_HAS_DOTPROD : 0) |
           (second & i8mm ? CLIPC_CPU_HAS_I8MM : 0) |
           (second & bf16 ? CLIPC_CPU_HAS_ARM_BF16 : 0) |
           sme_features((second & sme) != 0,
                        (second & sme_f32f32 ? CLIPC_CPU_HAS_SME_F32 : 0) |
                            (second & sme_b16f32 ? CLIPC_CPU_HAS_SME_BF16
                                                 : 0) |
                            (second & sme_i8i32 ? CLIPC_CPU_HAS_SME_INT8 : 0));
}
#else
unsigned clipc_cpu_arm_features(void)
{
    return CLIPC_CPU_HAS_NEON;
}
#endif
