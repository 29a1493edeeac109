/* SPDX-License-Identifier: MIT
 *
 * system.h - what operating systems do differently for programs. system.c and
 * system_windows.c alone ask which system they are compiled for.
 */
#ifndef CLIPC_TOOL_SYSTEM_H
#define CLIPC_TOOL_SYSTEM_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* A condition whose timed waits do not see the clock being set, where the
 * system has such conditions. False when the system has none left. */
bool tool_cond_start(pthread_cond_t *cond);

/* Waits at most the nanoseconds, on a condition of tool_cond_start(). */
void tool_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t ns);

/* Takes a signal of the set, which is blocked in all threads; waits for it at
 * most the milliseconds. 0: none came. */
int tool_signal_wait(const sigset_t *set, unsigned milliseconds);

/* Before anything else: gives the standard descriptors a file each, and makes a
 * write to a pipe without reader, or past the limit on file sizes, fail. On
 * Windows it puts UTF-8 arguments in the place of main()'s. */
void tool_system_start(int *argc, char ***argv);

/* Calls the handler at the first SIGINT, SIGTERM or SIGHUP, unless the parent
 * has the process ignore it; the second one ends the process. */
void tool_signals_catch(void (*handler)(int signal));

/* Ends the process by the signal's default action, so that a shell sees it. */
void tool_signal_end(int signal);

/* Whether the descriptor was opened for reading, as far as the system says. */
bool tool_may_read(int fd);

/* Columns of the terminal that standard error is, 0 where it is none. */
unsigned tool_terminal_columns(void);

/* Path of the running program, for free(), or NULL. */
char *tool_program_path(void);

/* Bytes of memory that this process has now, 0 where the system does not
 * say. */
int64_t tool_resident_bytes(void);

/* The most that it had so far, in MiB; 0 where the system does not say. */
double tool_peak_mib(void);

#endif /* CLIPC_TOOL_SYSTEM_H */
