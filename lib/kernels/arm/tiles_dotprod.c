/* SPDX-License-Identifier: MIT
 *
 * tiles_dotprod.c - products of bytes with SDOT: four bytes of K a lane, exact
 * sums.
 */
#if !defined(__ARM_FEATURE_DOTPROD)
#error "compile this file with -march=armv8.2-a+dotprod"
#endif
#define MULTIPLY_ADD(lane) "sdot %0.4s, %1.16b, %2.4b[" lane "]"
#include "kernels/arm/tiles_neon.h"
#include "kernels/arm/arm.h"

void clipc_tiles_init_dotprod(clipc_kernels *kernels)
{
    kernels->s8 = (clipc_tile_kernel){ .name = "dotprod 6x16",
                                       .format = CLIPC_OPERAND_S8,
                                       .max_rows = ROWS,
                                       .max_strips = 1,
                                       .run = run_tile };
}
