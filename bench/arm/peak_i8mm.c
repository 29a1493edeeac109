/* SPDX-License-Identifier: MIT
 *
 * peak_i8mm.c - SMMLA on registers alone.
 */
#include "peak_arm.h"

#define MULTIPLY_ADD(d) "smmla v" #d ".4s, v30.16b, v31.16b\n\t"

void bench_peak_int8_i8mm(size_t turns)
{
    BENCH_LOOP(turns, MULTIPLY_ADD);
}
