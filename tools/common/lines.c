/* SPDX-License-Identifier: MIT
 *
 * lines.c - see lines.h.
 */
#include "common/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char byte_order_mark[] = { '\xEF', '\xBB', '\xBF' };

/* Of a list. */
#define MAX_BYTES ((size_t)16 << 20)
#define MAX_LINE_BYTES ((size_t)64 << 10)
enum { MAX_LINES = 1000000, MESSAGE = 256 };

/* ---- bytes ------------------------------------------------------------- */

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

bool tool_write_all(int fd, const void *data, size_t n)
{
    const char *bytes = data;
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno == EINTR && !tool_interrupted())
            continue;
        if (written < 0)
            return false;
        bytes += written;
        n -= (size_t)written;
    }
    return true;
}

/* ---- a list, read whole ------------------------------------------------ */

static bool blank(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' && s[i] != '\t')
            return false;
    return true;
}

/* Splits bytes, malloc'ed, which belong to the lines from now on. */
static bool split(tool_lines *lines, char *data, size_t n, char message[256])
{
    size_t begin = 0, number = 0, room = 0;

    lines->data = data;
    lines->items = NULL;
    lines->n = 0;
    if (n >= 3 && memcmp(data, byte_order_mark, 3) == 0)
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
            lines->items = tool_grow(lines->items, room, sizeof *lines->items);
        }
        lines->items[lines->n].data = line;
        lines->items[lines->n++].len = len;
    }
    if (lines->n > 0)
        return true;
    snprintf(message, MESSAGE, "the file has no text");
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
    return status == CLIPC_OK && split(lines, data, n, message);
}

void tool_lines_free(tool_lines *lines)
{
    free(lines->data);
    free(lines->items);
    memset(lines, 0, sizeof *lines);
}

/* ---- line by line ------------------------------------------------------ */

struct tool_texts {
    FILE *file;
    size_t line_bytes;
    bool is_stdin, begun;
    uint64_t bytes, used; /* bytes 0: not a regular file */
};

tool_texts *tool_texts_open(const char *path, size_t line_bytes,
                            char message[256])
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    struct stat st;

    int error = file ? tool_unreadable(fileno(file)) : errno;
    if (error) {
        snprintf(message, MESSAGE, "cannot read: %s", tool_errno(error));
        if (file && !is_stdin)
            fclose(file);
        return NULL;
    }
    tool_texts *texts = tool_grow(NULL, 1, sizeof *texts);
    *texts = (tool_texts){ .file = file,
                           .line_bytes = line_bytes,
                           .is_stdin = is_stdin };
    if (fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode))
        texts->bytes = (uint64_t)st.st_size;
    return texts;
}

void tool_texts_close(tool_texts *texts)
{
    if (!texts)
        return;
    if (!texts->is_stdin)
        fclose(texts->file);
    free(texts);
}

static void append(tool_text *text, char c)
{
    if (text->len == text->room) {
        text->room = text->room ? 2 * text->room : 256;
        text->data = tool_grow(text->data, text->room, 1);
    }
    text->data[text->len++] = c;
}

bool tool_texts_next(tool_texts *texts, tool_text *text, char message[256])
{
    uint64_t n = 0;
    bool too_long = false;
    int c = EOF;

    message[0] = '\0';
    text->len = 0;
    text->status = CLIPC_OK;
    errno = 0;
    while (!tool_interrupted() && (c = getc(texts->file)) != EOF) {
        n++;
        if (c == '\n')
            break;
        /* One byte more than the limit may be the CR of a CR LF. */
        too_long |= text->len > texts->line_bytes;
        if (!too_long)
            append(text, (char)c);
        if (!texts->begun && text->len == 3 &&
            memcmp(text->data, byte_order_mark, 3) == 0) {
            text->len = 0;
            texts->begun = true;
        }
    }
    texts->used += n;
    if (tool_interrupted())
        return false;
    if (c == EOF && ferror(texts->file)) {
        snprintf(message, MESSAGE, "cannot read: %s", tool_errno(errno));
        return false;
    }
    if (n == 0)
        return false;
    texts->begun = true;
    if (c == '\n' && !too_long && text->len > 0 &&
        text->data[text->len - 1] == '\r')
        text->len--;
    if (text->len > texts->line_bytes) {
        text->len = texts->line_bytes;
        text->status = CLIPC_ERR_LIMIT;
        snprintf(text->message, MESSAGE,
                 "the line has more than the limit of %zu bytes",
                 texts->line_bytes);
    }
    return true;
}

size_t tool_texts_total(const tool_texts *texts, size_t n)
{
    if (texts->used == 0 || texts->bytes == 0)
        return 0;
    if (texts->used >= texts->bytes)
        return n;
    return (size_t)((double)n / (double)texts->used * (double)texts->bytes +
                    0.5);
}
