/* SPDX-License-Identifier: MIT
 *
 * arm.c - calls the files of this folder that a processor's feature bits allow.
 */
#include "kernels/arm/arm.h"
#include "base/cpu.h"

void clipc_kernels_init_arm(clipc_kernels *kernels, unsigned features)
{
    if (features & CLIPC_CPU_HAS_NEON) {
        clipc_rows_init_neon(kernels);
        clipc_tiles_init_neon(kernels);
        clipc_strips_init_neon(kernels);
        clipc_vectors_init_neon(kernels);
    }
    if (features & CLIPC_CPU_HAS_DOTPROD)
        clipc_tiles_init_dotprod(kernels);
    if (features & CLIPC_CPU_HAS_I8MM)
        clipc_tiles_init_i8mm(kernels);
    if (features & CLIPC_CPU_HAS_ARM_BF16)
        clipc_tiles_init_bf16(kernels);
    clipc_tiles_init_sme(kernels, features & CLIPC_CPU_HAS_SME_F32,
                         features & CLIPC_CPU_HAS_SME_BF16,
                         features & CLIPC_CPU_HAS_SME_INT8,
                         features & CLIPC_CPU_SME_UNTIMED);
}

void clipc_resize_kernels_init_arm(clipc_resize_kernels *kernels,
                                   unsigned features)
{
    if (features & CLIPC_CPU_HAS_NEON)
        *kernels = (clipc_resize_kernels){
            .name = "neon",
            .split = clipc_resize_split_neon,
            .horizontal = clipc_resize_horizontal_neon,
            .vertical = clipc_resize_vertical_neon,
        };
}
