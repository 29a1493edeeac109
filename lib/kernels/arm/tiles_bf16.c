/* SPDX-License-Identifier: MIT
 *
 * tiles_bf16.c - products of bf16 with BFMMLA. Four inputs are added to a sum
 * two by two; each addition rounds to odd, and subnormal numbers count as zero.
 *
 * Reference: Arm Architecture Reference Manual, BFMMLA, with FPCR.EBF = 0, as
 * every Linux process has it.
 */
#if !defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#error "compile this file with -march=armv8.2-a+bf16"
#endif
#define MULTIPLY_ADD "bfmmla %0.4s, %1.8h, %2.8h"
#include "kernels/arm/tiles_mmla.h"
#include "kernels/arm/arm.h"

void clipc_tiles_init_bf16(clipc_kernels *kernels)
{
    kernels->bf16 = (clipc_tile_kernel){ .name = "bf16 6x16",
                                         .format = CLIPC_OPERAND_BF16,
                                         .max_rows = ROWS,
                                         .max_strips = 1,
                                         .run = run_tile,
                                         .group_rows = group_rows,
                                         .group = 2,
                                         .zip_strip = zip_strip };
}
