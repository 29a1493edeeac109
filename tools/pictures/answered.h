/* SPDX-License-Identifier: MIT
 *
 * answered.h - the inputs that earlier runs have answered, read from their
 * JSON lines: for --resume. A record is a line that ends in a newline. An
 * unfinished last line, left by an interrupted run, is no record.
 */
#ifndef CLIPC_TOOL_ANSWERED_H
#define CLIPC_TOOL_ANSWERED_H

#include "common/tool.h"

/* The limit of a record with its end. The longest that a program writes have
 * a data: URL of 16 MiB whose bytes are all escaped, 128 MiB, or the scores of
 * 1,000,000 labels, about 110 MB and the labels themselves. */
enum { TOOL_RECORD_BYTES = 1 << 28 };

/* Reads a record with its end, as getline() does; of a longer line the first
 * TOOL_RECORD_BYTES bytes. Returns the length, 0 at the end of the file. */
size_t tool_record_read(char **line, size_t *room, FILE *file);

typedef struct tool_answered tool_answered;

tool_answered *tool_answered_new(void);
void tool_answered_free(tool_answered *answered);

/* Adds the records of a file; key: "image" or "text". *whole is the number of
 * bytes in complete lines. false: the file cannot be read, or a line is no
 * record; `message` says which, without the file's name. */
bool tool_answered_read(tool_answered *answered, const char *path,
                        const char *key, uint64_t *whole, char message[256]);

/* Takes a record of this input; false: none is left. Each record is taken
 * once, so that an input named twice needs two. Read no file afterwards. */
bool tool_answered_take(tool_answered *answered, const char *name, size_t n);

#endif /* CLIPC_TOOL_ANSWERED_H */
