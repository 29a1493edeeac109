/* SPDX-License-Identifier: MIT
 *
 * os_linux.c - see os.h: Linux, with glibc, musl or bionic.
 *
 * Reference: futex(2); Documentation/arch/x86/xstate.rst (ARCH_REQ_XCOMP_PERM);
 * Documentation/ABI/testing/sysfs-devices-system-cpu.
 */
#if defined(__linux__) && !CLIPC_POSIX_ONLY

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity, syscall */
#endif
#include "base/os.h"

#include "base/os_signal.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- sleeping ------------------------------------------------------------ */

/* The kernel reads the number as a plain one of 32 bits. */
static void futex(atomic_uint *number, int operation, unsigned value,
                  const struct timespec *timeout)
{
    _Static_assert(sizeof *number == 4, "a futex has 32 bits");
    syscall(SYS_futex, (void *)(uintptr_t)number, operation, value, timeout,
            NULL, 0);
}

void clipc_os_sleep(atomic_uint *number, unsigned seen, int64_t timeout_ns)
{
    const struct timespec timeout = { (time_t)(timeout_ns / 1000000000),
                                      (long)(timeout_ns % 1000000000) };

    futex(number, FUTEX_WAIT_PRIVATE, seen, timeout_ns ? &timeout : NULL);
}

void clipc_os_wake(atomic_uint *number)
{
    futex(number, FUTEX_WAKE_PRIVATE, INT_MAX, NULL);
}

/* ---- processors ---------------------------------------------------------- */

size_t clipc_os_affinity(bool may_run[], size_t capacity)
{
    enum { WORD = 8 * sizeof(unsigned long) };
    unsigned long mask[8192 / WORD]; /* 1 KiB */

    memset(mask, 0, sizeof mask);
    if (sched_getaffinity(0, sizeof mask, (cpu_set_t *)(void *)mask) != 0)
        return 0;
    if (capacity > 8192)
        capacity = 8192;
    for (size_t i = 0; i < capacity; i++)
        may_run[i] = mask[i / WORD] >> i % WORD & 1;
    return capacity;
}

unsigned clipc_os_processors(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

unsigned clipc_os_fast_processors(void)
{
    return 0;
}

/* glibc knows it on x86; elsewhere the files in /sys do (processors.c). */
size_t clipc_os_cache_bytes(void)
{
    long bytes = -1;
#ifdef _SC_LEVEL2_CACHE_SIZE
    bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return bytes > 0 ? (size_t)bytes : 0;
}

bool clipc_os_may_use_tiles(void)
{
#ifdef SYS_arch_prctl
    const long request_permission = 0x1023, tile_data = 18;
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}

/* ---- files, sockets, signals --------------------------------------------- */

struct timespec clipc_os_modified(const struct stat *st)
{
    return st->st_mtim;
}

struct timespec clipc_os_changed(const struct stat *st)
{
    return st->st_ctim;
}

int clipc_os_socket(int domain, int type, int protocol)
{
    return socket(domain, type | SOCK_CLOEXEC, protocol);
}

void clipc_os_take_signal(const sigset_t *set)
{
    const struct timespec now = { 0, 0 };

    while (sigtimedwait(set, NULL, &now) < 0 && errno == EINTR)
        ;
}

#else

typedef int clipc_os_linux_is_elsewhere; /* ISO C wants a declaration */

#endif
