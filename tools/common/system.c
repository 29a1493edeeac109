/* SPDX-License-Identifier: MIT
 *
 * system.c - see system.h: POSIX systems.
 */
#ifndef _WIN32

#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 /* realpath */
#endif
#include "common/system.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#include <mach/mach.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#endif

/* ---- start --------------------------------------------------------------- */

/* Opens a closed standard descriptor on /dev/null in the wrong direction: the
 * next file cannot take its number, and using the descriptor still fails. */
static void fill_descriptor(int fd, int flags)
{
    if (fcntl(fd, F_GETFD) != -1 || errno != EBADF)
        return;
    int opened = open("/dev/null", flags);
    if (opened != -1 && opened != fd) {
        (void)dup2(opened, fd);
        close(opened);
    }
}

void tool_system_start(int *argc, char ***argv)
{
    struct sigaction ignore;

    (void)argc;
    (void)argv;
    fill_descriptor(STDIN_FILENO, O_WRONLY);
    fill_descriptor(STDOUT_FILENO, O_RDONLY);
    fill_descriptor(STDERR_FILENO, O_WRONLY);
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
}

/* ---- conditions ---------------------------------------------------------- */

/* macOS has no clock for conditions, but waits for a length of time. */
bool tool_cond_start(pthread_cond_t *cond)
{
#ifdef __APPLE__
    return pthread_cond_init(cond, NULL) == 0;
#else
    pthread_condattr_t attributes;

    if (pthread_condattr_init(&attributes) != 0)
        return false;
    bool good = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(cond, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return good;
#endif
}

void tool_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t ns)
{
    struct timespec t;
#ifdef __APPLE__
    t.tv_sec = (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    (void)pthread_cond_timedwait_relative_np(cond, mutex, &t);
#else
    clock_gettime(CLOCK_MONOTONIC, &t);
    ns += t.tv_nsec;
    t.tv_sec += (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    (void)pthread_cond_timedwait(cond, mutex, &t);
#endif
}

/* ---- signals ------------------------------------------------------------- */

int tool_signal_wait(const sigset_t *set, unsigned milliseconds)
{
    const struct timespec length = { milliseconds / 1000,
                                     (long)(milliseconds % 1000) * 1000000 };
#ifdef __APPLE__
    for (int again = 0; again < 2; again++) {
        sigset_t pending;
        sigemptyset(&pending);
        sigpending(&pending);
        for (int signal = 1; signal < NSIG; signal++) {
            int taken;
            if (sigismember(set, signal) == 1 &&
                sigismember(&pending, signal) == 1)
                return sigwait(set, &taken) == 0 ? taken : 0;
        }
        if (!again)
            nanosleep(&length, NULL);
    }
    return 0;
#else
    int signal = sigtimedwait(set, NULL, &length);
    return signal > 0 ? signal : 0;
#endif
}

void tool_signals_catch(void (*handler)(int signal))
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction action, old;
        /* A signal ignored by the parent (nohup, background) stays so. */
        if (sigaction(signals[i], NULL, &old) == 0 &&
            old.sa_handler == SIG_IGN)
            continue;
        memset(&action, 0, sizeof action);
        action.sa_handler = handler;
        action.sa_flags = (int)SA_RESETHAND; /* no SA_RESTART: reads stop */
        sigemptyset(&action.sa_mask);
        sigaction(signals[i], &action, NULL);
    }
}

void tool_signal_end(int signal)
{
    struct sigaction standard;
    sigset_t set;

    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    sigemptyset(&standard.sa_mask);
    sigaction(signal, &standard, NULL);
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(signal);
}

/* ---- this process -------------------------------------------------------- */

char *tool_program_path(void)
{
    char path[PATH_MAX];
#ifdef __APPLE__
    char found[PATH_MAX];
    uint32_t capacity = sizeof found;

    if (_NSGetExecutablePath(found, &capacity) != 0 || !realpath(found, path))
        return NULL;
#else
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n > 0) {
        path[n] = '\0';
        return strdup(path);
    }
#ifdef __linux__
    /* A root without /proc: the name that was executed. */
    const char *name = (const char *)getauxval(AT_EXECFN);
    if (!name || !realpath(name, path))
        return NULL;
#else
    return NULL;
#endif
#endif
    return strdup(path);
}

int64_t tool_resident_bytes(void)
{
#ifdef __APPLE__
    struct mach_task_basic_info info;
    mach_msg_type_number_t n = MACH_TASK_BASIC_INFO_COUNT;

    return task_info(mach_task_self(), MACH_TASK_BASIC_INFO,
                     (task_info_t)&info, &n) == KERN_SUCCESS
               ? (int64_t)info.resident_size
               : 0;
#else
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (!file)
        return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    fclose(file);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
#endif
}

double tool_peak_mib(void)
{
#ifdef __APPLE__
    const double units = 1048576; /* ru_maxrss counts bytes there */
#else
    const double units = 1024;
#endif
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0
               ? (double)usage.ru_maxrss / units
               : 0.0;
}

/* ---- descriptors --------------------------------------------------------- */

bool tool_may_read(int fd)
{
    const int flags = fcntl(fd, F_GETFL);

    return flags != -1 && (flags & O_ACCMODE) != O_WRONLY;
}

unsigned tool_terminal_columns(void)
{
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

#else

typedef int tool_system_is_elsewhere; /* ISO C wants a declaration */

#endif
