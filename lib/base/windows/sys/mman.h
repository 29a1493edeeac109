/* SPDX-License-Identifier: MIT
 *
 * mman.h - files in memory, on Windows: see ../posix.h.
 */
#ifndef CLIPC_WINDOWS_MMAN_H
#define CLIPC_WINDOWS_MMAN_H

#include <stddef.h>
#include <sys/types.h>

#define PROT_READ 1
#define MAP_PRIVATE 2
#define MAP_FAILED ((void *)-1)
#define MADV_NORMAL 0
#define MADV_RANDOM 1 /* Windows takes no advice about a mapping */
#define MADV_DONTNEED 4

#define mmap clipc_windows_mmap
#define munmap clipc_windows_munmap
#define madvise clipc_windows_madvise
/* Maps a file from its beginning, for reading. */
void *mmap(void *at, size_t n, int protection, int flags, int fd,
           off_t offset);
int munmap(void *data, size_t n);
int madvise(void *data, size_t n, int advice);

#endif /* CLIPC_WINDOWS_MMAN_H */
