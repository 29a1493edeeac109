/* SPDX-License-Identifier: MIT
 *
 * peak_neon.c - FMLA on registers alone.
 */
#include "peak_arm.h"

#define MULTIPLY_ADD(d) "fmla v" #d ".4s, v30.4s, v31.4s\n\t"

void bench_peak_f32_neon(size_t turns)
{
    BENCH_LOOP(turns, MULTIPLY_ADD);
}
