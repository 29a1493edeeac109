/* SPDX-License-Identifier: MIT
 *
 * answered.h - which inputs earlier runs have answered, from the JSON lines
 * they wrote: for --resume. A record is a line that ends in a newline; the
 * unfinished line that an interrupted run may leave at the end is none.
 */
#ifndef CLIPC_TOOL_ANSWERED_H
#define CLIPC_TOOL_ANSWERED_H

#include "common/tool.h"

typedef struct tool_answered tool_answered;

tool_answered *tool_answered_new(void);
void tool_answered_free(tool_answered *answered);

/* Adds the records of a file; key: "image" or "text". *whole is how many bytes
 * of it are complete lines. false: it cannot be read, or a line is no record;
 * `message` says what, without the file's name. */
bool tool_answered_read(tool_answered *answered, const char *path,
                        const char *key, uint64_t *whole, char message[256]);

/* Whether a record is left for this input; each record is given out once, so
 * that an input named twice needs two. Nothing can be added afterwards. */
bool tool_answered_take(tool_answered *answered, const char *name, size_t n);

#endif /* CLIPC_TOOL_ANSWERED_H */
