/* SPDX-License-Identifier: MIT
 *
 * arm.h - the kernels of 64-bit Arm, behind one call for each table. Each .c
 * file of this folder but arm.c implements one instruction set, and is compiled
 * with the flags of that set.
 */
#ifndef CLIPC_ARM_H
#define CLIPC_ARM_H

#include "kernels/kernels.h"
#include "kernels/resize_kernels.h"

/* Override entries of a table that C has filled, as CPU feature bits (cpu.h)
 * allow. */
void clipc_kernels_init_arm(clipc_kernels *kernels, unsigned features);
void clipc_resize_kernels_init_arm(clipc_resize_kernels *kernels,
                                   unsigned features);

/* ---- one initialiser a file, called by clipc_kernels_init_arm() --------- */

void clipc_rows_init_neon(clipc_kernels *kernels);
void clipc_tiles_init_neon(clipc_kernels *kernels);
void clipc_strips_init_neon(clipc_kernels *kernels);
void clipc_vectors_init_neon(clipc_kernels *kernels);
void clipc_tiles_init_dotprod(clipc_kernels *kernels);
void clipc_tiles_init_i8mm(clipc_kernels *kernels);
void clipc_tiles_init_bf16(clipc_kernels *kernels);
/* f32 and int8 where a timing says that SME pays; always: all that it has. */
void clipc_tiles_init_sme(clipc_kernels *kernels, bool has_f32, bool has_bf16,
                          bool has_int8, bool always);

/* ---- inner loops of the resize ------------------------------------------ */

void clipc_resize_split_neon(uint8_t *planes, size_t stride,
                             const uint8_t *rgb, size_t n);
void clipc_resize_horizontal_neon(uint8_t *out, const uint8_t *planes,
                                  size_t stride, const uint32_t *begin,
                                  const int16_t *high, const int16_t *low,
                                  size_t n_taps, size_t count);
void clipc_resize_vertical_neon(uint8_t *out, const uint8_t *const *rows,
                                const int16_t *high, const int16_t *low,
                                size_t n_rows, size_t n_bytes);

#endif /* CLIPC_ARM_H */
