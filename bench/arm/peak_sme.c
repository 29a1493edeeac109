/* SPDX-License-Identifier: MIT
 *
 * peak_sme.c - outer products on registers alone: four sums of 16 x 16, in the
 * tiles of ZA. One block of assembly from SMSTART to SMSTOP, as the kernels
 * have (lib/kernels/arm/tiles_sme.c).
 */
#include "../peak.h"

#define FMOPA(za) "fmopa za" #za ".s, p0/m, p0/m, z0.s, z1.s\n\t"
#define BFMOPA(za) "bfmopa za" #za ".s, p0/m, p0/m, z0.h, z1.h\n\t"
#define SMOPA(za) "smopa za" #za ".s, p0/m, p0/m, z0.b, z1.b\n\t"
#define EACH(OP) OP(0) OP(1) OP(2) OP(3)
#define CLOBBERS \
    "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", \
        "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", \
        "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", \
        "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", \
        "p11", "p12", "p13", "p14", "p15", "cc"
/* Zeros: no denormals, whatever is added how often. */
#define DEFINE_LOOP(name, OP) \
    void name(size_t turns) \
    { \
        __asm__ volatile(".arch_extension sve\n\t" \
                         ".arch_extension sme\n\t" \
                         "smstart\n\t" /* and all vectors are zero */ \
                         "zero {za}\n\t" \
                         "ptrue p0.b\n" \
                         "1:\n\t" EACH(OP) EACH(OP) "subs %0, %0, #1\n\t" \
                                                    "b.ne 1b\n\t" \
                                                    "smstop" \
                         : "+r"(turns) \
                         : \
                         : CLOBBERS); \
    }
DEFINE_LOOP(bench_peak_f32_sme, FMOPA)
DEFINE_LOOP(bench_peak_bf16_sme, BFMOPA)
DEFINE_LOOP(bench_peak_int8_sme, SMOPA)
