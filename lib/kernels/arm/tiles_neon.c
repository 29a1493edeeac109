/* SPDX-License-Identifier: MIT
 *
 * tiles_neon.c - f32 products with NEON: chains of fused multiply-adds, the
 * bits of AVX2.
 */
#define MULTIPLY_ADD(lane) "fmla %0.4s, %1.4s, %2.s[" lane "]"
#include "kernels/arm/tiles_neon.h"
#include "kernels/arm/arm.h"

void clipc_tiles_init_neon(clipc_kernels *kernels)
{
    kernels->f32 = (clipc_tile_kernel){ .name = "neon 6x16",
                                        .format = CLIPC_OPERAND_F32,
                                        .max_rows = ROWS,
                                        .max_strips = 1,
                                        .run = run_tile };
}
