/* SPDX-License-Identifier: MIT
 *
 * os_windows.c - see os.h: Windows, 64 bits. os_windows_files.c has what
 * POSIX calls files.
 *
 * Sleepers share a few beds by the number's address, as in os_posix.c:
 * WaitOnAddress() would need a library that not all toolchains have.
 *
 * Reference: learn.microsoft.com, Win32 API: SleepConditionVariableSRW,
 * GetProcessAffinityMask, GetLogicalProcessorInformationEx.
 */
#ifdef _WIN32

#include "base/os.h"

#include "base/clock.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <windows.h>

/* ---- sleeping ------------------------------------------------------------ */

/* The opener changes the number, then locks the bed; a sleeper looks at the
 * number with the bed locked: it sees the change, or is woken. */
enum { BEDS = 16 };

typedef struct bed {
    SRWLOCK lock; /* all zero: open */
    CONDITION_VARIABLE woken;
} bed;

static bed *bed_of(atomic_uint *number)
{
    static bed beds[BEDS];
    return &beds[(uintptr_t)number / 64 % BEDS];
}

void clipc_os_sleep(atomic_uint *number, unsigned seen, int64_t timeout_ns)
{
    bed *b = bed_of(number);
    const int64_t ms = (timeout_ns + 999999) / 1000000;

    AcquireSRWLockExclusive(&b->lock);
    if (atomic_load(number) == seen)
        SleepConditionVariableSRW(&b->woken, &b->lock,
                                  timeout_ns == 0 ? INFINITE
                                  : ms < INFINITE ? (DWORD)ms
                                                  : INFINITE - 1,
                                  0);
    ReleaseSRWLockExclusive(&b->lock);
}

void clipc_os_wake(atomic_uint *number)
{
    bed *b = bed_of(number);

    AcquireSRWLockExclusive(&b->lock);
    WakeAllConditionVariable(&b->woken);
    ReleaseSRWLockExclusive(&b->lock);
}

/* ---- processors ---------------------------------------------------------- */

/* The mask is about the 64 processors of one group; both masks are 0 for a
 * process that runs in several groups. */
size_t clipc_os_affinity(bool may_run[], size_t capacity)
{
    DWORD_PTR ours = 0, system = 0;

    if (!GetProcessAffinityMask(GetCurrentProcess(), &ours, &system) ||
        ours == 0)
        return 0;
    if (capacity > 64)
        capacity = 64;
    for (size_t i = 0; i < capacity; i++)
        may_run[i] = ours >> i & 1;
    return capacity;
}

unsigned clipc_os_processors(void)
{
    const DWORD n = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    return n > 0 ? (unsigned)n : 1;
}

unsigned clipc_os_fast_processors(void)
{
    return 0;
}

size_t clipc_os_cache_bytes(void)
{
    DWORD n = 0;
    size_t bytes = 0;

    GetLogicalProcessorInformationEx(RelationCache, NULL, &n);
    unsigned char *list = n > 0 ? malloc(n) : NULL;
    if (list &&
        GetLogicalProcessorInformationEx(RelationCache, (void *)list, &n)) {
        for (DWORD at = 0; at < n;) {
            const SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX *entry =
                (const void *)(list + at);
            if (entry->Cache.Level == 2 && entry->Cache.CacheSize > bytes)
                bytes = entry->Cache.CacheSize;
            at += entry->Size;
        }
    }
    free(list);
    return bytes;
}

/* Windows 11 gives the tiles to a process that asks for them; nobody has tried
 * the asking with clipc. */
bool clipc_os_may_use_tiles(void)
{
    return false;
}

/* Time that Windows counts in ticks of some milliseconds. */
double clipc_os_thread_seconds(void)
{
    return clipc_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* ---- memory -------------------------------------------------------------- */

void *clipc_os_alloc_aligned(size_t alignment, size_t bytes)
{
    return _aligned_malloc(bytes ? bytes : alignment, alignment);
}

void clipc_os_free_aligned(void *p)
{
    _aligned_free(p);
}

/* ---- numbers ------------------------------------------------------------- */

double clipc_os_strtod(const char *text, locale_t locale)
{
    return _strtod_l(text, NULL, locale);
}

/* ---- files --------------------------------------------------------------- */

struct timespec clipc_os_modified(const struct stat *st)
{
    return st->st_mtim;
}

struct timespec clipc_os_changed(const struct stat *st)
{
    return st->st_ctim;
}

void clipc_os_copy_rights(int fd, const struct stat *old)
{
    (void)fd;
    (void)old;
}

/* ---- signals ------------------------------------------------------------- */

/* The system starts a thread of its own for what it has to tell. */
void clipc_os_without_signals(void (*run)(void *arg), void *arg)
{
    run(arg);
}

void clipc_os_without_sigpipe(void (*run)(void *arg), void *arg)
{
    run(arg);
}

#else

typedef int clipc_os_windows_is_elsewhere; /* ISO C wants a declaration */

#endif
