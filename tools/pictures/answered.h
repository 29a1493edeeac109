/* SPDX-License-Identifier: MIT
 *
 * answered.h - the inputs that earlier runs have answered, read from their
 * JSON lines: for --resume. A record is a line that ends in a newline. An
 * unfinished last line, left by an interrupted run, is no record.
 */
#ifndef CLIPC_TOOL_ANSWERED_H
#define CLIPC_TOOL_ANSWERED_H

#include "common/tool.h"

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
