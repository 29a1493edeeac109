/* SPDX-License-Identifier: MIT
 *
 * processors.c - see processors.h.
 *
 * Reference: Linux Documentation/admin-guide/cgroup-v2.rst (cpu.max) and
 * cgroup-v1 (cpu.cfs_quota_us, cpu.cfs_period_us);
 * Documentation/ABI/testing/sysfs-devices-system-cpu (cpu_capacity, cache).
 */
#include "base/processors.h"

#include "base/os.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CPU_FOLDER "/sys/devices/system/cpu"

/* ---- small files of the system ------------------------------------------- */

/* Reads the start of a small file, terminated; false when it cannot. */
static bool read_small(const char *path, char *text, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;

    if (fd < 0)
        return false;
    while (n < capacity - 1) {
        ssize_t got = read(fd, text + n, capacity - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    close(fd);
    text[n] = '\0';
    return n > 0;
}

/* Reads a decimal number and steps over it; false where there is none. */
static bool read_number(const char **text, uint64_t *number)
{
    const char *s = *text;

    *number = 0;
    while (*s == ' ')
        s++;
    if (*s < '0' || *s > '9')
        return false;
    for (; *s >= '0' && *s <= '9'; s++)
        if (*number < UINT64_MAX / 16) /* far above any quota in use */
            *number = *number * 10 + (uint64_t)(*s - '0');
    *text = s;
    return true;
}

static unsigned least(unsigned a, unsigned b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* ---- processors of several kinds ----------------------------------------- */

/* How many processors folder/cpuN/name lists ("0-3,8"), 1 where it cannot be
 * read. */
static unsigned listed(const char *folder, size_t i, const char *name)
{
    char path[1100], text[1024];
    const char *at = text;
    uint64_t first, last, n = 0;

    snprintf(path, sizeof path, "%s/cpu%zu/%s", folder, i, name);
    if (!read_small(path, text, sizeof text))
        return 1;
    while (read_number(&at, &first)) {
        last = first;
        if (*at == '-') {
            at++;
            if (!read_number(&at, &last) || last < first)
                return 1;
        }
        n += last - first + 1;
        if (*at != ',')
            break;
        at++;
    }
    return n > 0 && n <= CLIPC_MAX_PROCESSORS ? (unsigned)n : 1;
}

/* Reads a number out of folder/cpuN/name, 0 where there is none. */
static uint64_t processor_number(const char *folder, size_t i,
                                 const char *name)
{
    char path[1100], text[32];
    const char *at = text;
    uint64_t number;

    snprintf(path, sizeof path, "%s/cpu%zu/%s", folder, i, name);
    return read_small(path, text, sizeof text) && read_number(&at, &number)
               ? number
               : 0;
}

static int by_size(const void *a, const void *b)
{
    return *(const uint16_t *)b - *(const uint16_t *)a;
}

unsigned clipc_cpu_fast(const char *folder, const bool may_run[], size_t n)
{
    uint16_t capacities[CLIPC_MAX_PROCESSORS]; /* 1024 is the fastest kind */
    unsigned n_known = 0, best = 0, most = 0;

    for (size_t i = 0; i < n && n_known < CLIPC_MAX_PROCESSORS; i++) {
        if (!may_run[i])
            continue;
        uint64_t capacity = processor_number(folder, i, "cpu_capacity");
        if (capacity == 0)
            return 0;
        capacities[n_known++] = capacity < 65535 ? (uint16_t)capacity : 65535;
    }
    qsort(capacities, n_known, sizeof capacities[0], by_size);
    for (unsigned used = 1; used <= n_known; used++)
        if (used * capacities[used - 1] > most) {
            most = used * capacities[used - 1];
            best = used;
        }
    return best;
}

size_t clipc_cpu_cache(const char *folder, const bool may_run[], size_t n)
{
    uint64_t most = 0;
    size_t fastest = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t capacity = may_run[i]
                                ? processor_number(folder, i, "cpu_capacity")
                                : 0;
        if (capacity > most) {
            most = capacity;
            fastest = i;
        }
    }
    for (int i = 0; i < 8; i++) { /* data, instructions, level 2, level 3 */
        char path[64];
        snprintf(path, sizeof path, "cache/index%d/level", i);
        if (processor_number(folder, fastest, path) == 2) {
            snprintf(path, sizeof path, "cache/index%d/size", i); /* "512K" */
            uint64_t kib = processor_number(folder, fastest, path);
            snprintf(path, sizeof path, "cache/index%d/shared_cpu_list", i);
            /* Threads of one core count as one. */
            unsigned n_cores = listed(folder, fastest, path) /
                               listed(folder, fastest,
                                      "topology/thread_siblings_list");
            return (size_t)(kib * 1024 / (n_cores ? n_cores : 1));
        }
    }
    return 0;
}

/* ---- control groups ------------------------------------------------------ */

/* The quota of one group folder, in processors, 0 where there is none. */
static unsigned folder_quota(const char *folder)
{
    char path[1100], text[64];
    const char *at = text;
    uint64_t quota, period;

    snprintf(path, sizeof path, "%s/cpu.max", folder); /* version 2 */
    if (read_small(path, text, sizeof text)) {
        if (!read_number(&at, &quota) || !read_number(&at, &period))
            return 0; /* "max 100000" */
    } else {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
        if (!read_small(path, text, sizeof text) ||
            !read_number(&at, &quota)) /* "-1": no quota */
            return 0;
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        at = text;
        if (!read_small(path, text, sizeof text) || !read_number(&at, &period))
            return 0;
    }
    if (quota == 0 || period == 0)
        return 0;
    uint64_t n = quota / period + (quota % period != 0);
    return n > 1u << 20 ? 1u << 20 : (unsigned)n;
}

/* The least quota of a group and the groups above it. */
static unsigned group_quota(const char *mount, const char *group, size_t len)
{
    char folder[1024];
    unsigned quota = 0;
    size_t root = strlen(mount);

    if (root + len >= sizeof folder)
        return 0;
    memcpy(folder, mount, root);
    memcpy(folder + root, group, len);
    for (size_t end = root + len;; end--) {
        if (end == root || folder[end] == '/' || end == root + len) {
            folder[end] = '\0';
            quota = least(quota, folder_quota(folder));
        }
        if (end == root)
            return quota;
    }
}

/* Whether a v1 line's list of controllers, "cpu,cpuacct", names "cpu". */
static bool has_cpu(const char *list, size_t len)
{
    while (len > 0) {
        const char *comma = memchr(list, ',', len);
        size_t n = comma ? (size_t)(comma - list) : len;
        if (n == 3 && memcmp(list, "cpu", 3) == 0)
            return true;
        list += comma ? n + 1 : n;
        len -= comma ? n + 1 : n;
    }
    return false;
}

unsigned clipc_cpu_quota(const char *cgroup_file, const char *mount)
{
    char text[4096], v1_mount[256];
    unsigned quota = 0;

    if (!read_small(cgroup_file, text, sizeof text))
        return 0;
    /* Lines are "id:controllers:path"; version 2 has no controllers. In a
     * container the path may be the host's: the mount is looked at too. */
    for (char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        char *list = memchr(line, ':', len);
        char *path = list ? memchr(list + 1, ':',
                                   len - (size_t)(list + 1 - line))
                          : NULL;
        if (path) {
            size_t list_len = (size_t)(path - list - 1);
            size_t path_len = len - (size_t)(path + 1 - line);
            if (list_len == 0) {
                quota = least(quota, group_quota(mount, path + 1, path_len));
            } else if (has_cpu(list + 1, list_len)) {
                int n = snprintf(v1_mount, sizeof v1_mount, "%s/%.*s", mount,
                                 (int)list_len, list + 1);
                if (n > 0 && (size_t)n < sizeof v1_mount)
                    quota = least(quota,
                                  group_quota(v1_mount, path + 1, path_len));
                n = snprintf(v1_mount, sizeof v1_mount, "%s/cpu", mount);
                if (n > 0 && (size_t)n < sizeof v1_mount)
                    quota = least(quota,
                                  group_quota(v1_mount, path + 1, path_len));
            }
        }
        line += len + (line[len] == '\n');
    }
    return quota;
}

/* ---- this process -------------------------------------------------------- */

unsigned clipc_cpu_available(void)
{
    bool may_run[CLIPC_MAX_PROCESSORS];
    size_t n = clipc_os_affinity(may_run, CLIPC_MAX_PROCESSORS);
    unsigned count = 0;

    for (size_t i = 0; i < n; i++)
        count += may_run[i];
    if (count == 0)
        count = clipc_os_processors();
    count = least(count,
                  clipc_cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup"));
    return count ? count : 1;
}

unsigned clipc_cpu_count(void)
{
    bool may_run[CLIPC_MAX_PROCESSORS];
    size_t n = clipc_os_affinity(may_run, CLIPC_MAX_PROCESSORS);
    unsigned count = clipc_cpu_available();

    count = least(count, clipc_os_fast_processors());
    return least(count, clipc_cpu_fast(CPU_FOLDER, may_run, n));
}

size_t clipc_cpu_cache_bytes(void)
{
    size_t bytes = clipc_os_cache_bytes();

    if (bytes == 0) {
        bool may_run[CLIPC_MAX_PROCESSORS];
        size_t n = clipc_os_affinity(may_run, CLIPC_MAX_PROCESSORS);
        bytes = clipc_cpu_cache(CPU_FOLDER, may_run, n);
    }
    return bytes ? bytes : (size_t)1 << 20;
}
