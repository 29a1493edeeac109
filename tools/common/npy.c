/* SPDX-License-Identifier: MIT
 *
 * npy.c - see npy.h. A file is the magic "\x93NUMPY", version 1.0, the length
 * of the header in 16 bits, the header (a Python dict padded with spaces to a
 * multiple of 64 bytes, ending in a newline), then the elements.
 */
#define _XOPEN_SOURCE 700 /* realpath */
#include "common/npy.h"

#include "common/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PRELUDE = 10, ALIGN = 64, MESSAGE = 256 };

static const char magic[] = "\x93NUMPY";

size_t tool_npy_header(char out[TOOL_NPY_HEADER], const tool_array *array)
{
    char dict[TOOL_NPY_HEADER - PRELUDE - ALIGN];
    size_t n = (size_t)snprintf(dict, sizeof dict,
                                "{'descr': '%s', 'fortran_order': False, "
                                "'shape': (",
                                array->descr);
    for (size_t i = 0; i < array->rank; i++)
        n += (size_t)snprintf(dict + n, sizeof dict - n, "%zu,%s",
                              array->shape[i], i + 1 < array->rank ? " " : "");
    if (array->rank > 1)
        n--; /* (3, 4) but (3,) */
    n += (size_t)snprintf(dict + n, sizeof dict - n, "), }");

    size_t total = (PRELUDE + n + 1 + ALIGN - 1) / ALIGN * ALIGN;
    memcpy(out, magic, sizeof magic - 1);
    out[6] = 1; /* version 1.0 */
    out[7] = 0;
    out[8] = (char)((total - PRELUDE) & 0xFF);
    out[9] = (char)((total - PRELUDE) >> 8);
    memcpy(out + PRELUDE, dict, n);
    memset(out + PRELUDE + n, ' ', total - PRELUDE - n - 1);
    out[total - 1] = '\n';
    return total;
}

bool tool_npy_is_array(FILE *file)
{
    char start[sizeof magic - 1];

    return fread(start, sizeof start, 1, file) == 1 &&
           memcmp(start, magic, sizeof start) == 0;
}

static bool write_array(int fd, const tool_array *array)
{
    char header[TOOL_NPY_HEADER];
    size_t n = array->element_bytes;

    for (size_t i = 0; i < array->rank; i++)
        n *= array->shape[i];
    return tool_write_all(fd, header, tool_npy_header(header, array)) &&
           tool_write_all(fd, array->data, n);
}

/* "": the reader of the pipe has gone. */
static bool fail(char message[256], const char *what, int error)
{
    message[0] = '\0';
    if (!tool_lost_reader(error))
        snprintf(message, MESSAGE, "cannot %s: %s", what, tool_errno(error));
    return false;
}

/* The mode of the file to be replaced, where it is the user's own. */
static mode_t mode_for(const char *path, mode_t otherwise)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
                   st.st_uid == geteuid()
               ? st.st_mode & 0777
               : otherwise;
}

/* Writes a new file beside `path`, then renames it over it. */
static bool replace(const char *path, const tool_array *array,
                    char message[256])
{
    char *temporary = tool_format("%s.XXXXXX", path);
    int fd = mkstemp(temporary);

    if (fd < 0) {
        fail(message, "create a file beside it", errno);
        free(temporary);
        return false;
    }
    mode_t mask = umask(0);
    umask(mask);
    bool good = fchmod(fd, mode_for(path, 0666 & ~mask)) == 0 &&
                write_array(fd, array) && fsync(fd) == 0;
    int error = errno;
    if (close(fd) != 0 && good) {
        error = errno;
        good = false;
    }
    if (good && rename(temporary, path) != 0) {
        error = errno;
        good = false;
    }
    if (!good) {
        unlink(temporary);
        fail(message, "write", error);
    }
    free(temporary);
    return good;
}

bool tool_npy_write(const char *path, const tool_array *array,
                    char message[256])
{
    struct stat st;

    if (!path) {
        if (isatty(STDOUT_FILENO) == 1) {
            snprintf(message, MESSAGE,
                     "it is a terminal: redirect it, or name a file with -o");
            return false;
        }
        return write_array(STDOUT_FILENO, array) ||
               fail(message, "write", errno);
    }
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
            return fail(message, "write", errno);
        bool good = write_array(fd, array);
        int error = errno;
        if (close(fd) != 0 && good) {
            error = errno;
            good = false;
        }
        return good || fail(message, "write", error);
    }
    /* Of a symbolic link, the target is replaced. */
    char *real = realpath(path, NULL);
    bool good = replace(real ? real : path, array, message);
    free(real);
    return good;
}
