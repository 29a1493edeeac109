/* SPDX-License-Identifier: MIT
 *
 * x86.h - the kernels of x86-64, behind one call for each table. Each .c file
 * of this folder but x86.c implements one instruction set, and is compiled with
 * the flags of that set.
 */
#ifndef CLIPC_X86_H
#define CLIPC_X86_H

#include "kernels/kernels.h"
#include "kernels/resize_kernels.h"

/* Override entries of a table that C has filled, as CPU feature bits (cpu.h)
 * allow. */
void clipc_kernels_init_x86(clipc_kernels *kernels, unsigned features);
void clipc_resize_kernels_init_x86(clipc_resize_kernels *kernels,
                                   unsigned features);

/* ---- one initialiser a file, called by clipc_kernels_init_x86() --------- */

void clipc_rows_init_avx2(clipc_kernels *kernels);
void clipc_rows_init_avx512(clipc_kernels *kernels);
void clipc_tiles_init_avx2(clipc_kernels *kernels);
void clipc_tiles_s8_init_avx2(clipc_kernels *kernels);
void clipc_strips_init_avx2(clipc_kernels *kernels);
void clipc_vectors_init_avx2(clipc_kernels *kernels);
void clipc_tiles_init_avxvnni(clipc_kernels *kernels);
void clipc_tiles_init_avx512(clipc_kernels *kernels);
void clipc_strips_init_avx512(clipc_kernels *kernels);
void clipc_vectors_init_avx512(clipc_kernels *kernels);
void clipc_tiles_init_vnni(clipc_kernels *kernels);
/* always: also where f32 products are faster; for tests. */
void clipc_tiles_init_avx512bf16(clipc_kernels *kernels, bool always);
void clipc_tiles_init_amx(clipc_kernels *kernels, bool has_int8,
                          bool has_bf16);

/* ---- inner loops of the resize ------------------------------------------ */

void clipc_resize_split_avx2(uint8_t *planes, size_t stride,
                             const uint8_t *rgb, size_t n);
void clipc_resize_horizontal_avx2(uint8_t *out, const uint8_t *planes,
                                  size_t stride, const uint32_t *begin,
                                  const int16_t *high, const int16_t *low,
                                  size_t n_taps, size_t count);
void clipc_resize_vertical_avx2(uint8_t *out, const uint8_t *const *rows,
                                const int16_t *high, const int16_t *low,
                                size_t n_rows, size_t n_bytes);
void clipc_resize_horizontal_avx512(uint8_t *out, const uint8_t *planes,
                                    size_t stride, const uint32_t *begin,
                                    const int16_t *high, const int16_t *low,
                                    size_t n_taps, size_t count);
void clipc_resize_vertical_avx512(uint8_t *out, const uint8_t *const *rows,
                                  const int16_t *high, const int16_t *low,
                                  size_t n_rows, size_t n_bytes);

#endif /* CLIPC_X86_H */
