/* SPDX-License-Identifier: MIT
 *
 * file.h - locks of files, on Windows: see F_SETLK in ../posix.h.
 */
#ifndef CLIPC_WINDOWS_FILE_H
#define CLIPC_WINDOWS_FILE_H

#define LOCK_EX 2
#define LOCK_NB 4

#define flock clipc_windows_flock
/* Takes LOCK_EX | LOCK_NB; EWOULDBLOCK: another has the lock. close() gives the
 * lock back. */
int flock(int fd, int operation);

#endif /* CLIPC_WINDOWS_FILE_H */
