/* SPDX-License-Identifier: MIT
 *
 * faults.c - see faults.h.
 */
#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "support/faults.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FDS = 256, QUICK_FIRST = 8, QUICK_MORE = 8 };

void (*arm)(unsigned, long, unsigned);
long (*disarm)(void), (*fired)(void), (*live)(void);
char fault_current[160];
unsigned n_fault_reports;
static const char *program;

const fault_class fault_classes[FAULT_CLASSES] = {
    { SHIM_ALLOC, "alloc", 1u << SHIM_ONCE | 1u << SHIM_FOR_GOOD },
    { SHIM_READ, "read", 15 },
    { SHIM_OPEN, "open", 7 },
    { SHIM_WRITE, "write", 15 },
    { SHIM_MMAP, "mmap", 1u << SHIM_ONCE | 1u << SHIM_FOR_GOOD },
    { SHIM_THREAD, "thread", 1u << SHIM_ONCE | 1u << SHIM_FOR_GOOD },
    { SHIM_NETWORK, "network",
      1u << SHIM_ONCE | 1u << SHIM_FOR_GOOD | 1u << SHIM_SHORT },
};

const char *const fault_modes[FAULT_MODES] = { "once", "for good", "interrupt",
                                               "short" };

static bool find(void *function, const char *name)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static void crashed(int number)
{
    const char *const parts[] = { "not ok - ", program,
                                  " crashed: ", fault_current, "\n" };

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (write(1, parts[i], strlen(parts[i])) < 0)
            _exit(2);
    (void)number;
    _exit(1);
}

void fault_report(const char *format, const char *what)
{
    printf("not ok - %s %s: ", program, fault_current);
    printf(format, what);
    printf("\n");
    fflush(stdout);
    n_fault_reports++;
}

bool faults_start(const char *name, unsigned seconds)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGALRM };
    static char buffer[BUFSIZ]; /* or stdout would allocate one */

    program = name;
    if (!find(&arm, "shim_arm") || !find(&disarm, "shim_disarm") ||
        !find(&fired, "shim_fired") || !find(&live, "shim_live")) {
        fprintf(stderr, "%s: run it with LD_PRELOAD=.../shim.so\n", name);
        return false;
    }
    setvbuf(stdout, buffer, _IOLBF, sizeof buffer);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], crashed);
    alarm(seconds);
    return true;
}

long fault_next(long n, long total, bool quick)
{
    if (!quick || n < QUICK_FIRST || n >= total)
        return n + 1;
    long step = (total - QUICK_FIRST) / QUICK_MORE;
    n += step > 1 ? step : 1;
    return n < total ? n : total;
}

bool fault_wanted(const char *name, int argc, char **argv, int first)
{
    for (int i = first; i < argc; i++)
        if (strcmp(name, argv[i]) == 0)
            return true;
    return first == argc;
}

unsigned open_descriptors(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < MAX_FDS; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}
