/* SPDX-License-Identifier: MIT
 *
 * tool.h - what the programs share: a safe start and end, messages on standard
 * error, signals.
 *
 * The programs stand on clipc.h alone. Symbols here start with tool_, so that
 * they cannot meet the library's own.
 */
#ifndef CLIPC_TOOL_H
#define CLIPC_TOOL_H

#include "clipc.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit status of all programs. TOOL_USAGE is decided before anything is
 * opened: what a file says, or that it is missing, is never a matter of
 * usage. */
enum {
    TOOL_OK = 0,     /* everything was answered */
    TOOL_FAILED = 1, /* some inputs failed, or the output could not be written */
    TOOL_USAGE = 2,  /* the command line itself */
    TOOL_NO_MODEL = 3 /* the model, the labels or another list of inputs could
                       * not be loaded, or the model cannot compute here as the
                       * options ask */
};

/* First call of main(). Gives the program its name in messages, opens closed
 * standard descriptors (so that no file of ours becomes "standard output") and
 * turns SIGPIPE into a write error. */
void tool_start(const char *name);

/* Flushes standard output; false: something could not be written, and
 * tool_finish() will say so. */
bool tool_flush(void);

/* Whether a write failed because the reader of a pipe has gone: nothing to
 * complain of. tool_finish() then ends the program as SIGPIPE would have. */
bool tool_lost_reader(int error);

/* Last call of main(), `return tool_finish(status)`: flushes standard output,
 * reports what could not be written, and ends by the signal that was caught,
 * or by SIGPIPE when the reader of the output has gone. */
int tool_finish(int status);

/* The same where threads may still be at work: ends the process without
 * returning, and without undoing what they may be using. */
void tool_leave(int status) __attribute__((noreturn));

/* From now on SIGINT and SIGTERM are remembered; a second one ends at once. */
void tool_catch_signals(void);
bool tool_interrupted(void);

/* "NAME: message" and a newline on standard error. */
void tool_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, then "Try 'NAME --help'", and exit 2; after tool_usage_command()
 * "Try 'NAME COMMAND --help'". */
void tool_usage_command(const char *command);
void tool_usage_error(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* Memory for n elements, checked, never NULL for n 0; or a message and exit 3,
 * 1 after tool_answering(). */
void *tool_grow(void *p, size_t n, size_t element_bytes);

/* All is loaded: what fails from now on is a failed input. */
void tool_answering(void);

/* malloc'ed printf with the same ending. */
char *tool_format(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* "NAME: message" of an input that failed, with the name said once where the
 * message has it too. */
void tool_say_failure(const char *name, const char *message);

/* The closing line of a run that had failures, "3 of 20 images failed", in all
 * programs and with --quiet. where: what says why, "the index says why"; NULL:
 * each failure has had its own line, so that one input alone needs no other. */
void tool_say_failed(size_t n_failed, size_t n, const char *what,
                     const char *where);

/* An errno as English text, whatever the locale: "Permission denied". */
const char *tool_errno(int error);

/* errno of reading from a descriptor that is a folder, or open for writing
 * only; 0: it may be readable. */
int tool_unreadable(int fd);

/* clipc_get_build_info(), which cannot fail here. */
clipc_build_info tool_build_info(void);

/* --version: "clipc-classify 0.2.0" and one line a library. */
void tool_print_version(const char *name);

#endif /* CLIPC_TOOL_H */
