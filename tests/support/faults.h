/* SPDX-License-Identifier: MIT
 *
 * faults.h - what the programs have in common that run under shim.so
 * (tests/stress/torture.c, torture_serve.c): the shim's calls, the classes and
 * modes of failing, the handler of a crash.
 */
#ifndef CLIPC_TEST_FAULTS_H
#define CLIPC_TEST_FAULTS_H

#include "support/shim.h"

#include <stdbool.h>
#include <stddef.h>

/* The calls of shim.h, found at run time. */
extern void (*arm)(unsigned, long, unsigned);
extern long (*disarm)(void), (*fired)(void), (*live)(void);

/* Finds the calls and prepares the program: standard output without an
 * allocation; a crash, and the end of the time, print "not ok - NAME crashed: "
 * and fault_current. false: the shim is not there. name: static. */
bool faults_start(const char *name, unsigned seconds);

/* What is being tried, for messages. */
extern char fault_current[160];

/* Prints "not ok - NAME fault_current: ..." and counts; format has one %s. */
void fault_report(const char *format, const char *what);
extern unsigned n_fault_reports;

typedef struct fault_class {
    unsigned class;
    const char *name;
    unsigned modes; /* bits of the modes that make sense */
} fault_class;
enum { FAULT_CLASSES = 7, FAULT_MODES = 4 };
extern const fault_class fault_classes[FAULT_CLASSES];
extern const char *const fault_modes[FAULT_MODES];

/* The next n to try: n + 1; with `quick` the first eight, then eight more,
 * spread evenly. */
long fault_next(long n, long total, bool quick);

/* Whether the arguments from `first` on name it, or there are none. */
bool fault_wanted(const char *name, int argc, char **argv, int first);

/* Descriptors that are open. */
unsigned open_descriptors(void);

#endif /* CLIPC_TEST_FAULTS_H */
