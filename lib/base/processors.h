/* SPDX-License-Identifier: MIT
 *
 * processors.h - how many processors this process may keep busy, and the size
 * of their cache: the affinity mask, the kinds of processors, and the CPU
 * quotas of control groups.
 */
#ifndef CLIPC_PROCESSORS_H
#define CLIPC_PROCESSORS_H

#include "base/base.h"

#define CLIPC_MAX_PROCESSORS 8192u

/* Bytes of one core's second-level cache; 1 MiB where the size is unknown. */
size_t clipc_cpu_cache_bytes(void);

/* Processors that the work of this process may keep busy, by affinity mask and
 * cgroup quota, at least 1. */
unsigned clipc_cpu_available(void);

/* Of those, the ones that compute most together: on processors of several
 * kinds the fast ones (clipc_cpu_fast). At least 1. */
unsigned clipc_cpu_count(void);

/* ---- what they are made of ----------------------------------------------- */
/* The folders and files are parameters so that a test can bring its own. */

/* How many of the processors i with may_run[i] to use, the fastest first: work
 * is split into equal parts, so N processors compute as fast as N times the
 * slowest of them; the N with the most. 0 where the processors' capacities are
 * not known. folder: /sys/devices/system/cpu. */
unsigned clipc_cpu_fast(const char *folder, const bool may_run[], size_t n);

/* Bytes of the second-level cache of the fastest processor, or of the first
 * where all are alike: its part, where cores share it. 0 where the folder does
 * not say. */
size_t clipc_cpu_cache(const char *folder, const bool may_run[], size_t n);

/* Processors that the CPU quotas of this process's control groups are worth,
 * rounded up; 0 where there is no quota. cgroup_file: /proc/self/cgroup;
 * mount: /sys/fs/cgroup. */
unsigned clipc_cpu_quota(const char *cgroup_file, const char *mount);

#endif /* CLIPC_PROCESSORS_H */
