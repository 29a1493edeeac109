/* SPDX-License-Identifier: MIT
 *
 * peak_arm.h - multiply-adds on registers alone: 24 independent sums, so that
 * four instructions a cycle with a latency of 4 never wait. A file for each
 * instruction includes this header and runs
 *
 *     BENCH_LOOP(turns, X)   X(d): the text of the instruction that adds
 *                            v30 * v31 to v<d>
 */
#ifndef CLIPC_BENCH_PEAK_ARM_H
#define CLIPC_BENCH_PEAK_ARM_H

#include "../peak.h"

/* clang-format off */
#define BENCH_ALL(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) \
    X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23)
/* clang-format on */
#define BENCH_CLEAR(d) "movi v" #d ".4s, #0\n\t"
#define BENCH_CLOBBERS \
    "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", \
        "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", \
        "v22", "v23", "v30", "v31", "cc"
/* Zeros: no denormals, whatever is added how often. */
#define BENCH_LOOP(turns, X) \
    __asm__ volatile(BENCH_ALL(BENCH_CLEAR) BENCH_CLEAR(30) \
                         BENCH_CLEAR(31) "1:\n\t" BENCH_ALL(X) \
                             BENCH_ALL(X) "subs %0, %0, #1\n\t" \
                                          "b.ne 1b" \
                     : "+r"(turns) \
                     : \
                     : BENCH_CLOBBERS)

#endif /* CLIPC_BENCH_PEAK_ARM_H */
