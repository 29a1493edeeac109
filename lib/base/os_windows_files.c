/* SPDX-License-Identifier: MIT
 *
 * os_windows_files.c - the functions of windows/posix.h and of the headers
 * beside it. All paths go through to_wide(), all names through to_utf8().
 *
 * Reference: POSIX.1-2008; learn.microsoft.com, Win32 API: CreateFileW,
 * MoveFileExW, LockFileEx, MapViewOfFile, "Maximum Path Length Limitation".
 */
#ifdef _WIN32

#include "base/os.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <wchar.h>
#include <windows.h>

/* ---- errors, names ------------------------------------------------------- */

static int errno_of(DWORD error)
{
    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_INVALID_DRIVE:
    case ERROR_INVALID_NAME:
    case ERROR_BAD_NETPATH:
    case ERROR_BAD_NET_NAME:
    case ERROR_BAD_PATHNAME: return ENOENT;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
    case ERROR_USER_MAPPED_FILE:
    case ERROR_DELETE_PENDING: return EACCES;
    case ERROR_FILE_EXISTS:
    case ERROR_ALREADY_EXISTS: return EEXIST;
    case ERROR_LOCK_VIOLATION:
    case ERROR_IO_PENDING: return EWOULDBLOCK;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL: return ENOSPC;
    case ERROR_FILENAME_EXCED_RANGE:
    case ERROR_BUFFER_OVERFLOW: return ENAMETOOLONG;
    case ERROR_DIRECTORY: return ENOTDIR;
    case ERROR_DIR_NOT_EMPTY: return ENOTEMPTY;
    case ERROR_TOO_MANY_OPEN_FILES: return EMFILE;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_COMMITMENT_LIMIT: return ENOMEM;
    case ERROR_WRITE_PROTECT: return EROFS;
    case ERROR_INVALID_HANDLE: return EBADF;
    case ERROR_BROKEN_PIPE:
    case ERROR_NO_DATA: return EPIPE;
    case ERROR_CANT_RESOLVE_FILENAME: return ELOOP;
    case ERROR_PRIVILEGE_NOT_HELD: return EPERM;
    case ERROR_NOT_SUPPORTED:
    case ERROR_INVALID_FUNCTION: return ENOSYS;
    case ERROR_INVALID_PARAMETER: return EINVAL;
    }
    return EIO;
}

/* -1, with errno. */
static int fail(DWORD error)
{
    errno = errno_of(error);
    return -1;
}

static HANDLE handle_of(int fd)
{
    return (HANDLE)_get_osfhandle(fd);
}

/* UTF-16 of a text, malloc'ed; NULL: see errno. */
static wchar_t *to_wide_text(const char *text)
{
    const int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1,
                                      NULL, 0);
    wchar_t *wide = n > 0 ? malloc((size_t)n * sizeof *wide) : NULL;

    if (wide)
        MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, n);
    else
        errno = n > 0 ? ENOMEM : ENOENT; /* no file has such a name */
    return wide;
}

/* A path in UTF-16, malloc'ed; NULL: see errno. Windows takes paths of more
 * than 247 characters where they are whole and begin with "\\?\". */
static wchar_t *to_wide(const char *path)
{
    enum { SHORT = 247, PREFIX = 8 };
    wchar_t *wide, *whole;

    if (!*path) {
        errno = ENOENT;
        return NULL;
    }
    if (strcmp(path, "/dev/null") == 0)
        path = "NUL";
    wide = to_wide_text(path);
    if (!wide || wcslen(wide) <= SHORT || wcsncmp(wide, L"\\\\?\\", 4) == 0)
        return wide;
    const DWORD n = GetFullPathNameW(wide, 0, NULL, NULL);
    whole = n > 0 ? malloc((n + PREFIX) * sizeof *whole) : NULL;
    if (whole) {
        wchar_t *at = whole + PREFIX;
        GetFullPathNameW(wide, n, at, NULL);
        if (at[0] == L'\\' && at[1] == L'\\') { /* \\SERVER\SHARE */
            memmove(whole + 7, at + 1, n * sizeof *whole - sizeof *whole);
            wmemcpy(whole, L"\\\\?\\UNC", 7);
        } else {
            memmove(whole + 4, at, n * sizeof *whole);
            wmemcpy(whole, L"\\\\?\\", 4);
        }
    } else {
        errno = ENOMEM;
    }
    free(wide);
    return whole;
}

/* UTF-8 of a text, malloc'ed; NULL: out of memory. */
static char *to_utf8(const wchar_t *wide)
{
    const int n = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL,
                                      NULL);
    char *text = n > 0 ? malloc((size_t)n) : NULL;

    if (text)
        WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, n, NULL, NULL);
    else
        errno = ENOMEM;
    return text;
}

static void turn_slashes(char *path)
{
    for (; *path; path++)
        if (*path == '\\')
            *path = '/';
}

/* ---- opening ------------------------------------------------------------- */

/* INVALID_HANDLE_VALUE: see errno. */
static HANDLE create(const char *path, DWORD access_wanted, DWORD disposition,
                     DWORD flags)
{
    wchar_t *wide = to_wide(path);

    if (!wide)
        return INVALID_HANDLE_VALUE;
    HANDLE file = CreateFileW(wide, access_wanted,
                              FILE_SHARE_READ | FILE_SHARE_WRITE |
                                  FILE_SHARE_DELETE,
                              NULL, disposition,
                              FILE_FLAG_BACKUP_SEMANTICS | flags, NULL);
    const DWORD error = GetLastError();
    free(wide);
    if (file == INVALID_HANDLE_VALUE)
        fail(error);
    return file;
}

static bool is_folder(HANDLE file)
{
    BY_HANDLE_FILE_INFORMATION info;

    return GetFileInformationByHandle(file, &info) &&
           info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY;
}

/* Whether it is a symbolic link or a junction, and not what that leads to. */
static bool is_link(HANDLE file)
{
    FILE_ATTRIBUTE_TAG_INFO info;

    return GetFileInformationByHandleEx(file, FileAttributeTagInfo, &info,
                                        sizeof info) &&
           info.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT &&
           (info.ReparseTag == IO_REPARSE_TAG_SYMLINK ||
            info.ReparseTag == IO_REPARSE_TAG_MOUNT_POINT);
}

/* Whether the file may be opened with the flags; false: see errno. */
static bool fits(HANDLE file, int flags)
{
    const bool folder = is_folder(file);

    if (flags & O_NOFOLLOW && is_link(file))
        errno = ELOOP;
    else if (folder && (flags & O_ACCMODE) != O_RDONLY)
        errno = EISDIR;
    else if (!folder && flags & O_DIRECTORY)
        errno = ENOTDIR;
    else
        return true;
    return false;
}

int open(const char *path, int flags, ...)
{
    const int way = flags & O_ACCMODE;
    const DWORD wanted = way == O_RDONLY   ? GENERIC_READ
                         : way == O_WRONLY ? GENERIC_WRITE
                                           : GENERIC_READ | GENERIC_WRITE;
    const DWORD disposition = !(flags & O_CREAT) ? OPEN_EXISTING
                              : flags & O_EXCL   ? CREATE_NEW
                                                 : OPEN_ALWAYS;
    HANDLE file = create(path, wanted, disposition,
                         flags & O_NOFOLLOW ? FILE_FLAG_OPEN_REPARSE_POINT
                                            : 0);

    if (file == INVALID_HANDLE_VALUE) {
        struct stat st;
        if (errno == EACCES && way != O_RDONLY && stat(path, &st) == 0 &&
            S_ISDIR(st.st_mode))
            errno = EISDIR;
        return -1;
    }
    int fd = -1;
    if (!fits(file, flags))
        ; /* errno is set */
    else if (flags & O_TRUNC && GetFileType(file) == FILE_TYPE_DISK &&
             !SetEndOfFile(file))
        fail(GetLastError());
    else
        fd = _open_osfhandle((intptr_t)file, _O_BINARY | _O_NOINHERIT |
                                                 (flags & O_APPEND) | way);
    if (fd < 0) {
        const int error = errno;
        CloseHandle(file);
        errno = error;
    }
    return fd;
}

/* The modes "r", "w" and "a", with "+", "b" and "e" in any order. */
FILE *fopen(const char *path, const char *mode)
{
    const bool both = strchr(mode, '+') != NULL;
    const int way = both ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
    const int flags = mode[0] == 'w'   ? way | O_CREAT | O_TRUNC
                      : mode[0] == 'a' ? way | O_CREAT | O_APPEND
                                       : way;
    const char plain[] = { mode[0], 'b', both ? '+' : '\0', '\0' };
    const int fd = open(path, flags, 0666);
    FILE *file = fd >= 0 ? fdopen(fd, plain) : NULL;

    if (!file && fd >= 0) {
        close(fd);
        errno = ENOMEM;
    }
    return file;
}

int mkstemp(char *path)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    enum { RANDOM = 6, TRIES = 64 };
    char *at = path + strlen(path) - RANDOM;
    LARGE_INTEGER ticks;

    for (int i = 0; i < TRIES; i++) {
        QueryPerformanceCounter(&ticks);
        uint64_t number = ((uint64_t)ticks.QuadPart ^
                           (uint64_t)GetCurrentThreadId() << 20) *
                          UINT64_C(0x9E3779B97F4A7C15);
        for (int k = 0; k < RANDOM; k++, number >>= 5)
            at[k] = digits[number >> 34 & 31];
        const int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* ---- asking -------------------------------------------------------------- */

/* 100 nanoseconds since 1601. */
static struct timespec time_of(LARGE_INTEGER t)
{
    const int64_t epoch = INT64_C(116444736000000000);
    const int64_t ticks = t.QuadPart > epoch ? t.QuadPart - epoch : 0;

    return (struct timespec){ .tv_sec = (time_t)(ticks / 10000000),
                              .tv_nsec = (long)(ticks % 10000000) * 100 };
}

static int stat_handle(HANDLE file, struct stat *st)
{
    BY_HANDLE_FILE_INFORMATION info;
    FILE_BASIC_INFO times;

    memset(st, 0, sizeof *st);
    switch (GetFileType(file)) {
    case FILE_TYPE_DISK: break;
    case FILE_TYPE_CHAR: st->st_mode = S_IFCHR; return 0;
    case FILE_TYPE_PIPE: st->st_mode = S_IFIFO; return 0;
    default: return fail(ERROR_INVALID_HANDLE);
    }
    if (!GetFileInformationByHandle(file, &info) ||
        !GetFileInformationByHandleEx(file, FileBasicInfo, &times,
                                      sizeof times))
        return fail(GetLastError());
    const bool folder = info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY;
    const bool kept = info.dwFileAttributes & FILE_ATTRIBUTE_READONLY;
    st->st_mode = is_link(file) ? S_IFLNK : folder ? S_IFDIR : S_IFREG;
    st->st_mode |= kept && !folder ? 0444 : folder ? 0777 : 0666;
    st->st_dev = info.dwVolumeSerialNumber;
    st->st_ino = (uint64_t)info.nFileIndexHigh << 32 | info.nFileIndexLow;
    st->st_nlink = info.nNumberOfLinks;
    st->st_size = folder
                      ? 0
                      : (int64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
    st->st_mtim = time_of(times.LastWriteTime);
    st->st_ctim = time_of(times.ChangeTime);
    return 0;
}

int fstat(int fd, struct stat *st)
{
    return stat_handle(handle_of(fd), st);
}

static int stat_path(const char *path, struct stat *st, DWORD flags)
{
    HANDLE file = create(path, FILE_READ_ATTRIBUTES, OPEN_EXISTING, flags);

    if (file == INVALID_HANDLE_VALUE)
        return -1;
    const int result = stat_handle(file, st);
    const int error = errno;
    CloseHandle(file);
    errno = error;
    return result;
}

int stat(const char *path, struct stat *st)
{
    return stat_path(path, st, 0);
}

int lstat(const char *path, struct stat *st)
{
    return stat_path(path, st, FILE_FLAG_OPEN_REPARSE_POINT);
}

int access(const char *path, int mode)
{
    struct stat st;

    (void)mode;
    return stat(path, &st);
}

int isatty(int fd)
{
    DWORD mode;
    return GetConsoleMode(handle_of(fd), &mode) ? 1 : 0;
}

/* The path of an open file, without "\\?\", malloc'ed; NULL: see errno. */
static wchar_t *path_of(HANDLE file)
{
    const DWORD n = GetFinalPathNameByHandleW(file, NULL, 0, 0);
    wchar_t *path = n > 0 ? malloc((size_t)n * sizeof *path) : NULL;

    if (!path || GetFinalPathNameByHandleW(file, path, n, 0) >= n) {
        fail(path || n == 0 ? GetLastError() : ERROR_OUTOFMEMORY);
        free(path);
        return NULL;
    }
    if (wcsncmp(path, L"\\\\?\\UNC\\", 8) == 0)
        memmove(path + 1, path + 7, (wcslen(path + 7) + 1) * sizeof *path);
    else if (wcsncmp(path, L"\\\\?\\", 4) == 0)
        memmove(path, path + 4, (wcslen(path + 4) + 1) * sizeof *path);
    return path;
}

char *realpath(const char *path, char *none)
{
    HANDLE file = create(path, FILE_READ_ATTRIBUTES, OPEN_EXISTING, 0);
    char *text = NULL;

    (void)none;
    if (file == INVALID_HANDLE_VALUE)
        return NULL;
    wchar_t *wide = path_of(file);
    CloseHandle(file);
    if (wide && (text = to_utf8(wide)) != NULL)
        turn_slashes(text);
    free(wide);
    return text;
}

/* ---- changing ------------------------------------------------------------ */

/* Renames over a file that is open, which MoveFileExW() refuses to do. */
static bool replace_open(const wchar_t *from, const wchar_t *to)
{
    const FILE_INFO_BY_HANDLE_CLASS rename_ex = (FILE_INFO_BY_HANDLE_CLASS)22;
    const DWORD replace = 1, posix = 2; /* flags */
    const DWORD n = GetFullPathNameW(to, 0, NULL, NULL);
    const size_t bytes = sizeof(FILE_RENAME_INFO) + n * sizeof *to;
    FILE_RENAME_INFO *info = n > 0 ? calloc(1, bytes) : NULL;
    BOOL good = FALSE;

    if (!info)
        return false;
    /* The flags lie where older headers have the BOOL. */
    memcpy(info, &(DWORD){ replace | posix }, sizeof(DWORD));
    GetFullPathNameW(to, n, info->FileName, NULL);
    info->FileNameLength = (DWORD)(wcslen(info->FileName) * sizeof *to);
    HANDLE file =
        CreateFileW(from, DELETE | SYNCHRONIZE,
                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    if (file != INVALID_HANDLE_VALUE) {
        good = SetFileInformationByHandle(file, rename_ex, info, (DWORD)bytes);
        CloseHandle(file);
    }
    free(info);
    return good;
}

int rename(const char *from, const char *to)
{
    wchar_t *wide_from = to_wide(from);
    wchar_t *wide_to = wide_from ? to_wide(to) : NULL;
    int result = -1;

    if (wide_to &&
        MoveFileExW(wide_from, wide_to,
                    MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) {
        result = 0;
    } else if (wide_to) {
        const DWORD error = GetLastError();
        const DWORD there = GetFileAttributesW(wide_to);
        if (there != INVALID_FILE_ATTRIBUTES &&
            there & FILE_ATTRIBUTE_DIRECTORY)
            errno = EISDIR;
        else if (error == ERROR_ACCESS_DENIED &&
                 replace_open(wide_from, wide_to))
            result = 0;
        else
            fail(error);
    }
    const int error = errno;
    free(wide_from);
    free(wide_to);
    errno = error;
    return result;
}

/* Calls a function of one path. */
static int on_path(const char *path, BOOL(WINAPI *change)(const wchar_t *))
{
    wchar_t *wide = to_wide(path);

    if (!wide)
        return -1;
    const BOOL good = change(wide);
    const DWORD error = GetLastError();
    free(wide);
    return good ? 0 : fail(error);
}

int unlink(const char *path)
{
    return on_path(path, DeleteFileW);
}

static BOOL WINAPI make_folder(const wchar_t *path)
{
    return CreateDirectoryW(path, NULL);
}

int mkdir(const char *path, mode_t mode)
{
    (void)mode; /* the folder has the rights of the one it lies in */
    return on_path(path, make_folder);
}

int fchmod(int fd, mode_t mode)
{
    struct stat st;

    (void)mode;
    return fstat(fd, &st);
}

int symlink(const char *target, const char *path)
{
    (void)target;
    (void)path;
    errno = EPERM;
    return -1;
}

int fsync(int fd)
{
    return FlushFileBuffers(handle_of(fd)) ? 0 : fail(GetLastError());
}

/* ---- reading and writing at a place -------------------------------------- */

static OVERLAPPED at_offset(off_t offset)
{
    OVERLAPPED place;

    memset(&place, 0, sizeof place);
    place.Offset = (DWORD)((uint64_t)offset & 0xffffffff);
    place.OffsetHigh = (DWORD)((uint64_t)offset >> 32);
    return place;
}

enum { MAX_IO = 1 << 30 };

ssize_t pread(int fd, void *data, size_t n, off_t offset)
{
    OVERLAPPED place = at_offset(offset);
    DWORD got = 0;

    if (ReadFile(handle_of(fd), data, n < MAX_IO ? (DWORD)n : MAX_IO, &got,
                 &place) ||
        GetLastError() == ERROR_HANDLE_EOF)
        return (ssize_t)got;
    return fail(GetLastError());
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset)
{
    OVERLAPPED place = at_offset(offset);
    DWORD done = 0;

    if (WriteFile(handle_of(fd), data, n < MAX_IO ? (DWORD)n : MAX_IO, &done,
                  &place))
        return (ssize_t)done;
    return fail(GetLastError());
}

ssize_t getline(char **line, size_t *room, FILE *file)
{
    size_t n = 0;
    int c;

    while ((c = getc(file)) != EOF) {
        if (n + 2 > *room || !*line) {
            const size_t more = n < 60 ? 120 : 2 * n;
            char *grown = realloc(*line, more);
            if (!grown) {
                errno = ENOMEM;
                return -1;
            }
            *line = grown;
            *room = more;
        }
        (*line)[n++] = (char)c;
        if (c == '\n')
            break;
    }
    if (n == 0)
        return -1;
    (*line)[n] = '\0';
    return (ssize_t)n;
}

int poll(struct pollfd *one, unsigned n, int milliseconds)
{
    HANDLE file = handle_of(one->fd);
    DWORD bytes = 0;

    (void)n;
    (void)milliseconds;
    one->revents = POLLIN;
    if (GetFileType(file) == FILE_TYPE_PIPE &&
        PeekNamedPipe(file, NULL, 0, NULL, &bytes, NULL) && bytes == 0)
        one->revents = 0;
    return one->revents != 0;
}

/* ---- locks --------------------------------------------------------------- */

int clipc_windows_flock(int fd, int operation)
{
    OVERLAPPED first = at_offset(0);

    (void)operation;
    return LockFileEx(handle_of(fd),
                      LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0,
                      1, 0, &first)
               ? 0
               : fail(GetLastError());
}

int fcntl(int fd, int command, ...)
{
    if (command != F_SETLK) {
        errno = EINVAL;
        return -1;
    }
    const int result = clipc_windows_flock(fd, LOCK_EX | LOCK_NB);
    if (result != 0 && errno == EWOULDBLOCK)
        errno = EAGAIN;
    return result;
}

/* ---- mapping, room ------------------------------------------------------- */

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    void *data = NULL;

    (void)at;
    (void)protection;
    (void)flags;
    (void)offset;
    HANDLE mapping = CreateFileMappingW(handle_of(fd), NULL, PAGE_READONLY,
                                        (DWORD)((uint64_t)n >> 32),
                                        (DWORD)(n & 0xffffffff), NULL);
    if (mapping) {
        data = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, n);
        const DWORD error = GetLastError();
        CloseHandle(mapping); /* the view keeps it */
        SetLastError(error);
    }
    if (data)
        return data;
    fail(GetLastError());
    return MAP_FAILED;
}

int munmap(void *data, size_t n)
{
    (void)n;
    return UnmapViewOfFile(data) ? 0 : fail(GetLastError());
}

/* VirtualUnlock() of pages that are not locked takes them out of the process's
 * memory. */
int madvise(void *data, size_t n, int advice)
{
    if (advice == MADV_DONTNEED)
        VirtualUnlock(data, n);
    return 0;
}

int fstatvfs(int fd, struct statvfs *fs)
{
    enum { BLOCK = 4096 };
    wchar_t *path = path_of(handle_of(fd));
    ULARGE_INTEGER ours, all;

    if (!path)
        return -1;
    wchar_t *slash = wcsrchr(path, L'\\');
    if (slash)
        slash[1] = L'\0';
    const BOOL good = GetDiskFreeSpaceExW(path, &ours, &all, NULL);
    const DWORD error = GetLastError();
    free(path);
    if (!good)
        return fail(error);
    *fs = (struct statvfs){ .f_frsize = BLOCK,
                            .f_blocks = all.QuadPart / BLOCK,
                            .f_bavail = ours.QuadPart / BLOCK };
    return 0;
}

/* ---- folders ------------------------------------------------------------- */

struct clipc_windows_dir {
    int fd;
    HANDLE search;
    bool has_entry; /* the first one, found by opendir() */
    WIN32_FIND_DATAW entry;
    struct dirent shown;
};

DIR *opendir(const char *path)
{
    DIR *folder = calloc(1, sizeof *folder);
    const size_t n = strlen(path);
    char *all = malloc(n + 3);
    wchar_t *wide = NULL;

    if (!folder || !all) {
        errno = ENOMEM;
        goto fail;
    }
    folder->fd = open(path, O_RDONLY | O_DIRECTORY);
    if (folder->fd < 0)
        goto fail;
    memcpy(all, path, n);
    memcpy(all + n, "/*", 3);
    wide = to_wide(all);
    if (!wide)
        goto fail_open;
    folder->search = FindFirstFileW(wide, &folder->entry);
    folder->has_entry = folder->search != INVALID_HANDLE_VALUE;
    /* The root of an empty disk has not even "." */
    if (!folder->has_entry && GetLastError() != ERROR_FILE_NOT_FOUND) {
        errno = errno_of(GetLastError());
        goto fail_open;
    }
    free(all);
    free(wide);
    return folder;
fail_open:
    close(folder->fd);
fail:
    free(all);
    free(wide);
    free(folder);
    return NULL;
}

struct dirent *readdir(DIR *folder)
{
    if (!folder->has_entry)
        return NULL;
    WideCharToMultiByte(CP_UTF8, 0, folder->entry.cFileName, -1,
                        folder->shown.d_name, (int)sizeof folder->shown.d_name,
                        NULL, NULL);
    folder->has_entry = FindNextFileW(folder->search, &folder->entry);
    if (!folder->has_entry && GetLastError() != ERROR_NO_MORE_FILES)
        errno = errno_of(GetLastError());
    return &folder->shown;
}

int closedir(DIR *folder)
{
    if (folder->search != INVALID_HANDLE_VALUE)
        FindClose(folder->search);
    close(folder->fd);
    free(folder);
    return 0;
}

int dirfd(DIR *folder)
{
    return folder->fd;
}

int alphasort(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int scandir(const char *path, struct dirent ***list,
            int (*none)(const struct dirent *),
            int (*order)(const struct dirent **, const struct dirent **))
{
    struct dirent **all = NULL, *entry;
    DIR *folder = opendir(path);
    size_t n = 0;

    (void)none;
    if (!folder)
        return -1;
    while ((entry = readdir(folder)) != NULL) {
        struct dirent **more = realloc(all, (n + 1) * sizeof *all);
        if (more)
            all = more;
        if (!more || (all[n] = malloc(sizeof *entry)) == NULL) {
            while (n > 0)
                free(all[--n]);
            free(all);
            closedir(folder);
            errno = ENOMEM;
            return -1;
        }
        *all[n++] = *entry;
    }
    closedir(folder);
    if (n > 1)
        qsort(all, n, sizeof *all, (int (*)(const void *, const void *))order);
    *list = all;
    return (int)n;
}

/* ---- this process -------------------------------------------------------- */

/* Values that getenv() has returned. */
typedef struct known {
    struct known *next;
    const char *name;
    char *value;
} known;

/* malloc'ed; NULL where nobody has set the variable. */
static char *variable(const char *name)
{
    wchar_t *wide_name = to_wide_text(name), *wide = NULL;
    DWORD n = wide_name ? GetEnvironmentVariableW(wide_name, NULL, 0) : 0;
    char *value = NULL;

    if (n > 0 && (wide = malloc((size_t)n * sizeof *wide)) != NULL &&
        GetEnvironmentVariableW(wide_name, wide, n) < n)
        value = to_utf8(wide);
    free(wide);
    free(wide_name);
    return value;
}

/* The same text as an earlier call returned, where the variable has the same
 * value. */
static char *keep(const char *name, char *value)
{
    static SRWLOCK lock;
    static known *first;
    known *k;

    AcquireSRWLockExclusive(&lock);
    for (k = first; k; k = k->next)
        if (strcmp(k->name, name) == 0 && strcmp(k->value, value) == 0)
            break;
    if (k) {
        free(value);
        value = k->value;
    } else if ((k = malloc(sizeof *k)) != NULL) {
        char *copy = strdup(name);
        if (copy) {
            *k = (known){ .next = first, .name = copy, .value = value };
            first = k;
        } else {
            free(k);
        }
    }
    ReleaseSRWLockExclusive(&lock);
    return value;
}

char *getenv(const char *name)
{
    char *value = variable(name);

    if (!value && strcmp(name, "HOME") == 0) {
        value = variable("USERPROFILE");
        if (value)
            turn_slashes(value);
    }
    return value ? keep(name, value) : NULL;
}

long sysconf(int name)
{
    SYSTEM_INFO info;

    if (name != _SC_PAGESIZE)
        return -1;
    GetSystemInfo(&info);
    return (long)info.dwPageSize;
}

/* ---- libraries ----------------------------------------------------------- */

void *dlopen(const char *name, int flags)
{
    wchar_t *wide = to_wide_text(name);
    HMODULE library = NULL;

    (void)flags;
    if (wide)
        library = LoadLibraryExW(wide, NULL, LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
    free(wide);
    return library;
}

void *dlsym(void *library, const char *name)
{
    FARPROC symbol = GetProcAddress(library, name);
    void *address;

    memcpy(&address, &symbol, sizeof address);
    return address;
}

#else

typedef int clipc_os_windows_files_are_elsewhere; /* ISO C wants one */

#endif
