/* SPDX-License-Identifier: MIT
 *
 * dispatch.c - see dispatch.h. A family of processors has one folder, and one
 * call for each table.
 */
#include "kernels/dispatch.h"

#if defined(__x86_64__)
#include "kernels/x86/x86.h"
#elif defined(__aarch64__)
#include "kernels/arm/arm.h"
#endif

void clipc_kernels_init(clipc_kernels *kernels, unsigned features)
{
    clipc_rows_init_c(kernels);
    clipc_tiles_init_c(kernels);
    clipc_vectors_init_c(kernels);
#if defined(__x86_64__)
    clipc_kernels_init_x86(kernels, features);
#elif defined(__aarch64__)
    clipc_kernels_init_arm(kernels, features);
#else
    (void)features;
#endif
    if (kernels->s8.format == CLIPC_OPERAND_U8)
        kernels->row_s8 = kernels->row_u8;
}

void clipc_resize_kernels_init(clipc_resize_kernels *kernels,
                               unsigned features)
{
    clipc_resize_kernels_init_c(kernels);
#if defined(__x86_64__)
    clipc_resize_kernels_init_x86(kernels, features);
#elif defined(__aarch64__)
    clipc_resize_kernels_init_arm(kernels, features);
#else
    (void)features;
#endif
}
