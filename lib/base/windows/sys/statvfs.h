/* SPDX-License-Identifier: MIT
 *
 * statvfs.h - room on a disk, on Windows: see ../posix.h.
 */
#ifndef CLIPC_WINDOWS_STATVFS_H
#define CLIPC_WINDOWS_STATVFS_H

#include <stdint.h>

struct statvfs {
    uint64_t f_frsize, f_blocks, f_bavail; /* bytes of a block; blocks */
};

#define fstatvfs clipc_windows_fstatvfs
int fstatvfs(int fd, struct statvfs *fs);

#endif /* CLIPC_WINDOWS_STATVFS_H */
