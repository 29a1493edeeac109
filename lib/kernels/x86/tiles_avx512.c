/* SPDX-License-Identifier: MIT
 *
 * tiles_avx512.c - f32 products with AVX-512: chains of fused multiply-adds.
 */
#if !defined(__AVX512F__)
#error "compile this file with -mavx512f"
#endif
#define MULTIPLY_ADD "vfmadd231ps"
#include "kernels/x86/tiles_zmm.h"
#include "kernels/x86/x86.h"

void clipc_tiles_init_avx512(clipc_kernels *kernels)
{
    kernels->f32 = (clipc_tile_kernel){ .name = "avx512 9x48",
                                        .format = CLIPC_OPERAND_F32,
                                        .max_rows = ROWS,
                                        .max_strips = STRIPS,
                                        .run = run_tile };
}
