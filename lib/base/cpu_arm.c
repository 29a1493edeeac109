/* SPDX-License-Identifier: MIT
 *
 * cpu_arm.c - the instruction sets of 64-bit Arm. A program cannot ask such a
 * processor: the operating system says what its processes may use.
 *
 * Reference: Linux Documentation/arch/arm64/elf_hwcaps.rst; Apple,
 * "Determining Instruction Set Characteristics".
 */
#include "base/cpu_arm.h"

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
           if_has("hw.optional.arm.FEAT_BF16", CLIPC_CPU_HAS_ARM_BF16);
}
#elif defined(__linux__)
#include <sys/auxv.h>

unsigned clipc_cpu_arm_features(void)
{
    const unsigned long dotprod = 1ul << 20;                /* of HWCAP */
    const unsigned long i8mm = 1ul << 13, bf16 = 1ul << 14; /* of HWCAP2 */
    const unsigned long first = getauxval(AT_HWCAP);
    const unsigned long second = getauxval(AT_HWCAP2);

    return CLIPC_CPU_HAS_NEON | (first & dotprod ? CLIPC_CPU_HAS_DOTPROD : 0) |
           (second & i8mm ? CLIPC_CPU_HAS_I8MM : 0) |
           (second & bf16 ? CLIPC_CPU_HAS_ARM_BF16 : 0);
}
#else
unsigned clipc_cpu_arm_features(void)
{
    return CLIPC_CPU_HAS_NEON;
}
#endif
