/* SPDX-License-Identifier: MIT
 *
 * tiles_avx512bf16.c - bf16 products with AVX-512 BF16, used where they are
 * faster than f32 products with widened weights. Some processors run vdpbf16ps
 * as fast as a multiply-add, others four times slower. A few microseconds of
 * both instructions, in registers, decide. Subnormal numbers count as zero.
 */
#if !defined(__AVX512BF16__)
#error "compile this file with -mavx512bf16"
#endif
#define MULTIPLY_ADD "vdpbf16ps"
#include "kernels/x86/tiles_zmm.h"
#include "kernels/x86/x86.h"

#include <stdatomic.h>

/* The time of 12 chains of `instruction`, the least of several. */
#define DEFINE_TIMER(name, instruction) \
    static uint64_t name(void) \
    { \
        uint64_t least = UINT64_MAX; \
\
        for (int run = 0; run < 16; run++) { \
            __m512 sums[12], one = _mm512_set1_ps(1.0f); \
            UNROLL for (int i = 0; i < 12; i++) \
                sums[i] = _mm512_setzero_ps(); \
            uint64_t begin = __rdtsc(); \
            for (int n = 0; n < 64; n++) \
                UNROLL for (int i = 0; i < 12; i++) __asm__ volatile( \
                    instruction " %1, %1, %0" : "+v"(sums[i]) : "v"(one)); \
            uint64_t time = __rdtsc() - begin; \
            least = time < least ? time : least; \
        } \
        return least; \
    }
DEFINE_TIMER(time_bf16, "vdpbf16ps")
DEFINE_TIMER(time_f32, "vfmadd231ps")

/* vdpbf16ps computes twice the products of a multiply-add, so bf16 is faster if
 * vdpbf16ps takes less than twice the time. Measure once in a process, so that
 * all contexts compute alike. */
static bool is_faster(void)
{
    static _Atomic int known; /* 1: no, 2: yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);

    if (answer == 0) {
        int measured = time_bf16() < 2 * time_f32() ? 2 : 1;
        if (atomic_compare_exchange_strong(&known, &answer, measured))
            answer = measured;
    }
    return answer == 2;
}

void clipc_tiles_init_avx512bf16(clipc_kernels *kernels, bool always)
{
    if (always || is_faster())
        kernels->bf16 = (clipc_tile_kernel){ .name = "avx512-bf16 9x48",
                                             .format = CLIPC_OPERAND_BF16,
                                             .max_rows = ROWS,
                                             .max_strips = STRIPS,
                                             .run = run_tile };
}
