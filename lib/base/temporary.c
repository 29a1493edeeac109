/* SPDX-License-Identifier: MIT
 *
 * temporary.c - see temporary.h.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* flock */
#endif
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
#include "base/temporary.h"

#include "base/base.h"
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

char *clipc_temporary_name(const char *path, unsigned turn, const char *suffix)
{
    struct timespec now = { 0, 0 };

    clock_gettime(CLOCK_REALTIME, &now);
    return clipc_format("%s.%lx-%lx-%x.%s", path, (long)getpid(),
                        (unsigned long)now.tv_nsec, turn, suffix);
}

/* Whether name is BASE.XX-XX-XX.SUFFIX. */
static bool is_temporary(const char *name, const char *base,
                         const char *suffix)
{
    const size_t n = strlen(base);

    if (strncmp(name, base, n) != 0 || name[n] != '.')
        return false;
    name += n + 1;
    for (int part = 0; part < 3; part++) {
        const size_t digits = strspn(name, "0123456789abcdef");
        if (digits == 0 || name[digits] != (part < 2 ? '-' : '.'))
            return false;
        name += digits + 1;
    }
    return strcmp(name, suffix) == 0;
}

/* Whether nobody writes the file. A file is young between its creation and its
 * lock. */
static bool is_left_over(const char *path)
{
    enum { YOUNG = 60, OLD = 24 * 60 * 60 }; /* seconds */
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool left = false;

    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        const time_t age = time(NULL) - clipc_os_modified(&st).tv_sec;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            left = age >= YOUNG;
        else
            left = errno != EWOULDBLOCK && age >= OLD;
    }
    close(fd);
    return left;
}

void clipc_temporary_sweep(const char *path, const char *suffix)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    char *folder = slash ? clipc_strndup(path, (size_t)(slash - path) + 1)
                         : clipc_strndup("./", 2);
    DIR *dir = folder ? opendir(folder) : NULL;
    struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL) {
        if (!is_temporary(entry->d_name, base, suffix))
            continue;
        char *name = clipc_format("%s%s", folder, entry->d_name);
        if (name && is_left_over(name))
            (void)unlink(name);
        free(name);
    }
    if (dir)
        closedir(dir);
    free(folder);
}
