/* SPDX-License-Identifier: MIT
 *
 * lines.c - see lines.h.
 */
#include "common/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_BYTES ((size_t)16 << 20)
#define MAX_LINE_BYTES ((size_t)64 << 10)
enum { MAX_LINES = 1000000, MESSAGE = 256 };

clipc_status tool_read_all(int fd, size_t max_bytes, char **data, size_t *n,
                           char message[256])
{
    char *bytes = NULL;
    size_t used = 0, room = 0;

    *data = NULL;
    *n = 0;
    for (;;) {
        if (used == room) {
            /* One byte past the limit is enough to see that there is more. */
            size_t most = max_bytes < SIZE_MAX ? max_bytes + 1 : max_bytes;
            size_t more = room ? 2 * room : 65536;
            room = more < room || more > most ? most : more;
            char *larger = realloc(bytes, room);
            if (!larger) {
                free(bytes);
                snprintf(message, MESSAGE, "out of memory");
                return CLIPC_ERR_NOMEM;
            }
            bytes = larger;
        }
        ssize_t got = read(fd, bytes + used, room - used);
        if (got < 0 && errno == EINTR && !tool_interrupted())
            continue;
        if (got < 0) {
            int error = errno;
            free(bytes);
            snprintf(message, MESSAGE, "cannot read: %s", tool_errno(error));
            return error == EINTR ? CLIPC_ERR_CANCELLED : CLIPC_ERR_IO;
        }
        if (got == 0)
            break;
        used += (size_t)got;
        if (used > max_bytes) {
            free(bytes);
            snprintf(message, MESSAGE, "larger than the limit of %zu bytes",
                     max_bytes);
            return CLIPC_ERR_LIMIT;
        }
    }
    *data = bytes;
    *n = used;
    return CLIPC_OK;
}

static bool blank(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' && s[i] != '\t')
            return false;
    return true;
}

bool tool_lines_split(tool_lines *lines, char *data, size_t n,
                      char message[256])
{
    size_t begin = 0, number = 0, room = 0;

    lines->data = data;
    lines->items = NULL;
    lines->n = 0;
    if (n >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0)
        begin = 3;
    while (begin < n) {
        const char *line = data + begin;
        const char *end = memchr(line, '\n', n - begin);
        size_t len = end ? (size_t)(end - line) : n - begin;
        begin += len + 1;
        number++;
        if (len > 0 && line[len - 1] == '\r')
            len--;
        if (blank(line, len))
            continue;
        if (len > MAX_LINE_BYTES) {
            snprintf(message, MESSAGE,
                     "line %zu has %zu bytes, more than the limit of %zu",
                     number, len, MAX_LINE_BYTES);
            goto fail;
        }
        size_t valid = tool_utf8_valid(line, len);
        if (valid < len) {
            snprintf(message, MESSAGE,
                     "line %zu is not UTF-8 at its byte %zu (byte %zu of the "
                     "file)",
                     number, valid + 1, (size_t)(line - data) + valid + 1);
            goto fail;
        }
        if (tool_is_white(line, len)) {
            snprintf(message, MESSAGE, "line %zu is nothing but white space",
                     number);
            goto fail;
        }
        if (lines->n == MAX_LINES) {
            snprintf(message, MESSAGE, "more than the limit of %d lines",
                     MAX_LINES);
            goto fail;
        }
        if (lines->n == room) {
            room = room ? 2 * room : 256;
            lines->items = tool_grow(lines->items, room,
                                     sizeof *lines->items);
        }
        lines->items[lines->n].data = line;
        lines->items[lines->n++].len = len;
    }
    if (lines->n > 0)
        return true;
    snprintf(message, MESSAGE, "there is no text in it");
fail:
    tool_lines_free(lines);
    return false;
}

bool tool_lines_read(tool_lines *lines, const char *path, char message[256])
{
    char *data;
    size_t n;

    memset(lines, 0, sizeof *lines);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(message, MESSAGE, "cannot read: %s", tool_errno(errno));
        return false;
    }
    clipc_status status = tool_read_all(fd, MAX_BYTES, &data, &n, message);
    close(fd);
    return status == CLIPC_OK && tool_lines_split(lines, data, n, message);
}

void tool_lines_free(tool_lines *lines)
{
    free(lines->data);
    free(lines->items);
    memset(lines, 0, sizeof *lines);
}
