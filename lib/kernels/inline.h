/* SPDX-License-Identifier: MIT
 *
 * inline.h - the two requests of inner loops to the compiler. An INLINE
 * function makes a variant for each set of constant arguments. An UNROLL loop,
 * of at most 16 steps, has no counter, so that an array of vectors becomes
 * registers.
 */
#ifndef CLIPC_INLINE_H
#define CLIPC_INLINE_H

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#endif /* CLIPC_INLINE_H */
