/* SPDX-License-Identifier: MIT
 *
 * numbers.h - numbers of the command line, strictly read.
 */
#ifndef CLIPC_TOOL_NUMBERS_H
#define CLIPC_TOOL_NUMBERS_H

#include <stdint.h>

/* Decimal digits only, within [min, max]; else a usage error that names the
 * option. */
uint64_t tool_whole(const char *option, const char *text, uint64_t min,
                    uint64_t max);

/* The same from 1 on, with an optional unit: bytes (B, K, KiB, M, MiB, G, GiB
 * in powers of 1024; kB, MB, GB in powers of 1000), and pixels (M or MP for a
 * million). */
uint64_t tool_bytes(const char *option, const char *text, uint64_t max);
uint64_t tool_pixels(const char *option, const char *text, uint64_t max);

/* Seconds with at most three decimals and an optional s, or milliseconds with
 * ms: as milliseconds in [1, 86400000]. */
unsigned tool_seconds(const char *option, const char *text);

#endif /* CLIPC_TOOL_NUMBERS_H */
