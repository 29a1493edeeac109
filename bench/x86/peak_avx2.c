/* SPDX-License-Identifier: MIT
 *
 * peak_avx2.c - multiply-adds on ymm registers alone: 12 independent sums, so
 * that two instructions a cycle with a latency of 4 never wait.
 */
#include "../peak.h"

#if !defined(__AVX2__) || !defined(__FMA__)
#error "needs -mavx2 -mfma"
#endif

#define CLOBBERS \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
        "xmm9", "xmm10", "xmm11", "xmm14", "xmm15", "cc"
#define ALL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define CLEAR(d) "vpxor %%xmm" #d ", %%xmm" #d ", %%xmm" #d "\n\t"
#define FMA(d) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #d "\n\t"
#define DOT(d) "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm" #d "\n\t"
/* Zeros: no denormals, whatever is added how often. */
#define LOOP(X) \
    __asm__ volatile(ALL(CLEAR) CLEAR(14) CLEAR(15) "1:\n\t" ALL(X) ALL(X) \
                         ALL(X) ALL(X) "dec %0\n\t" \
                                       "jnz 1b\n\t" \
                                       "vzeroupper" \
                     : "+r"(turns) \
                     : \
                     : CLOBBERS)

void bench_peak_f32_ymm(size_t turns)
{
    LOOP(FMA);
}

void bench_peak_int8_ymm(size_t turns)
{
    LOOP(DOT);
}
