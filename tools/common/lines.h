/* SPDX-License-Identifier: MIT
 *
 * lines.h - text files of one text a line. Of all of them a byte order mark at
 * the start and CR before LF are left out, and U+0000 is text. A list of
 * labels or templates is read whole, texts and JSON strings line by line.
 */
#ifndef CLIPC_TOOL_LINES_H
#define CLIPC_TOOL_LINES_H

#include "common/tool.h"

/* ---- a list, read whole ------------------------------------------------ */

typedef struct tool_lines {
    char *data;        /* the file */
    clipc_text *items; /* [n], into data */
    size_t n;
} tool_lines;

/* Reads a list of UTF-8 lines. Skips lines of nothing but spaces and tabs;
 * refuses lines of other white space alone, and a file without a text.
 * Limits: 16 MiB, 1,000,000 lines, 64 KiB a line. false: nothing is read, and
 * `message` says why, without the file's name. */
bool tool_lines_read(tool_lines *lines, const char *path, char message[256]);

void tool_lines_free(tool_lines *lines);

/* ---- line by line ------------------------------------------------------ */

/* Every line is a text, an empty one too. */
typedef struct tool_text {
    char *data; /* grows; the caller frees it after the last line */
    size_t len, room;
    clipc_status
        status;        /* CLIPC_ERR_LIMIT: data is the start of a longer one */
    char message[256]; /* of a failure */
} tool_text;

typedef struct tool_texts tool_texts;

enum { TOOL_TEXT_BYTES = 65536 }; /* the limit of a line of plain text */

/* path "-": standard input. line_bytes: the limit of a line. NULL: `message`
 * says why, without the file's name. */
tool_texts *tool_texts_open(const char *path, size_t line_bytes,
                            char message[256]);
void tool_texts_close(tool_texts *texts);

/* Reads the next line. false: there is none, or the file cannot be read; only
 * then is `message` not empty. */
bool tool_texts_next(tool_texts *texts, tool_text *text, char message[256]);

/* A guess at the number of all texts after n were read; 0: nobody knows. */
size_t tool_texts_total(const tool_texts *texts, size_t n);

/* ---- bytes ------------------------------------------------------------- */

/* Reads all of an open descriptor, at most max_bytes; *data is malloc'ed.
 * CLIPC_ERR_LIMIT: the input has more bytes. */
clipc_status tool_read_all(int fd, size_t max_bytes, char **data, size_t *n,
                           char message[256]);

/* Writes n bytes; false: errno says why, and some may be written. */
bool tool_write_all(int fd, const void *data, size_t n);

#endif /* CLIPC_TOOL_LINES_H */
