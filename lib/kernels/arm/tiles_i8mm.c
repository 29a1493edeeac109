/* SPDX-License-Identifier: MIT
 *
 * tiles_i8mm.c - products of bytes with SMMLA: exact sums.
 */
#if !defined(__ARM_FEATURE_MATMUL_INT8)
#error "compile this file with -march=armv8.2-a+i8mm"
#endif
#define MULTIPLY_ADD "smmla %0.4s, %1.16b, %2.16b"
#include "kernels/arm/tiles_mmla.h"
#include "kernels/arm/arm.h"

void clipc_tiles_init_i8mm(clipc_kernels *kernels)
{
    kernels->s8 = (clipc_tile_kernel){ .name = "i8mm 6x16",
                                       .format = CLIPC_OPERAND_S8,
                                       .max_rows = ROWS,
                                       .max_strips = 1,
                                       .run = run_tile,
                                       .group_rows = group_rows,
                                       .group = 2,
                                       .zip_strip = zip_strip };
}
