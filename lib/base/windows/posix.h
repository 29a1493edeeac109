/* SPDX-License-Identifier: MIT
 *
 * posix.h - the part of POSIX that clipc uses, on Windows. The Makefile
 * includes this file before every other there, and looks for headers in this
 * folder first; elsewhere nothing of this folder is compiled.
 * os_windows_files.c has the functions.
 *
 * Paths and names are UTF-8 and may have any length. Folders are separated by
 * '/' or '\'; a path that a function returns has '/'. Files are binary, may be
 * renamed and removed while they are open, and no child process inherits one.
 * Not while it is mapped: then rename() over a file and unlink() fail.
 */
#ifndef CLIPC_WINDOWS_POSIX_H
#define CLIPC_WINDOWS_POSIX_H

#include <dirent.h>
#include <fcntl.h>
#include <io.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define tell clipc_windows_tell /* io.h has one */

/* ---- files --------------------------------------------------------------- */

#define O_CLOEXEC _O_NOINHERIT
#define O_NONBLOCK 0x01000000 /* CreateFileW() never waits for a writer */
#define O_NOCTTY 0
#define O_NOFOLLOW 0x02000000
#define O_DIRECTORY 0x04000000

#define EDQUOT 1001 /* Windows says that the disk is full */

#define S_IFLNK 0xa000
#define S_ISLNK(mode) (((mode)&S_IFMT) == S_IFLNK)

struct clipc_windows_stat {
    uint64_t st_dev, st_ino; /* the same numbers: the same file */
    unsigned st_mode, st_nlink, st_uid;
    int64_t st_size;
    struct timespec st_mtim, st_ctim;
};

#undef stat
#undef fstat
#define stat clipc_windows_stat
#define fstat clipc_windows_fstat
#define lstat clipc_windows_lstat
int stat(const char *path, struct stat *st);
int lstat(const char *path, struct stat *st);
int fstat(int fd, struct stat *st);

#define open clipc_windows_open
#define fopen clipc_windows_fopen
#define access clipc_windows_access
#define rename clipc_windows_rename
#define unlink clipc_windows_unlink
#define mkdir clipc_windows_mkdir
#define realpath clipc_windows_realpath
#define mkstemp clipc_windows_mkstemp
#define fchmod clipc_windows_fchmod
#define symlink clipc_windows_symlink
#define fsync clipc_windows_fsync
#define isatty clipc_windows_isatty
int open(const char *path, int flags, ...);
FILE *fopen(const char *path, const char *mode);
int access(const char *path, int mode); /* F_OK alone */
int rename(const char *from, const char *to);
int unlink(const char *path);
int mkdir(const char *path, mode_t mode);
char *realpath(const char *path, char *none); /* malloc'ed */
int mkstemp(char *path);
int fsync(int fd);
int isatty(int fd); /* a console */

/* A file of Windows has no owner's and group's bits: nothing is changed. */
int fchmod(int fd, mode_t mode);
/* Fails with EPERM: links are a right that few users have. */
int symlink(const char *target, const char *path);
/* No file is this user's: st_uid is 0. */
static inline unsigned geteuid(void)
{
    return 1;
}

/* These move the position of the file, too. */
#define pread clipc_windows_pread
#define pwrite clipc_windows_pwrite
ssize_t pread(int fd, void *data, size_t n, off_t offset);
ssize_t pwrite(int fd, const void *data, size_t n, off_t offset);

/* The lock is on the first byte, as Python's on Windows is; other handles
 * cannot read or write that byte. */
#define F_SETLK 6
#define F_WRLCK 1
struct flock {
    short l_type, l_whence; /* F_WRLCK, SEEK_SET: the whole file */
};
#define fcntl clipc_windows_fcntl
int fcntl(int fd, int command, ...);

#define getline clipc_windows_getline
ssize_t getline(char **line, size_t *room, FILE *file);

/* ---- folders ------------------------------------------------------------- */

#define DIR clipc_windows_dir
#define dirent clipc_windows_dirent
#define opendir clipc_windows_opendir
#define readdir clipc_windows_readdir
#define closedir clipc_windows_closedir
#define dirfd clipc_windows_dirfd
typedef struct clipc_windows_dir DIR;
struct dirent {
    char d_name[1024];
};
DIR *opendir(const char *path);
struct dirent *readdir(DIR *folder);
int closedir(DIR *folder);
int dirfd(DIR *folder);

#define scandir clipc_windows_scandir
#define alphasort clipc_windows_alphasort
/* Of all entries: `none` is NULL. The list and each entry are malloc'ed. */
int scandir(const char *path, struct dirent ***list,
            int (*none)(const struct dirent *),
            int (*order)(const struct dirent **, const struct dirent **));
int alphasort(const struct dirent **a, const struct dirent **b);

/* ---- this process -------------------------------------------------------- */

/* The value stays until the process ends. HOME, where nobody has set it, is
 * USERPROFILE. */
#define getenv clipc_windows_getenv
char *getenv(const char *name);

#define _SC_PAGESIZE 1
#define sysconf clipc_windows_sysconf
long sysconf(int name);

typedef _locale_t locale_t;
#define LC_NUMERIC_MASK LC_NUMERIC
#define newlocale(category, name, base) _create_locale(category, name)
#define freelocale _free_locale

/* No thread of Windows takes signals: masks are kept, and mean nothing. */
typedef uint64_t sigset_t;
#define SIGHUP 1 /* the window was closed */
#define SIGPIPE 13
#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
static inline int sigemptyset(sigset_t *set)
{
    *set = 0;
    return 0;
}
static inline int sigfillset(sigset_t *set)
{
    *set = ~(sigset_t)0;
    return 0;
}
static inline int sigaddset(sigset_t *set, int signal)
{
    *set |= (sigset_t)1 << signal;
    return 0;
}
#undef pthread_sigmask
static inline int pthread_sigmask(int how, const sigset_t *set,
                                  sigset_t *before)
{
    (void)how;
    (void)set;
    if (before)
        *before = 0;
    return 0;
}

#endif /* CLIPC_WINDOWS_POSIX_H */
