/* SPDX-License-Identifier: MIT
 *
 * texts.h - a file with one text a line, read line by line: every line is a
 * text, an empty one too. A byte order mark at the start and CR before LF are
 * left out; U+0000 is text.
 */
#ifndef CLIPC_TOOL_TEXTS_H
#define CLIPC_TOOL_TEXTS_H

#include "common/tool.h"

/* Of one line. Of a longer one, this much is its text, and it has failed. */
enum { TOOL_TEXT_BYTES = 65536 };

typedef struct tool_text {
    char *data; /* grows; freed by the caller when all is done */
    size_t len, room;
    clipc_status status;
    char message[256]; /* of a failure */
} tool_text;

typedef struct tool_texts tool_texts;

/* path "-": standard input. NULL: `message` says why. */
tool_texts *tool_texts_open(const char *path, char message[256]);
void tool_texts_close(tool_texts *texts);

/* The next text; false: there is none, or it cannot be read: then `message` is
 * not empty. */
bool tool_texts_next(tool_texts *texts, tool_text *text, char message[256]);

/* A guess at the number of all texts after n were read; 0: nobody knows. */
size_t tool_texts_total(const tool_texts *texts, size_t n);

#endif /* CLIPC_TOOL_TEXTS_H */
