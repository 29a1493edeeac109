/* SPDX-License-Identifier: MIT
 *
 * system.h - what operating systems do differently for programs. system.c alone
 * asks which system it is compiled for.
 */
#ifndef CLIPC_TOOL_SYSTEM_H
#define CLIPC_TOOL_SYSTEM_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* A condition whose timed waits do not see the clock being set, where the system
 * has such conditions. False when the system has none left. */
bool tool_cond_start(pthread_cond_t *cond);

/* Waits at most the nanoseconds, on a condition of tool_cond_start(). */
void tool_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t ns);

/* Takes a signal of the set, which is blocked in all threads; waits for it at
 * most the milliseconds. 0: none came. */
int tool_signal_wait(const sigset_t *set, unsigned milliseconds);

/* Path of the running program, for free(), or NULL. */
char *tool_program_path(void);

/* Bytes of memory that this process has now, 0 where the system does not say. */
int64_t tool_resident_bytes(void);

#endif /* CLIPC_TOOL_SYSTEM_H */
