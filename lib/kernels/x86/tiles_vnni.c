/* SPDX-License-Identifier: MIT
 *
 * tiles_vnni.c - products of bytes with AVX-512 VNNI. vpdpbusd multiplies
 * unsigned bytes by signed bytes: the inputs are q + 128, the weights are
 * signed. The finish kernel subtracts 128 times the sum of a column's weights.
 * vpdpbusd adds four products without saturation: the sums are exact.
 */
#if !defined(__AVX512VNNI__)
#error "compile this file with -mavx512vnni"
#endif
#define MULTIPLY_ADD "vpdpbusd"
#include "kernels/x86/tiles_zmm.h"
#include "kernels/x86/x86.h"

void clipc_tiles_init_vnni(clipc_kernels *kernels)
{
    kernels->s8 = (clipc_tile_kernel){ .name = "avx512-vnni 9x48",
                                       .format = CLIPC_OPERAND_U8,
                                       .max_rows = ROWS,
                                       .max_strips = STRIPS,
                                       .run = run_tile };
}
