/* SPDX-License-Identifier: MIT
 *
 * peak_bf16.c - BFMMLA on registers alone.
 */
#include "peak_arm.h"

#define MULTIPLY_ADD(d) "bfmmla v" #d ".4s, v30.8h, v31.8h\n\t"

void bench_peak_bf16_arm(size_t turns)
{
    BENCH_LOOP(turns, MULTIPLY_ADD);
}
