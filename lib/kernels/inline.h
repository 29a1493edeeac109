/* SPDX-License-Identifier: MIT
 *
 * inline.h - the requests of inner loops to the compiler. An INLINE
 * function makes a variant for each set of constant arguments. An UNROLL loop,
 * of at most 16 steps, has no counter, so that an array of vectors becomes
 * registers. A KEEP_ROLLED loop is not unrolled.
 */
#ifndef CLIPC_INLINE_H
#define CLIPC_INLINE_H

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define KEEP_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define KEEP_ROLLED _Pragma("GCC unroll 1")
#endif

#endif /* CLIPC_INLINE_H */
