/* SPDX-License-Identifier: MIT
 *
 * unroll.h - what every file for one instruction set needs of the compiler:
 * functions whose constant arguments make variants, and loops of at most 16
 * steps without a counter, so that arrays of vectors become registers.
 */
#ifndef CLIPC_X86_UNROLL_H
#define CLIPC_X86_UNROLL_H

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#endif /* CLIPC_X86_UNROLL_H */
