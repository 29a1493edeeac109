/* SPDX-License-Identifier: MIT
 *
 * os_posix.c - see os.h: systems without futexes, affinity masks and
 * sigtimedwait(). What macOS alone has stands between its own #if.
 *
 * Reference: POSIX.1-2008; sysctl(3) of macOS, hw.perflevel0.
 */
#if (!defined(__linux__) || CLIPC_POSIX_ONLY) && !defined(__wasi__) && \
    !defined(_WIN32)

#include "base/os.h"

#include "base/os_signal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

/* ---- sleeping ------------------------------------------------------------ */

/* Sleepers share a few beds by the number's address. The opener changes the
 * number, then locks the bed; a sleeper looks at the number with the bed
 * locked: it sees the change, or is woken. */
enum { BEDS = 16 };

typedef struct bed {
    pthread_mutex_t mutex;
    pthread_cond_t woken;
} bed;

#define BED \
    { \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER \
    }

static bed *bed_of(atomic_uint *number)
{
    static bed beds[BEDS] = { BED, BED, BED, BED, BED, BED, BED, BED,
                              BED, BED, BED, BED, BED, BED, BED, BED };
    return &beds[(uintptr_t)number / 64 % BEDS];
}

void clipc_os_sleep(atomic_uint *number, unsigned seen, int64_t timeout_ns)
{
    bed *b = bed_of(number);
    struct timespec until;

    /* The clock of a condition made without attributes. */
    clock_gettime(CLOCK_REALTIME, &until);
    int64_t ns = until.tv_nsec + timeout_ns;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);

    pthread_mutex_lock(&b->mutex);
    if (atomic_load(number) == seen) {
        if (timeout_ns)
            pthread_cond_timedwait(&b->woken, &b->mutex, &until);
        else
            pthread_cond_wait(&b->woken, &b->mutex);
    }
    pthread_mutex_unlock(&b->mutex);
}

void clipc_os_wake(atomic_uint *number)
{
    bed *b = bed_of(number);

    pthread_mutex_lock(&b->mutex);
    pthread_cond_broadcast(&b->woken);
    pthread_mutex_unlock(&b->mutex);
}

/* ---- processors ---------------------------------------------------------- */

#ifdef __APPLE__
/* 0 where there is no such name. */
static uint64_t system_number(const char *name)
{
    union {
        uint32_t small;
        uint64_t large;
    } value = { .large = 0 };
    size_t n = sizeof value;

    if (sysctlbyname(name, &value, &n, NULL, 0) != 0)
        return 0;
    return n == sizeof value.small ? value.small : value.large;
}
#endif

size_t clipc_os_affinity(bool may_run[], size_t capacity)
{
    (void)may_run;
    (void)capacity;
    return 0;
}

unsigned clipc_os_processors(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

unsigned clipc_os_fast_processors(void)
{
#ifdef __APPLE__
    return (unsigned)system_number("hw.perflevel0.logicalcpu");
#else
    return 0;
#endif
}

size_t clipc_os_cache_bytes(void)
{
#ifdef __APPLE__
    uint64_t bytes = system_number("hw.perflevel0.l2cachesize");
    uint64_t sharers = system_number("hw.perflevel0.cpusperl2");
    if (bytes == 0)
        bytes = system_number("hw.l2cachesize");
    return (size_t)(sharers > 1 ? bytes / sharers : bytes);
#else
    return 0;
#endif
}

bool clipc_os_may_use_tiles(void)
{
    return false;
}

/* ---- files, sockets, signals --------------------------------------------- */

struct timespec clipc_os_modified(const struct stat *st)
{
#ifdef __APPLE__
    return st->st_mtimespec;
#else
    return st->st_mtim;
#endif
}

struct timespec clipc_os_changed(const struct stat *st)
{
#ifdef __APPLE__
    return st->st_ctimespec;
#else
    return st->st_ctim;
#endif
}

int clipc_os_socket(int domain, int type, int protocol)
{
    int fd = socket(domain, type, protocol);

    bool made = fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
#ifdef __APPLE__
    /* Its SIGPIPE is the process's: a thread that blocks it keeps no other from
     * taking it. */
    const int on = 1;
    made = made &&
           setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on) == 0;
#endif
    if (fd >= 0 && !made) {
        const int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

void clipc_os_take_signal(const sigset_t *set)
{
    sigset_t pending;

    /* Another thread may take a signal of the whole process in between: then
     * sigwait() waits for the next. POSIX sends SIGPIPE to the thread that
     * writes; on macOS no socket of clipc_os_socket() sends one. */
    sigemptyset(&pending);
    sigpending(&pending);
    for (int signal = 1; signal < 32; signal++) {
        int taken;
        if (sigismember(set, signal) == 1 &&
            sigismember(&pending, signal) == 1) {
            sigwait(set, &taken);
            return;
        }
    }
}

#else

typedef int clipc_os_posix_is_elsewhere; /* ISO C wants a declaration */

#endif
