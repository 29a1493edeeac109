/* SPDX-License-Identifier: MIT
 *
 * texts.c - see texts.h.
 */
#include "common/texts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MESSAGE = 256 };

struct tool_texts {
    FILE *file;
    bool is_stdin, begun;
    uint64_t bytes, used; /* bytes 0: not a regular file */
};

tool_texts *tool_texts_open(const char *path, char message[256])
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
    *texts = (tool_texts){ .file = file, .is_stdin = is_stdin };
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
        too_long |= text->len > TOOL_TEXT_BYTES;
        if (!too_long)
            append(text, (char)c);
        if (!texts->begun && text->len == 3 &&
            memcmp(text->data, "\xEF\xBB\xBF", 3) == 0) {
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
    if (text->len > TOOL_TEXT_BYTES) {
        text->len = TOOL_TEXT_BYTES;
        text->status = CLIPC_ERR_LIMIT;
        snprintf(text->message, MESSAGE,
                 "the line has more than the limit of %d bytes",
                 TOOL_TEXT_BYTES);
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
