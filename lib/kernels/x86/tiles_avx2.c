/* SPDX-License-Identifier: MIT
 *
 * tiles_avx2.c - f32 products with AVX2 and FMA: chains of fused
 * multiply-adds.
 */
#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile this file with -mavx2 -mfma"
#endif
#define MULTIPLY_ADD "vfmadd231ps"
#include "kernels/x86/tiles_ymm.h"
#include "kernels/x86/x86.h"

void clipc_tiles_init_avx2(clipc_kernels *kernels)
{
    kernels->f32 = (clipc_tile_kernel){ .name = "avx2 6x16",
                                        .format = CLIPC_OPERAND_F32,
                                        .max_rows = ROWS,
                                        .max_strips = 1,
                                        .run = run_tile };
}
