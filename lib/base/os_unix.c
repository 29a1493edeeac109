/* SPDX-License-Identifier: MIT
 *
 * os_unix.c - see os.h: what Linux, macOS and other POSIX systems share, memory
 * and numbers with WASI too.
 *
 * Reference: POSIX.1-2008.
 */
#ifndef _WIN32

#include "base/os.h"

#ifndef __wasi__
#include "base/clock.h"
#include "base/os_signal.h"

#include <signal.h>
#include <unistd.h>
#endif
#include <stdlib.h>

/* ---- memory -------------------------------------------------------------- */

void *clipc_os_alloc_aligned(size_t alignment, size_t bytes)
{
    return aligned_alloc(alignment, bytes);
}

void clipc_os_free_aligned(void *p)
{
    free(p);
}

/* ---- numbers ------------------------------------------------------------- */

double clipc_os_strtod(const char *text, locale_t locale)
{
    locale_t before = uselocale(locale);
    const double number = strtod(text, NULL);

    uselocale(before);
    return number;
}

/* ---- files, time, signals ------------------------------------------------ */

#ifndef __wasi__
void clipc_os_copy_rights(int fd, const struct stat *old)
{
    if (old->st_uid == geteuid())
        (void)!fchmod(fd, old->st_mode & 0777);
}

double clipc_os_thread_seconds(void)
{
    return clipc_clock(CLOCK_THREAD_CPUTIME_ID);
}

void clipc_os_without_signals(void (*run)(void *arg), void *arg)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    run(arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void clipc_os_without_sigpipe(void (*run)(void *arg), void *arg)
{
    sigset_t before, pending, only_pipe;

    sigemptyset(&pending);
    sigpending(&pending);
    const bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&only_pipe);
    sigaddset(&only_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &only_pipe, &before);
    run(arg);
    sigemptyset(&pending);
    sigpending(&pending);
    if (!was_pending && sigismember(&pending, SIGPIPE) == 1)
        clipc_os_take_signal(&only_pipe);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
#endif

#else

typedef int clipc_os_unix_is_elsewhere; /* ISO C wants a declaration */

#endif
