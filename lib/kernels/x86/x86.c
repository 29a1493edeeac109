/* SPDX-License-Identifier: MIT
 *
 * x86.c - calls the files of this folder that a processor's feature bits allow.
 */
#include "kernels/x86/x86.h"
#include "base/cpu.h"

void clipc_kernels_init_x86(clipc_kernels *kernels, unsigned features)
{
    if (features & CLIPC_CPU_HAS_AVX2) {
        clipc_rows_init_avx2(kernels);
        clipc_tiles_init_avx2(kernels);
        clipc_tiles_s8_init_avx2(kernels);
        clipc_strips_init_avx2(kernels);
        clipc_vectors_init_avx2(kernels);
    }
    if (features & CLIPC_CPU_HAS_AVXVNNI)
        clipc_tiles_init_avxvnni(kernels);
    if (features & CLIPC_CPU_HAS_AVX512) {
        clipc_rows_init_avx512(kernels);
        clipc_tiles_init_avx512(kernels);
        clipc_strips_init_avx512(kernels);
        clipc_vectors_init_avx512(kernels);
    }
    if (features & CLIPC_CPU_HAS_VNNI)
        clipc_tiles_init_vnni(kernels);
    if ((features & CLIPC_CPU_HAS_BF16) &&
        !(features & CLIPC_CPU_HAS_AMX_BF16))
        clipc_tiles_init_avx512bf16(kernels, false);
    clipc_tiles_init_amx(kernels, features & CLIPC_CPU_HAS_AMX_INT8,
                         features & CLIPC_CPU_HAS_AMX_BF16);
}

void clipc_resize_kernels_init_x86(clipc_resize_kernels *kernels,
                                   unsigned features)
{
    if (features & CLIPC_CPU_HAS_AVX2) {
        kernels->name = "avx2";
        kernels->split = clipc_resize_split_avx2;
        kernels->horizontal = clipc_resize_horizontal_avx2;
        kernels->vertical = clipc_resize_vertical_avx2;
    }
    if (features & CLIPC_CPU_HAS_AVX512) {
        kernels->name = "avx512";
        kernels->horizontal = clipc_resize_horizontal_avx512;
        kernels->vertical = clipc_resize_vertical_avx512;
    }
}
