/* SPDX-License-Identifier: MIT
 *
 * cpu.c - instruction sets from CPUID and XGETBV, and the number of
 * processors this process may keep busy: its affinity mask, and the CPU
 * quotas of its control groups.
 *
 * Reference: Intel SDM volume 2, CPUID leaves 1 and 7; AMD APM volume 3,
 * CPUID Fn8000_0001; Linux
 * Documentation/arch/x86/xstate.rst (ARCH_REQ_XCOMP_PERM),
 * Documentation/admin-guide/cgroup-v2.rst (cpu.max) and
 * cgroup-v1 (cpu.cfs_quota_us, cpu.cfs_period_us).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity, syscall */
#endif
#include "base/cpu.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

/* Register state the operating system saves: XCR0. */
static uint64_t saved_states(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Linux gives a process the 8 KiB of tile registers when it asks for them. */
static bool may_use_tiles(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    const long request_permission = 0x1023, tile_data = 18;
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}

/* The sets older than AVX2. c: ECX of leaf 1. */
static unsigned detect_older(unsigned c, bool ymm_saved)
{
    unsigned a, b, more = 0, d = 0, features = 0;

    __get_cpuid(0x80000001u, &a, &b, &more, &d);
    if (c & 1u << 0)
        features |= CLIPC_CPU_HAS_SSE3;
    if (c & 1u << 9)
        features |= CLIPC_CPU_HAS_SSSE3;
    if (c & 1u << 19)
        features |= CLIPC_CPU_HAS_SSE41;
    if (d & 1u << 31)
        features |= CLIPC_CPU_HAS_3DNOW;
    if (ymm_saved && c & 1u << 28)
        features |= CLIPC_CPU_HAS_AVX;
    if (ymm_saved && more & 1u << 16)
        features |= CLIPC_CPU_HAS_FMA4;
    return features;
}

static unsigned detect(void)
{
    const uint64_t ymm = 0x6, zmm = 0xE6, tiles = 0x60000; /* XCR0 bits */
    const unsigned amx_bf16 = 1u << 22, amx = 1u << 24, amx_int8 = 1u << 25;
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    unsigned a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 0;
    const unsigned osxsave = 1u << 27, fma_f16c = 1u << 12 | 1u << 29;
    uint64_t states = c & osxsave ? saved_states() : 0;
    unsigned features = detect_older(c, (states & ymm) == ymm);
    if ((c & fma_f16c) != fma_f16c || (states & ymm) != ymm ||
        !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 5))
        return features;
    unsigned more = 0, ignored;
    if (a >= 1)
        __get_cpuid_count(7, 1, &more, &ignored, &ignored, &ignored);
    features |= CLIPC_CPU_HAS_AVX2;
    if (more & 1u << 4)
        features |= CLIPC_CPU_HAS_AVXVNNI;
    if ((states & zmm) != zmm || (b & avx512) != avx512)
        return features;
    features |= CLIPC_CPU_HAS_AVX512;
    if (c & 1u << 11)
        features |= CLIPC_CPU_HAS_VNNI;
    if (more & 1u << 5)
        features |= CLIPC_CPU_HAS_BF16;
    if (!(d & amx) || (states & tiles) != tiles ||
        !(d & (amx_int8 | amx_bf16)) || !may_use_tiles())
        return features;
    if (d & amx_int8)
        features |= CLIPC_CPU_HAS_AMX_INT8;
    if (d & amx_bf16)
        features |= CLIPC_CPU_HAS_AMX_BF16;
    return features;
}
#else
static unsigned detect(void)
{
    return 0;
}
#endif

/* CPUID costs microseconds in a virtual machine and its answer stays, as do
 * the answers of a kernel. */
unsigned clipc_cpu_features(void)
{
    static _Atomic unsigned known; /* the features and one bit more */
    const unsigned asked = 1u << 31;
    unsigned features = atomic_load_explicit(&known, memory_order_relaxed);

    if (!features) {
        features = detect() | clipc_cpu_arm_features() | asked;
        atomic_store_explicit(&known, features, memory_order_relaxed);
    }
    return features & ~asked;
}

size_t clipc_cpu_cache_bytes(void)
{
    long bytes = -1;
#ifdef _SC_LEVEL2_CACHE_SIZE
    bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return bytes > 0 ? (size_t)bytes : (size_t)1 << 20;
}

/* ---- control groups ---------------------------------------------------- */

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

static unsigned least(unsigned a, unsigned b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
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

unsigned clipc_cpu_count(void)
{
    unsigned long mask[8192 / (8 * sizeof(unsigned long))]; /* 1 KiB */
    unsigned n = 0;

    memset(mask, 0, sizeof mask);
    if (sched_getaffinity(0, sizeof mask, (cpu_set_t *)(void *)mask) == 0) {
        for (size_t i = 0; i < sizeof mask / sizeof mask[0]; i++)
            n += (unsigned)__builtin_popcountl(mask[i]);
    } else {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        n = online > 0 ? (unsigned)online : 1;
    }
    n = least(n, clipc_cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup"));
    return n ? n : 1;
}

/* ---- in words ----------------------------------------------------------- */

/* Composed once. */
static char features_text[80];

static void compose_features(void)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        { CLIPC_CPU_HAS_AVX2, "avx2" },
        { CLIPC_CPU_HAS_AVXVNNI, "avxvnni" },
        { CLIPC_CPU_HAS_AVX512, "avx512" },
        { CLIPC_CPU_HAS_VNNI, "vnni" },
        { CLIPC_CPU_HAS_BF16, "bf16" },
        { CLIPC_CPU_HAS_AMX_INT8, "amx-int8" },
        { CLIPC_CPU_HAS_AMX_BF16, "amx-bf16" },
        { CLIPC_CPU_HAS_NEON, "neon" },
        { CLIPC_CPU_HAS_DOTPROD, "dotprod" },
        { CLIPC_CPU_HAS_I8MM, "i8mm" },
        { CLIPC_CPU_HAS_ARM_BF16, "bf16" },
    };
    const unsigned features = clipc_cpu_features();
    size_t n = 0;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (features & names[i].bit)
            n += (size_t)snprintf(features_text + n, sizeof features_text - n,
                                  "%s%s", n ? " " : "", names[i].name);
}

const char *clipc_cpu_feature_text(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, compose_features);
    return features_text;
}
