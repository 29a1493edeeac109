/* SPDX-License-Identifier: MIT
 *
 * scratch_file.h - the fuzzer's bytes as a file, for readers that take a path.
 */
#ifndef CLIPC_FUZZ_SCRATCH_FILE_H
#define CLIPC_FUZZ_SCRATCH_FILE_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A folder of this process in memory where the system has one; removed at the
 * end. */
static char scratch_folder[64];

static void scratch_remove(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", scratch_folder);
    (void)!system(command);
}

static inline const char *scratch_dir(void)
{
    if (!scratch_folder[0]) {
        snprintf(scratch_folder, sizeof scratch_folder, "%s/clipc-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (!mkdtemp(scratch_folder))
            abort();
        atexit(scratch_remove);
    }
    return scratch_folder;
}

static inline void scratch_write(const char *path, const uint8_t *data,
                                 size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || write(fd, data, n) != (ssize_t)n)
        abort();
    close(fd);
}

#endif /* CLIPC_FUZZ_SCRATCH_FILE_H */
