/* SPDX-License-Identifier: MIT
 *
 * os.h - what operating systems do differently. os_linux.c is Linux, with any
 * C library; os_posix.c is macOS and other POSIX systems, and Linux too when
 * built with POSIX_ONLY=1; os_unix.c is what all of these share, in part with
 * WebAssembly; os_wasi.c is WebAssembly, where a program has one thread and no
 * signals; os_windows.c and os_windows_files.c are Windows. Beside them only
 * cpu_arm.c asks which system it is compiled for.
 */
#ifndef CLIPC_OS_H
#define CLIPC_OS_H

#include "base/base.h"

#include <locale.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

/* ---- sleeping ------------------------------------------------------------ */

/* Sleeps until clipc_os_wake(number), unless *number is no longer `seen`. May
 * return early. timeout_ns: at most so long; 0: any time. */
void clipc_os_sleep(atomic_uint *number, unsigned seen, int64_t timeout_ns);

/* Wakes all that sleep on the number. Change the number first. */
void clipc_os_wake(atomic_uint *number);

/* ---- processors ---------------------------------------------------------- */

/* may_run[i] says whether this process may run on processor i. Returns how many
 * processors the answer is about, at most `capacity`; 0 where the system has no
 * such list. */
size_t clipc_os_affinity(bool may_run[], size_t capacity);

/* Processors that are on, at least 1. */
unsigned clipc_os_processors(void);

/* Those of the fastest kind; 0 where the system does not tell the kinds apart,
 * or tells it of each processor (cpu_capacity, processors.c). */
unsigned clipc_os_fast_processors(void);

/* Bytes of a processor's second-level cache, its part where processors share
 * it; 0 where the system does not say. */
size_t clipc_os_cache_bytes(void);

/* Whether the system lets this process use the tiles of AMX, which Linux gives
 * to a process that asks. */
bool clipc_os_may_use_tiles(void);

/* Seconds of processor time that this thread has taken; 0 where the system does
 * not say. */
double clipc_os_thread_seconds(void);

/* ---- memory -------------------------------------------------------------- */

/* aligned_alloc(); free it with the function below alone. */
void *clipc_os_alloc_aligned(size_t alignment, size_t bytes);
void clipc_os_free_aligned(void *p);

/* ---- numbers ------------------------------------------------------------- */

/* strtod(text, NULL) under a locale. */
double clipc_os_strtod(const char *text, locale_t locale);

/* ---- files, sockets, signals --------------------------------------------- */

/* When the file's content, and when its content or attributes, were changed. */
struct timespec clipc_os_modified(const struct stat *st);
struct timespec clipc_os_changed(const struct stat *st);

/* Gives an open file the rights that its owner, group and others have to the
 * file `old`, if that is this user's own. Where files have no such rights,
 * nothing. */
void clipc_os_copy_rights(int fd, const struct stat *old);

/* socket(), closed on exec. Where SIGPIPE is the process's and not a thread's,
 * as on macOS, the socket sends none. */
int clipc_os_socket(int domain, int type, int protocol);

/* Calls run(arg) while this thread takes no signal. Threads that run() starts
 * take none as long as they live. */
void clipc_os_without_signals(void (*run)(void *arg), void *arg);

/* Calls run(arg) so that writing to a peer which hung up sends this thread no
 * SIGPIPE. One that was pending before stays. */
void clipc_os_without_sigpipe(void (*run)(void *arg), void *arg);

#endif /* CLIPC_OS_H */
