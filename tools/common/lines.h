/* SPDX-License-Identifier: MIT
 *
 * lines.h - text files of one label or template a line: UTF-8, a byte order
 * mark at the start and CR before LF left out, lines of nothing but spaces and
 * tabs skipped, of other white space alone refused, U+0000 kept. Limits: 16 MiB, 1,000,000 lines, 64 KiB a line.
 */
#ifndef CLIPC_TOOL_LINES_H
#define CLIPC_TOOL_LINES_H

#include "common/tool.h"

typedef struct tool_lines {
    char *data;        /* the file */
    clipc_text *items; /* [n], into data */
    size_t n;
} tool_lines;

/* false: nothing is read, and `message` says why, without the file's name. A
 * file without a line is an error. */
bool tool_lines_read(tool_lines *lines, const char *path, char message[256]);

/* Splits bytes that the lines own from now on (malloc'ed). */
bool tool_lines_split(tool_lines *lines, char *data, size_t n,
                      char message[256]);

void tool_lines_free(tool_lines *lines);

/* Reads all of an open descriptor, at most max_bytes; *data is malloc'ed.
 * CLIPC_ERR_LIMIT when there is more. */
clipc_status tool_read_all(int fd, size_t max_bytes, char **data, size_t *n,
                           char message[256]);

#endif /* CLIPC_TOOL_LINES_H */
