/* SPDX-License-Identifier: MIT
 *
 * tool.h - start, end, messages on standard error, memory and signals of all
 * programs.
 *
 * Of the library the programs use clipc.h alone. Symbols of tools/ start with
 * tool_ (serve_ in tools/serve/), so that they cannot clash with symbols in a
 * static libclipc.
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

/* Exit status of all programs. TOOL_USAGE is decided before any file is
 * opened: a missing or malformed file is never a usage error. */
enum {
    TOOL_OK = 0, /* everything was answered */
    TOOL_FAILED =
        1, /* some inputs failed, or the output could not be written */
    TOOL_USAGE = 2,   /* the command line itself */
    TOOL_NO_MODEL = 3 /* the model, the labels or another list of inputs could
                       * not be loaded, or the model cannot compute here as the
                       * options ask */
};

/* First call of main(). Gives the program its name in messages, opens closed
 * standard descriptors (so that no file of ours becomes "standard output") and
 * turns SIGPIPE into a write error. */
void tool_start(const char *name, int *argc, char ***argv);

/* Flushes standard output; false: something could not be written, and
 * tool_finish() will say so. */
bool tool_flush(void);

/* Whether the errno of a write means that the reader of a pipe has gone: say
 * nothing. tool_finish() then ends the program as SIGPIPE would have. */
bool tool_lost_reader(int error);

/* Last call of main(), `return tool_finish(status)`: flushes standard output,
 * reports a write error, and ends by the signal that was caught, or by SIGPIPE
 * when the reader of the output has gone. */
int tool_finish(int status);

/* As tool_finish(), then _exit(). Call when threads may still be at work:
 * nothing that they use is freed. */
void tool_leave(int status) __attribute__((noreturn));

/* From now on the first SIGINT, SIGTERM or SIGHUP is remembered; a second one
 * ends the process at once. */
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

/* What the thread does when tool_grow() or tool_format() has no memory, after
 * the message: a function that does not return. NULL: the program ends. */
void tool_on_no_memory(void (*give_up)(void));

/* Model and lists are loaded: from now on a failure is a failed input. */
void tool_answering(void);

/* malloc'ed printf; out of memory ends the program as in tool_grow(). */
char *tool_format(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Says "NAME: message" of a failed input; a name that the message repeats is
 * said once. */
void tool_say_failure(const char *name, const char *message);

/* Of a call with one input: takes the input's number, "text 0" or "image 0",
 * out of the library's message. */
void tool_message_of_one(clipc_error *err);

/* The last line of a run with failures, also with --quiet: "3 of 20 images
 * failed". where: the place of the reasons ("the index says why"). NULL: each
 * failure had its own line; a single input then has no last line. */
void tool_say_failed(size_t n_failed, size_t n, const char *what,
                     const char *where);

/* An errno as English text, whatever the locale: "permission denied". */
const char *tool_errno(int error);

/* The errno that reading would give when the descriptor is a folder or open
 * for writing only; else 0. */
int tool_unreadable(int fd);

/* clipc_get_build_info(), which cannot fail here. */
clipc_build_info tool_build_info(void);

/* "softmax" or "sigmoid". Static. */
const char *tool_scoring_name(clipc_scoring scoring);

/* "exact" or "fast". Static. */
const char *tool_decode_name(clipc_decode decode);

/* --version: "clipc-classify 0.2.0" and one line a library. */
void tool_print_version(const char *name);

#endif /* CLIPC_TOOL_H */
