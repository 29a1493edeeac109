/* SPDX-License-Identifier: MIT
 *
 * peak_avx512.c - multiply-adds on zmm registers alone: 24 independent sums,
 * enough for two instructions a cycle with a latency of 8 and more.
 */
#include "../peak.h"

#if !defined(__AVX512F__) || !defined(__AVX512VNNI__) || \
    !defined(__AVX512BF16__)
#error "needs -mavx512f -mavx512vnni -mavx512bf16"
#endif

#define CLOBBERS \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
        "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", \
        "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", \
        "xmm23", "xmm30", "xmm31", "cc"
/* clang-format off */
#define ALL(X)                                                             \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)    \
    X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23)
#define CLEAR(d) "vpxord %%zmm" #d ", %%zmm" #d ", %%zmm" #d "\n\t"
#define FMA(d) "vfmadd231ps %%zmm30, %%zmm31, %%zmm" #d "\n\t"
#define DOT_INT8(d) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #d "\n\t"
#define DOT_BF16(d) "vdpbf16ps %%zmm30, %%zmm31, %%zmm" #d "\n\t"
#define LOOP(X)                                                            \
    __asm__ volatile(ALL(CLEAR) CLEAR(30) CLEAR(31)                        \
                     "1:\n\t" ALL(X) ALL(X)                                \
                     "dec %0\n\t"                                          \
                     "jnz 1b\n\t"                                          \
                     "vzeroupper"                                          \
                     : "+r"(turns) : : CLOBBERS)
/* clang-format on */

void bench_peak_f32_zmm(size_t turns)
{
    LOOP(FMA);
}

void bench_peak_int8_zmm(size_t turns)
{
    LOOP(DOT_INT8);
}

void bench_peak_bf16_zmm(size_t turns)
{
    LOOP(DOT_BF16);
}
