/* SPDX-License-Identifier: MIT
 *
 * os_wasi.c - see os.h: WebAssembly with the C library of WASI. A module has
 * one thread and no signals, sockets or list of processors. The rest is
 * os_unix.c's.
 */
#if defined(__wasi__)

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* madvise, flock */
#endif
#include "base/os.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/mman.h>

/* ---- sleeping ------------------------------------------------------------ */

/* No other thread could wake this one: "may return early" is all there is. */
void clipc_os_sleep(atomic_uint *number, unsigned seen, int64_t timeout_ns)
{
    (void)number;
    (void)seen;
    (void)timeout_ns;
}

void clipc_os_wake(atomic_uint *number)
{
    (void)number;
}

/* ---- processors ---------------------------------------------------------- */

size_t clipc_os_affinity(bool may_run[], size_t capacity)
{
    (void)may_run;
    (void)capacity;
    return 0;
}

unsigned clipc_os_processors(void)
{
    return 1;
}

unsigned clipc_os_fast_processors(void)
{
    return 0;
}

size_t clipc_os_cache_bytes(void)
{
    return 0;
}

bool clipc_os_may_use_tiles(void)
{
    return false;
}

double clipc_os_thread_seconds(void)
{
    return 0;
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

void clipc_os_copy_rights(int fd, const struct stat *old)
{
    (void)fd;
    (void)old;
}

int clipc_os_socket(int domain, int type, int protocol)
{
    (void)domain;
    (void)type;
    (void)protocol;
    errno = EAFNOSUPPORT;
    return -1;
}

void clipc_os_without_signals(void (*run)(void *arg), void *arg)
{
    run(arg);
}

void clipc_os_without_sigpipe(void (*run)(void *arg), void *arg)
{
    run(arg);
}

/* ---- what the headers of WASI declare and its C library lacks ----------- */

/* Nothing is mapped, so there is nothing to advise. */
int madvise(void *p, size_t n, int advice)
{
    (void)p;
    (void)n;
    (void)advice;
    return 0;
}

/* No other process has the file. */
int flock(int fd, int operation)
{
    (void)fd;
    (void)operation;
    return 0;
}

#else

typedef int clipc_os_wasi_is_elsewhere; /* ISO C wants a declaration */

#endif
