/* SPDX-License-Identifier: MIT
 *
 * clock.h - seconds for measurements.
 */
#ifndef CLIPC_CLOCK_H
#define CLIPC_CLOCK_H

#include <time.h>

/* Of a clock of clock_gettime(). */
static inline double clipc_clock(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif /* CLIPC_CLOCK_H */
