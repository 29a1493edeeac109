/* SPDX-License-Identifier: MIT
 *
 * tiles_avxvnni.c - products of bytes with AVX-VNNI, by the method of
 * tiles_vnni.c: inputs q + 128, exact sums.
 */
#if !defined(__AVXVNNI__)
#error "compile this file with -mavx2 -mavxvnni"
#endif
#define MULTIPLY_ADD "%{vex%} vpdpbusd"
#include "kernels/x86/tiles_ymm.h"
#include "kernels/x86/x86.h"

void clipc_tiles_init_avxvnni(clipc_kernels *kernels)
{
    kernels->s8 = (clipc_tile_kernel){ .name = "avx-vnni 6x16",
                                       .format = CLIPC_OPERAND_U8,
                                       .max_rows = ROWS,
                                       .max_strips = 1,
                                       .run = run_tile };
}
